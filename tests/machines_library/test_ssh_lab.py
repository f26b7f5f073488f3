"""Light hosts with a real sshd: who reaches them, what may go wrong with them, and that nothing of them is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness import await_true
from machines import sweep_leftovers
from machines.leftovers import find_leftovers
from machines_library.probes import TESTS
from ssh_lab import Host, HostSpec, PlaceError, SshLab, open_lab, require_lab
from ssh_lab.sight import find_needed, plan_sight

MEBIBYTE = 1 << 20
PYTHON = sys.executable

SERVE = "import socket, time; kept = socket.create_server(('', 7777)); print('listens', flush=True); time.sleep(1000)"

OWNER = """
import sys, time
from pathlib import Path
from ssh_lab import open_lab
with open_lab(Path(sys.argv[1])) as lab:
    host = lab.add_host("desk-1", home_bytes=1 << 20)
    host.popen(["sleep", "1000"])
    print(lab.network.namespace, flush=True)
    time.sleep(1000)
"""

LOOK = """
import sys
from pathlib import Path
from ssh_lab import open_lab
with open_lab(Path(sys.argv[1])) as lab:
    host = lab.add_host("desk-1")
    lab.trust(host)
    lab.write_config()
    look = "import sys, pytest, ssh_lab; print(sys.prefix, ssh_lab.__file__)"
    print(lab.client.run(["ssh", "desk-1", f"{sys.executable} -c '{look}'"]).stdout, end="")
    print(lab.client.run(["ls", "-A", "/tmp"]).stdout, end="")
    print(*host.list_files())
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshLab]:
    """A lab for tests that leave its hosts as they were."""
    with open_lab(tmp_path_factory.mktemp("ssh")) as lab:
        gate = lab.add_jump("gate")
        lab.add_hosts(
            [
                HostSpec("desk-1", home_bytes=MEBIBYTE, tmp_bytes=MEBIBYTE),
                HostSpec("desk-2", user="grace", port=2222, shell="/bin/sh"),
                HostSpec("inner", behind=gate),
                HostSpec("share-1", home="shared"),
                HostSpec("share-2", home="shared"),
            ]
        )
        lab.trust(*lab.hosts.values())
        lab.write_config("BatchMode yes", "ConnectTimeout 20")
        yield lab


@pytest.fixture
def desk(lab: SshLab) -> Host:
    return lab.hosts["desk-1"]


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder in /tmp that only root may look into."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def ssh(lab: SshLab, *words: str) -> subprocess.CompletedProcess[str]:
    return lab.client.run(["ssh", *words], check=False)


