"""What can go wrong with a local fleet, each injected for real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from daskfleet.providers.certificates import issue_certificates
from harness import CommandLine, await_true

SUM = "from distributed import Client; print(Client(timeout=30).submit(sum, [1, 2]).result())"
ONE = "name: local\nprovider: local\nworkers: [{name: cpu, count: 1, threads: 1}]\n"
TWO = "name: local\nprovider: local\nworkers: [{name: cpu, count: 2, threads: 1}]\n"

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user or mount a file system")


def worker_pids(cli: CommandLine) -> dict[str, int]:
    pids = {worker["name"]: worker["pid"] for group in cli.status()["groups"] for worker in group["workers"]}
    assert all(pid > 1 for pid in pids.values()), pids
    return pids


def supervisor(cli: CommandLine) -> psutil.Process:
    (found,) = [process for process in cli.processes() if "supervisor.supervisord" in process.cmdline()]
    return found


def computes(cli: CommandLine) -> bool:
    return cli.run("connect", "local", "--", "python", "-c", SUM).stdout == "3\n"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


# Kills


def test_a_killed_worker_comes_back_under_its_name(cli: CommandLine):
    cli.ok("up", cli.write(TWO))
    before = worker_pids(cli)
    os.kill(before["cpu-0"], signal.SIGKILL)
    after = await_true(
        lambda: (now := worker_pids(cli)) and now.keys() == before.keys() and now["cpu-0"] != before["cpu-0"] and now,
        "a new worker cpu-0",
    )
    assert after["cpu-1"] == before["cpu-1"]
    assert computes(cli)


def test_a_killed_scheduler_comes_back_at_its_address_and_the_workers_rejoin(cli: CommandLine):
    cli.ok("up", cli.write(TWO))
    before = cli.status()
    os.kill(before["scheduler"]["pid"], signal.SIGKILL)
    after = await_true(
        lambda: (
            (now := cli.status())["state"] == "running"
            and now["scheduler"]["pid"] != before["scheduler"]["pid"]
            and now
        ),
        "the scheduler and its workers",
        timeout=60,
    )
    assert after["scheduler_address"] == before["scheduler_address"]
    assert computes(cli)


def test_a_killed_worker_node_comes_back_and_leaves_no_old_worker(cli: CommandLine):
    cli.ok("up", cli.write(TWO))
    before = worker_pids(cli)
    os.kill(cli.status()["groups"][0]["nodes"][0]["pid"], signal.SIGKILL)
    await_true(
        lambda: len(now := worker_pids(cli)) == 2 and not set(now.values()) & set(before.values()),
        "two new workers",
        60,
    )
    await_true(lambda: not any(psutil.pid_exists(pid) for pid in before.values()), "the old workers' end")
    assert computes(cli)


def test_a_killed_supervisor_takes_its_fleet_along_is_seen_by_status_and_mended_by_up(cli: CommandLine):
    cli.ok("up", cli.write(TWO))
    address = cli.connection()["scheduler_address"]
    supervisor(cli).kill()
    await_true(lambda: not cli.processes(), "the end of every process of the fleet")
    status = cli.status()
    assert status["state"] == "dead"
    assert "`daskfleet up local` mends it" in status["problems"][0]
    assert "does not listen" in cli.run("connect", "local").stderr
    cli.ok("up")
    assert cli.connection()["scheduler_address"] == address
    assert computes(cli)


def test_everything_killed_at_once_as_by_a_reboot_is_mended_by_up(cli: CommandLine):
    cli.ok("up", cli.write(TWO))
    for process in cli.processes():
        process.kill()
    await_true(lambda: not cli.processes(), "the end of every process")
    assert cli.status()["state"] == "dead"
    cli.ok("up", "local")
    assert computes(cli)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["up", "down"])
def test_an_up_killed_at_any_moment_is_mended_by_the_next_up_or_down(cli: CommandLine, then: str):
    file = cli.write(TWO)
    started = time.monotonic()
    cli.ok("up", file)
    length = time.monotonic() - started
    cli.ok("down")
    moments = 6  # Each of the two at moments of its own.
    for moment in range(moments):
        process = cli.start("up", file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=length * (moment + (0.25 if then == "up" else 0.75)) / moments)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if then == "up":
            cli.ok("up", file)
            assert cli.status()["state"] == "running", f"killed at {moment}/{moments}"
        cli.ok("down")
        assert cli.processes() == [], f"killed at {moment}/{moments}"
        assert list((cli.home / "fleets").iterdir()) == [], f"killed at {moment}/{moments}"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", ["certificates", "supervisor", "scheduler"])
def test_an_interrupted_up_leaves_nothing_behind(cli: CommandLine, signum: signal.Signals, after: str):
    process = cli.start("up", cli.write(TWO))
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if after in line:
                break
        process.send_signal(signum)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


def test_an_interrupted_up_of_a_fleet_that_was_there_leaves_it_running(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    process = cli.start("up", cli.write(ONE.replace("count: 1", "count: 6"), "more.yaml"))
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "registered" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert computes(cli)
    cli.ok("up", "local")
    assert len(worker_pids(cli)) == 6


# Two at once


def test_two_ups_at_once_make_one_fleet(cli: CommandLine):
    file = cli.write(TWO)
    both = [cli.start("up", file) for _ in range(2)]
    outcomes = [(*process.communicate(timeout=120), process.returncode) for process in both]
    assert [code for _, _, code in outcomes] == [0, 0], outcomes
    assert len([process for process in cli.processes() if "supervisor.supervisord" in process.cmdline()]) == 1
    assert len(worker_pids(cli)) == 2


def test_down_during_up_wins_and_up_says_so(cli: CommandLine):
    process = cli.start("up", cli.write(TWO))
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "waiting for the scheduler" in line:
                break
        cli.ok("down")
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "was taken down while it was starting" in err
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


def test_down_of_a_dead_fleet_removes_it(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    supervisor(cli).kill()
    cli.ok("down")
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


def test_down_ends_processes_whose_files_are_lost(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    shutil.rmtree(cli.home / "fleets/local")
    assert "nothing left" in cli.ok("down")
    assert cli.processes() == []


# Ports


def test_a_taken_port_that_was_asked_for_is_told_with_its_holder(cli: CommandLine):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = cli.run("up", cli.write(ONE + f"scheduler: {{port: {port}}}\n"))
    assert done.returncode == 1
    assert f"scheduler.port: {port}" in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    assert not (cli.home / "fleets/local").exists()


@pytest.mark.parametrize("port", [8786, 8787])
def test_a_taken_default_port_is_stepped_around(cli: CommandLine, port: int):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            pass  # Somebody has it already, which is as good.
        cli.ok("up", cli.write(ONE))
        connection = cli.connection()
        assert f":{port}" not in connection["scheduler_address"] + connection["dashboard_url"]
        assert computes(cli)


# Files


def test_a_state_file_cut_in_half_is_told_and_up_starts_the_fleet_afresh(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    before = {process.pid for process in cli.processes()}
    state = cli.home / "fleets/local/fleet.json"
    state.write_text(state.read_text()[: len(state.read_text()) // 2])
    assert cli.status()["state"] == "damaged"
    assert "damaged" in cli.run("scale", "local", "cpu", "2").stderr
    assert cli.run("list").returncode == 0
    cli.ok("up", "fleet.yaml")
    assert not before & {process.pid for process in cli.processes()}
    assert computes(cli)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("fleet.json", "cut"),
        ("fleet.json", "gone"),
        ("connection.json", "cut"),
        ("supervisord.conf", "gone"),
        ("nodes/cpu.json", "cut"),
        ("tls/ca.pem", "gone"),
    ],
)
def test_whatever_file_is_damaged_down_removes_the_fleet(cli: CommandLine, file: str, damage: str):
    cli.ok("up", cli.write(ONE))
    path = cli.home / "fleets/local" / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text()[: len(path.read_text()) // 2])
    for command in (["status"], ["connect", "local"], ["list"], ["logs"]):
        assert "Traceback" not in cli.run(*command).stderr
    cli.ok("down")
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


def test_a_state_folder_that_cannot_be_made_is_told(cli: CommandLine):
    blocked = cli.cwd / "blocked"
    blocked.write_text("a file where the folder should be")
    cli.home = blocked / "home"
    done = cli.run("up", cli.write(ONE))
    assert done.returncode == 1
    assert "Not a directory" in done.stderr
    assert "DASKFLEET_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@needs_root
def test_a_full_state_folder_is_told_and_nothing_stays_behind(cli: CommandLine, full_disk: Path):
    for used in (0, 40, 56, 60, 62, 63):
        cli.home = full_disk / "home"
        (full_disk / "ballast").write_bytes(b"x" * used * 1024)
        done = cli.run("up", cli.write(ONE), timeout=180)
        if done.returncode == 0:
            cli.ok("down")
        else:
            assert "Traceback" not in done.stderr
            assert "No space left on device" in done.stderr, done.stderr
        assert cli.processes() == [], f"{used} KiB used"
    assert done.returncode == 1


@needs_root
def test_a_folder_that_may_not_be_written_is_told(cli: CommandLine, full_disk: Path):
    subprocess.run(["mount", "-o", "remount,ro", full_disk], check=True)
    cli.home = full_disk / "home"
    done = cli.run("up", cli.write(ONE))
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert "DASKFLEET_HOME" in done.stderr


def test_without_a_home_it_says_what_to_set(cli: CommandLine):
    env = {"PATH": cli.environment["PATH"]}
    code = (
        "import pwd; pwd.getpwuid = lambda uid: {}[uid]\n"  # A user without an entry, as in a container.
        "from daskfleet.commands.app import main; main(['up'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=cli.cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Set DASKFLEET_HOME" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(cli.cwd.iterdir()) == []


def test_a_fleet_that_cannot_be_ready_in_time_is_told_with_the_logs_and_removed(cli: CommandLine):
    (cli.cwd / "bad.yaml").write_text("distributed:\n  worker:\n    preload: [no_such_module_at_all]\n")
    env = {**cli.environment, "DASK_CONFIG": str(cli.cwd / "bad.yaml")}
    done = cli.run("up", cli.write(ONE), "--timeout", "8", env=env)
    assert done.returncode == 1
    assert "missing cpu-0" in done.stderr
    assert "no_such_module_at_all" in done.stderr
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


# Other people


def test_keys_are_private_to_the_user(shared: CommandLine):
    root = shared.home / "fleets/shared"
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    for file in (*root.glob("tls/*"), *root.glob("nodes/*.json"), root / "connection.json", root / "fleet.json"):
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_what_tasks_write_has_the_modes_that_their_user_is_used_to(shared: CommandLine):
    script = (
        "import os; from distributed import Client\n"
        "print(Client().submit(lambda: oct(os.umask(0o22)), pure=False).result())"
    )
    before = os.umask(0o22)
    os.umask(before)
    assert shared.ok("connect", "shared", "--", "python", "-c", script) == f"{oct(before)}\n"


AS_NOBODY = """
import os, sys
from distributed import Client, Security
import distributed.comm.tcp
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for path in sys.argv[1:]:
    try:
        open(path)
        print("read", path)
    except PermissionError:
        print("refused")