def read(lab: SshLab, *words: str) -> str:
    done = ssh(lab, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def read_refusal(lab: SshLab, *words: str) -> str:
    done = ssh(lab, "-o", "ConnectTimeout=1", *words)
    assert done.returncode == 255
    return done.stderr


def mounted(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]


# Who reaches what


def test_hosts_are_reached_by_the_names_in_the_configuration_as_their_own_users(lab: SshLab):
    assert (
        read(lab, "desk-1", "hostname; id -un; echo $HOME $SHELL; pwd") == "desk-1\nada\n/home/ada /bin/bash\n/home/ada"
    )
    assert read(lab, "desk-2", "hostname; id -un; echo $HOME $SHELL") == "desk-2\ngrace\n/home/grace /bin/sh"
    # By name without a configuration, too.
    assert read(lab, "-F", "none", "-i", "~/.ssh/id_grace", "-p", "2222", "grace@desk-2", "hostname") == "desk-2"


def test_a_key_is_one_users_only(lab: SshLab):
    other = "-F", "none", "-o", "BatchMode=yes", "-i", "~/.ssh/id_grace", "ada@desk-1"
    assert "Permission denied (publickey)" in read_refusal(lab, *other, "true")
    assert "Permission denied (publickey)" in read_refusal(lab, "-l", "root", "desk-1", "true")


def test_the_client_is_no_root_and_has_a_home_that_openssh_agrees_on(lab: SshLab):
    done = lab.client.run(
        ["sh", "-c", "id -u; id -G; pwd; echo $HOME $WORD; getent passwd wanda"], env={"WORD": "word"}
    )
    uid = lab.client.account.uid
    passwd = f"wanda:x:{uid}:{uid}:wanda:/home/wanda:/bin/bash"
    assert done.stdout.splitlines() == [str(uid), str(uid), "/home/wanda", "/home/wanda word", passwd]


def test_a_host_that_is_not_trusted_is_refused_until_it_is_again(lab: SshLab, desk: Host):
    for host in (desk, lab.hosts["desk-2"]):
        lab.forget(host)
        try:
            assert "Host key verification failed" in read_refusal(lab, host.name, "true")
        finally:
            lab.trust(host)
        read(lab, host.name, "true")


def test_a_host_behind_another_is_reached_through_it_only(lab: SshLab):
    inner = lab.hosts["inner"]
    assert read(lab, "inner", "hostname") == "inner"
    assert "timed out" in read_refusal(lab, "-o", "ProxyJump=none", "inner", "true")
    server = inner.popen([PYTHON, "-c", SERVE], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"listens\n"
        connect = "import socket, sys; socket.create_connection((sys.argv[1], 7777), 5)"
        lab.client.run([PYTHON, "-c", connect, "inner"])
        assert inner.list_ports() == [7777]
    finally:
        server.kill()
        server.wait()


def test_a_terminal_and_a_tunnel_work(lab: SshLab, desk: Host):
    assert "/dev/pts/0" in read(lab, "-tt", "desk-1", "tty")
    lab.client.run(["ssh", "-f", "-N", "-M", "-S", "~/tunnel", "-L", "7000:localhost:22", "desk-1"])
    try:
        assert 7000 in lab.client.list_ports()
        assert any("tunnel" in words for words in lab.client.list_processes())
    finally:
        lab.client.run(["ssh", "-S", "~/tunnel", "-O", "exit", "desk-1"])
    await_true(lambda: lab.client.list_processes() == [], "the tunnel is gone")


# What they share with this computer


def test_homes_are_shared_where_they_are_said_to_be_and_nowhere_else(lab: SshLab):
    read(lab, "share-1", "echo shared > ~/file")
    try:
        assert read(lab, "share-2", "cat ~/file") == "shared"
        assert ssh(lab, "desk-1", "cat ~/file").returncode != 0
    finally:
        read(lab, "share-2", "rm ~/file")


def test_the_project_runs_on_a_host_as_no_root_and_cannot_be_changed(lab: SshLab):
    code = "import distributed, daskfleet, ssh_lab, sys; print(sys.prefix)"
    assert read(lab, "desk-1", f"PYTHONPATH={TESTS} {PYTHON} -c '{code}'") == sys.prefix
    for folder in (sys.prefix, sys.base_prefix, TESTS, "/etc", "/usr"):
        done = lab.hosts["desk-1"].run(["touch", f"{folder}/touched"], user=False, check=False)
        assert "Read-only file system" in done.stderr


def test_a_host_sees_nothing_of_what_is_private_here(lab: SshLab, tmp_path: Path, desk: Host):
    (tmp_path / "file").touch()
    for path in (tmp_path, lab.network.folder, lab.client.home, Path("/run/user")):
        assert desk.run(["ls", str(path)], user=False, check=False).returncode == 2
    if not Path("/root").stat().st_mode & 0o001:
        ways = {path.parts[2] for path in find_needed() if path.parts[1] == "root"}
        assert set(desk.run(["ls", "-A", "/root"], check=False).stdout.split()) == ways
    look = ["ps", "-e", "--no-headers"]
    await_true(
        lambda: len(desk.run(look).stdout.splitlines()) == 3,
        "there are the first process, sshd, and the one that looks",
    )


def test_python_and_project_are_seen_also_where_temporary_files_and_closed_folders_would_hide_them(
    closed: Path, tmp_path: Path
):
    require_lab()
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", closed / "venv"], check=True)
    (closed / "venv").chmod(0o700)
    for name in ("ssh_lab", "machines", "sshd.py", "harness.py", "patience.py"):
        (closed / "tests" / name).parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", TESTS / name, closed / "tests"], check=True)
    paths = [str(closed / "tests"), *(path for path in sys.path if path != str(TESTS) and Path(path).is_dir())]
    (site,) = (closed / "venv/lib").glob("python*/site-packages")
    (site / "others.pth").write_text("".join(f"{path}\n" for path in paths))
    python = closed / "venv/bin/python"
    done = subprocess.run([python, "-c", LOOK, tmp_path / "lab"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = sorted({path.parts[2] for path in (closed, *map(Path, paths)) if path.is_relative_to("/tmp")})
    expected = [f"{closed / 'venv'} {closed / 'tests/ssh_lab/__init__.py'}", *seen, ""]
    assert done.stdout.splitlines() == expected


def test_a_folder_that_is_closed_within_one_that_is_seen_is_opened_for_what_is_needed(closed: Path):
    outer, way, inner = closed / "outer", closed / "outer/way", closed / "outer/way/inner"
    inner.mkdir(parents=True)
    bound: list[list[str | bool]] = [["bind", str(path), str(path), False] for path in (outer, inner)]
    assert plan_sight([outer, inner], []) == [["tmpfs", str(closed), "mode=755"], bound[0]]
    way.chmod(0o700)
    assert plan_sight([outer, inner], [Path("/tmp")]) == [bound[0], ["tmpfs", str(way), "mode=755"], bound[1]]
    assert plan_sight([Path("/usr"), Path("/usr/bin")], [Path("/tmp")]) == []


# What may go wrong


def test_a_host_that_is_cut_off_is_silent_and_its_connections_last(lab: SshLab):
    host = lab.hosts["desk-2"]
    session = lab.client.popen(["ssh", "desk-2", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert session.stdin is not None
    assert session.stdout is not None
    print("before", file=session.stdin, flush=True)
    assert session.stdout.readline() == "before\n"
    host.cut()
    print("meanwhile", file=session.stdin, flush=True)
    read_refusal(lab, "desk-2", "true")
    assert session.poll() is None
    host.mend()
    assert session.communicate(timeout=20)[0] == "meanwhile\n"


def test_an_sshd_that_hangs_accepts_and_never_answers(lab: SshLab, desk: Host):
    desk.hang()
    try:
        lab.network.connect(desk.address, desk.port).close()
        assert "timed out during banner exchange" in read_refusal(lab, "desk-1", "true")
    finally:
        desk.resume()
    read(lab, "desk-1", "true")


def test_keys_are_rejected_and_accepted_again(lab: SshLab, desk: Host):
    desk.reject_keys()
    try:
        assert "Permission denied (publickey)" in read_refusal(lab, "desk-1", "true")
    finally:
        desk.accept_keys()
    read(lab, "desk-1", "true")


@pytest.mark.parametrize("path", ["/tmp", "/home/ada"])
def test_a_full_disk_has_no_room_until_it_is_freed(lab: SshLab, desk: Host, path: str):
    write = f"echo word > {path}/file"
    desk.fill(path)
    try:
        assert "No space left on device" in ssh(lab, "desk-1", write).stderr
    finally:
        desk.free(path)
        read(lab, "desk-1", f"{write}; rm {path}/file")


def test_only_what_has_a_size_can_be_filled(lab: SshLab, desk: Host):
    for host, path in ((desk, "/var/tmp"), (lab.hosts["gate"], "/tmp"), (lab.hosts["gate"], "/home/ada")):
        with pytest.raises(ValueError, match="has no size of its own"):
            host.fill(path)


def test_a_host_that_loses_power_keeps_disks_and_address_and_loses_the_rest(lab: SshLab, desk: Host):
    keep, lose = ("/home/ada/file", "/var/tmp/file"), ("/tmp/file", "/dev/shm/file")
    read(lab, "desk-1", f"touch {' '.join(keep + lose)}; setsid sleep 1000 > /dev/null 2>&1 < /dev/null &")
    session = lab.client.popen(
        ["ssh", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", "desk-1", "echo here; sleep 1000"],
        stdout=subprocess.PIPE,
    )
    assert session.stdout is not None
    assert session.stdout.readline() == b"here\n"
    assert desk.list_files() == [f"{path} (file)" for path in sorted(keep + lose)]
    assert "sleep 1000" in desk.list_processes()
    address = desk.address
    desk.power_off()
    assert not desk.is_on
    with pytest.raises(PlaceError, match="desk-1 is off"):
        desk.list_processes()
    with pytest.raises(subprocess.TimeoutExpired):
        session.wait(0.2)  # Nobody tells it.
    read_refusal(lab, "desk-1", "true")
    desk.power_on()
    assert session.wait(20) == 255
    assert desk.address == address
    assert read(lab, "desk-1", "hostname") == "desk-1"
    assert desk.list_files() == [f"{path} (file)" for path in keep]
    assert desk.list_processes() == []
    read(lab, "desk-1", f"rm {' '.join(keep)}")


def test_a_host_behind_another_is_so_still_after_a_reboot(lab: SshLab):
    lab.hosts["inner"].reboot()
    assert read(lab, "inner", "hostname") == "inner"
    assert "timed out" in read_refusal(lab, "-o", "ProxyJump=none", "inner", "true")


def test_somebody_elses_work_keeps_a_core_busy_until_it_rests(lab: SshLab, desk: Host):
    desk.burn(2)
    try:
        owners = desk.run(["ps", "-e", "-o", "user=,args="]).stdout
        assert len([line for line in owners.splitlines() if line.startswith("root") and "while" in line]) == 2
    finally:
        desk.rest()
    assert desk.list_processes() == []


# What there is on them


def test_lists_tell_what_was_left_and_nothing_of_the_lab_itself(lab: SshLab, desk: Host):
    before = desk.list_files(), desk.list_processes(), desk.list_ports()
    assert before == ([], [], [])
    make = "mkdir -p ~/.cache/x /run/sshd /tmp/y; ln -s /nowhere ~/link; mkfifo /var/tmp/z"
    read(lab, "desk-1", f'{make}; {PYTHON} -c "{SERVE}" > /tmp/out 2>&1 < /dev/null &')
    await_true(desk.list_ports, "a port is listened on")
    assert desk.list_ports() == [7777]
    assert desk.list_processes() == [f"{PYTHON} -c {SERVE}"]
    assert desk.list_files() == [
        "/home/ada/.cache (folder)",
        "/home/ada/.cache/x (folder)",
        "/home/ada/link (link)",
        "/tmp/out (file)",
        "/tmp/y (folder)",
        "/var/tmp/z (other)",
    ]
    read(lab, "desk-1", "pkill python; rm -r ~/.cache ~/link /tmp/out /tmp/y /var/tmp/z")
    await_true(lambda: (desk.list_files(), desk.list_processes(), desk.list_ports()) == before, "all is as before")


def test_a_command_gets_the_signals_that_are_sent_to_it_and_tells_its_failure(lab: SshLab):
    waiting = lab.client.popen(["sh", "-c", "trap 'echo told; exit 3' INT; echo waits; while :; do sleep 0.02; done"])
    waiting.kill()
    assert waiting.wait() == -9
    told = "trap 'echo told; exit 3' INT; echo waits; while :; do sleep 0.02; done"
    waiting = lab.client.popen(["sh", "-c", told], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "waits\n"
    waiting.send_signal(2)
    assert waiting.communicate(timeout=20)[0] == "told\n"
    assert waiting.returncode == 3
    with pytest.raises(PlaceError, match=r"on client ended with 4\nout\n\nwrong"):
        lab.client.run(["sh", "-c", "echo out; echo wrong >&2; exit 4"])
    with pytest.raises(subprocess.TimeoutExpired):
        lab.client.run(["sh", "-c", "sleep 1000 & sleep 1000"], timeout=0.1)
    assert lab.client.run(["cat"], input="text").stdout == "text"
    assert subprocess.run(lab.client.inside(["id", "-un"]), capture_output=True, check=True).stdout == b"wanda\n"
    await_true(lambda: lab.client.list_processes() == [], "all has ended")


# The end


def test_thirty_hosts_start_at_once_and_leave_nothing(tmp_path: Path):
    started = time.monotonic()
    with open_lab(tmp_path) as lab:
        hosts = lab.add_hosts([f"desk-{number}" for number in range(30)], home_bytes=MEBIBYTE)
        print(f"{len(hosts)} hosts started in {time.monotonic() - started:.2f} s")
        lab.trust(*hosts)
        lab.write_config()
        processes = [host.popen(["sleep", "1000"]) for host in hosts]
        assert read(lab, "desk-29", "hostname") == "desk-29"
        assert len([line for line in find_leftovers(lab.network.namespace) if line.startswith("process")]) > 120
        assert len(mounted(lab.network.folder)) == 30
        lab.hosts["desk-0"].hang()
        lab.hosts["desk-1"].cut()
        lab.hosts["desk-2"].power_off()
    assert all(process.poll() is not None for process in processes)
    assert find_leftovers(lab.network.namespace) == []
    assert mounted(lab.network.folder) == mounted(tmp_path) == []
    lab.close()


def test_an_error_in_the_block_leaves_nothing_either(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), open_lab(tmp_path) as lab:  # noqa: PT012
        lab.add_host("desk-1").burn()
        _ = 1 / 0
    assert find_leftovers(lab.network.namespace) == []


def test_a_host_whose_sshd_does_not_start_says_why(tmp_path: Path):
    with open_lab(tmp_path) as lab:
        with pytest.raises(PlaceError, match="Bad configuration option: Nonsense"):
            lab.add_host("desk-1", settings=["Nonsense yes"])
        lab.add_host("desk-2")
    assert find_leftovers(lab.network.namespace) == []


def test_what_a_killed_owner_left_is_swept(tmp_path: Path):
    require_lab()
    command = [PYTHON, "-c", OWNER, str(tmp_path)]
    owner = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        name = owner.stdout.readline().strip()
    owner.kill()
    owner.wait()
    assert any(each.startswith("mount") for each in find_leftovers(name))
    sweep_leftovers()
    assert find_leftovers(name) == []


def test_a_missing_program_is_a_skip_that_says_so_and_so_are_missing_rights(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match=r"SSH labs need .*nft.*install-system-packages"):
        require_lab()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="root's rights"):
        require_lab()