try:
    Client(timeout=5)
    print("connected")
except PermissionError as error:
    print("refused")
"""


@needs_root
def test_a_second_user_can_neither_read_the_keys_nor_connect(shared: CommandLine):
    connection = shared.connection("shared")
    env = {**shared.environment, **connection["environment"]}
    keys = [path for path in connection["security"].values() if path]  # A local fleet has no key for SSH.
    command = [sys.executable, "-c", AS_NOBODY, *keys]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["refused"] * 4, done.stdout + done.stderr


CONNECT = """
import sys
from distributed import Client, Security
address, kind, folder = sys.argv[1:]
options = {}
if kind != "plain":
    address = address.replace("tcp://", "tls://")
    files = {"tls_ca_file": "ca", "tls_client_cert": "client", "tls_client_key": "client-key"}
    files = {option: f"{folder}/{name}.pem" for option, name in files.items()}
    options["security"] = Security(require_encryption=True, **files)
try:
    client = Client(address, timeout=5, **options)
    print(client.submit(sum, [1, 2]).result(timeout=5))
except Exception as error:
    print(type(error).__name__)
    sys.exit(9)
"""


@pytest.mark.parametrize("where", ["scheduler", "worker", "nanny"])
@pytest.mark.parametrize("kind", ["no certificate", "another fleet's certificate", "plain TCP"])
def test_a_stranger_is_refused_by_scheduler_worker_and_nanny(
    shared: CommandLine, tmp_path: Path, where: str, kind: str
):
    info = shared.python(
        "import json; from distributed import Client; info = Client().scheduler_info(n_workers=-1)\n"
        "address, worker = next(iter(info['workers'].items()))\n"
        "print(json.dumps([info['address'], address, worker['nanny']]))",
        env=shared.connection("shared")["environment"],
    )
    address = dict(zip(("scheduler", "worker", "nanny"), json.loads(info.stdout), strict=True))[where]
    host, port = address.removeprefix("tls://").split(":")
    if kind == "plain TCP":
        done = subprocess.run(
            [sys.executable, "-c", CONNECT, f"tcp://{host}:{port}", "plain", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 9, done.stdout + done.stderr
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # The stranger does not care whom it talks to.
    if kind == "another fleet's certificate":
        for name, text in issue_certificates("stranger", datetime.now(UTC)).items():
            (tmp_path / name).write_text(text)
        context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client-key.pem")
    assert read_first_byte(context, host, int(port)) == "refused"


def read_first_byte(context: ssl.SSLContext, host: str, port: int) -> str:
    """What becomes of a handshake: in TLS 1.3 the refusal comes with the first read."""
    try:
        with socket.create_connection((host, port), timeout=10) as raw, context.wrap_socket(raw) as secure:
            return "answered" if secure.recv(1) else "refused"
    except TimeoutError:
        return "kept waiting"
    except (ssl.SSLError, ConnectionError):
        return "refused"


def test_everything_listens_on_the_loopback_interface_only(shared: CommandLine):
    listening = [
        connection.laddr.ip
        for process in shared.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 8  # Scheduler and dashboard; of each worker: nanny, worker and its page.
    assert set(listening) == {"127.0.0.1"}
