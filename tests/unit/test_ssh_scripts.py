"""The scripts that run on hosts: whichever shell a person has there, and the whole life of a node on this machine."""

from __future__ import annotations

import asyncio
import base64
import importlib.resources
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from daskfleet.home import FleetPaths
from daskfleet.providers.ssh.bundle import build_bundle, render_node_command, render_settings
from daskfleet.providers.ssh.documents import read_tls_texts
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.nodes import (
    NodeView,
    install_node,
    look_at_node,
    parse_view,
    reload_node,
    start_node,
    stop_node,
)
from daskfleet.providers.ssh.probing import probe_host
from daskfleet.providers.ssh.shell import BEGIN, LocalShell, read_script, render_command, run_script
from daskfleet.providers.ssh.state import SshState, plan_state
from daskfleet_stacks.spec import SshFleetSpec, parse_fleet_spec
from harness import await_true

SCRIPTS = sorted(
    (
        entry
        for entry in (importlib.resources.files("daskfleet.providers.ssh") / "scripts").iterdir()
        if entry.name.endswith(".sh")
    ),
    key=lambda entry: entry.name,
)


# As their own tool judges them


MEANT = {
    "SC1091": "settings.sh is on the host",
    "SC2012": "what `ls` tells is for a person",
    "SC2013": "paths below /proc have no spaces",
    "SC2015": "`say` does not fail",
    "SC2086": "numbers of processes, and SSH_CONNECTION, are split into words",
    "SC2116": "lines become words",
    "SC2154": "settings.sh sets them",
    "SC2155": "`id` does not fail",
}
"""What shellcheck warns of and is meant; whatever else it says is a mistake."""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_has_no_complaint(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed; tests/install-system-packages installs it")
    command = ["shellcheck", "--shell=sh", f"--exclude={','.join(MEANT)}", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_says_what_it_does_and_what_it_is_told(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("# ")
    assert text.isascii()


# Whichever shell a person has


SHELLS = [name for name in ("sh", "bash", "dash", "zsh", "fish", "csh", "tcsh", "ksh", "busybox") if shutil.which(name)]
"""Those that are installed: a machine need not have them all."""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """The command that runs a line as sshd has a login shell run it."""
    return [request.param, "sh", "-c"] if request.param == "busybox" else [request.param, "-c"]


WORDS = (
    "", " ", "two words", "it's", '"quoted"', "$HOME", "${HOME}", "`id`", "$(id)", "!", "!!", "a!b", "\\", "\\\\",
    "a\\b", "a\\'b", "\\n", "*", "~", "#", ";", "&", "|", "<", ">", "(", ")", "{a,b}", "[1]", "%", "^a^b", "-n", "--",
    "=", "a=b", "ü", "\N{GRINNING FACE}", "日本", "\t", "'", "''", "'\"'", "$", "$$", "$'a'", "?", "@", "\\$HOME",
    "\\!", "two\nlines\n",
)  # fmt: skip

ECHO = 'printf "%s\\n" "$#"; for word; do printf "<%s>\\n" "$word"; done'


def run(shell: list[str], command: str, home: Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    return subprocess.run([*shell, command], input=data, capture_output=True, env=environment, check=False, timeout=30)


def heard(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode().partition(f"{BEGIN}\n")[2]


def test_what_a_script_is_told_arrives_unchanged_through_any_shell(shell: list[str], tmp_path: Path) -> None:
    done = run(shell, render_command(ECHO, WORDS), tmp_path)
    expected = "".join(f"<{word}>\n" for word in WORDS)
    assert heard(done) == f"{len(WORDS)}\n{expected}"


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_each_word_arrives_by_itself_through_sh(word: str, tmp_path: Path) -> None:
    assert heard(run(["sh", "-c"], render_command(ECHO, (word, "end")), tmp_path)) == f"2\n<{word}>\n<end>\n"


def test_a_host_is_asked_through_any_shell(shell: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among what it is told is a program of several lines."""

    class Through:
        async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
            done = run(shell, command, tmp_path, data)
            return done.returncode, done.stdout, done.stderr

    facts = asyncio.run(probe_host(Through(), make_state().hosts[0].place, sys.executable))
    assert facts.python is not None
    assert facts.home == str(tmp_path)


def test_what_a_script_reads_arrives_unchanged_through_any_shell(shell: list[str], tmp_path: Path) -> None:
    data = bytes(range(256)) * 400
    done = run(shell, render_command("cat", ()), tmp_path, data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{BEGIN}\n".encode() + data


def test_the_exit_code_of_a_script_arrives_through_any_shell(shell: list[str], tmp_path: Path) -> None:
    assert run(shell, render_command("echo why >&2; exit 3", ()), tmp_path).returncode == 3


def test_what_a_person_has_their_shell_print_is_cut_off(tmp_path: Path) -> None:
    class Greeting:
        async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
            line = f"echo 'Welcome to team-server!'; echo there; {command}"
            return await LocalShell().run(line, data)

    assert asyncio.run(run_script(Greeting(), "probe", "", "/tmp", "", "")).startswith("system=")
    view = asyncio.run(look_at_node(Greeting(), make_state(), "nobody"))
    assert not view.is_there


def test_bash_runs_a_script_after_what_its_settings_print(tmp_path: Path) -> None:
    (tmp_path / "greeting").write_text("echo hello; echo $- >&2\n")
    command = render_command(ECHO, ("a",))
    environment = {**os.environ, "HOME": str(tmp_path), "BASH_ENV": str(tmp_path / "greeting")}
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, check=True)
    assert done.stdout.startswith(b"hello\n")
    assert heard(done) == "1\n<a>\n"


@pytest.mark.parametrize("word", ["two\nlines", "a!b", "it\\'s", "\\\\"])
def test_a_command_holds_nothing_that_some_shells_read_within_quotes(word: str) -> None:
    """A line's end and `!` are read there by csh, backslashes by fish."""
    command = render_command(ECHO, (word,))
    assert not set(command) & {"\n", "!", "\\"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_command_is_one_line_for_any_shell(script: Path) -> None:
    command = render_command(script.read_text(), ("x-1/a", "it's"))
    assert "\n" not in command
    assert command.isascii()
    assert len(command) < 100_000


def test_a_script_that_fails_is_told_with_the_last_that_it_said() -> None:
    class Failing:
        def __init__(self, said: str) -> None:
            self.said = said

        async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
            return 4, b"hello\n", self.said.encode()

    def told(said: str) -> str:
        with pytest.raises(HostFailed) as caught:
            asyncio.run(run_script(Failing(said), "hello"))
        return str(caught.value)

    assert told("") == "hello: exit code 4"
    assert told("one\n\ntwo \n") == "hello: one; two"
    many = told("one\n\ntwo \nthree\nfour\nfive\n")
    assert many.startswith("hello: ")
    assert many.endswith("; four; five")
    assert "two" not in many


def test_a_script_that_takes_too_long_is_given_up_and_ended() -> None:
    class Slow:
        ended = False

        async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True
            raise AssertionError

    slow = Slow()
    with pytest.raises(HostFailed, match=r"hello: it does not answer within 0\.01 s"):
        asyncio.run(run_script(slow, "hello", seconds=0.01))
    assert slow.ended


# A node on this machine


NODE = """\
import os, pathlib, signal, sys, threading

stays = {stays!r}
document = pathlib.Path(sys.argv[1])
over = threading.Event()
marks = document.with_name("a.marks.jsonl")


def read(*_):
    marks.open("a").write('{{"phase": "registered", "time": 1.0}}\\n')
    print("read", document.read_text(), os.umask(0o077), flush=True)


def wait():
    sys.stdin.read()
    over.set()


signal.signal(signal.SIGHUP, read)
signal.signal(signal.SIGTERM, lambda *_: over.set())
read()
if not stays:
    threading.Thread(target=wait, daemon=True).start()
while not over.wait(0.05):
    pass
"""
"""Ends when its standard input does, as nodes do; or stays, as what a node leaves behind when it is killed."""

PEM = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"


def make_state(scratch: str = "/tmp") -> SshState:
    spec = parse_fleet_spec(
        {"name": "x", "provider": "ssh", "hosts": [{"host": "a", "scratch": scratch, "nice": 1}, "b"]}
    )
    assert isinstance(spec, SshFleetSpec)
    return plan_state(spec, None, new_id="0123abcd", now=0, working_directory="/")


@dataclass
class Host:
    """This machine as a host, with a home directory of its own."""

    home: Path
    scratch: Path
    state: SshState = field(init=False)

    def __post_init__(self) -> None:
        self.state = make_state(str(self.scratch))

    @property
    def root(self) -> Path:
        return self.home / ".daskfleet" / self.state.folder("a")

    @property
    def runtime(self) -> Path:
        return Path(self.state.runtime("a", self.state.hosts[0].place))

    def bundle(self, node: str = "a", *, stays: bool = False) -> bytes:
        program = self.home / ("stays.py" if stays else "node.py")
        program.write_text(NODE.format(stays=stays))
        settings = {
            "python": sys.executable,
            "node_command": shlex.join([sys.executable, str(program)]),
            "runtime": str(self.runtime),
            "nice": "1",
        }
        files = {f"nodes/{node}.json": "first", "tls/worker-key.pem": PEM}
        return build_bundle(node, "x", files, settings)

    def install(self, node: str = "a", *, stays: bool = False) -> list[str]:
        return asyncio.run(install_node(LocalShell(), self.state, node, self.bundle(node, stays=stays)))

    def start(self) -> None:
        asyncio.run(start_node(LocalShell(), self.state, "a", unit="", machine_id=""))

    def look(self, lines: int = 20) -> NodeView:
        return asyncio.run(look_at_node(LocalShell(), self.state, "a", lines=lines))

    def await_node(self) -> NodeView:
        def look() -> NodeView | None:
            view = self.look()
            has_read = any(line.startswith("read ") for line in view.log)
            return view if view.process is not None and has_read and "registered" in view.marks.phases else None

        return await_true(look, "the node runs")

    def reload(self, document: str) -> None:
        asyncio.run(reload_node(LocalShell(), self.state, "a", document))

    def stop(self, node: str = "a") -> None:
        asyncio.run(stop_node(LocalShell(), self.state, node, self.state.hosts[0].place))

    def find_processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("DASKFLEET_FLEET_DIR", "").startswith(str(self.home)):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def check_privacy(host: Host) -> None:
    """What is installed is this user's alone: folders and files, and so what the logs' folder holds."""
    for entry in (
        host.home / ".daskfleet",
        *(host.home / ".daskfleet").rglob("*"),
        host.runtime,
        *host.runtime.iterdir(),
    ):
        if entry.is_socket() or entry.is_dir():
            assert entry.stat().st_mode & 0o777 == 0o700, entry
        elif entry.parent not in (host.root, host.root / "logs", host.root / "nodes"):
            assert entry.stat().st_mode & 0o777 == 0o600, entry
    for path in ("tls/worker-key.pem", "settings.sh", "run.sh", "supervisord.conf", "nodes/a.json"):
        assert (host.root / path).stat().st_mode & 0o777 == 0o600, path


def is_running(pid: int) -> bool:
    """Whether it is there, and more than an entry that nobody has asked for yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(params=["home", 'a home\'s "ü" $x'])
def strange_home(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def home_name() -> str:
    return "home"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home_name: str) -> Iterator[Host]:
    home = tmp_path / home_name
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with tempfile.TemporaryDirectory(prefix="dask-ssh-") as scratch:  # Short, as paths of sockets are.
        host = Host(home, Path(scratch))
        try:
            yield host
        finally:
            for process in host.find_processes():
                process.kill()


class TestLife:
    """Everything that is done to a node, in a home directory with a plain name and in one with a strange name."""

    @pytest.fixture
    def home_name(self, strange_home: str) -> str:
        return strange_home

    def test_a_node_is_installed_started_asked_told_and_removed_without_a_trace(self, host: Host) -> None:
        before = {entry.name for entry in host.home.iterdir()}
        assert host.install() == ["a"]
        assert host.look().state == "stopped"
        host.start()
        view = host.await_node()
        assert view.state == "running"
        assert view.supervisor is not None
        assert any("read first" in line for line in view.log)
        check_privacy(host)
        host.start()
        assert (host.look().supervisor, host.look().process) == (view.supervisor, view.process)
        host.reload("second")
        await_true(lambda: any("read second" in line for line in host.look().log), "the node reads its document again")
        assert host.look().process == view.process
        assert psutil.Process(view.process).nice() == 1
        assert (host.root / "nodes/a.json").stat().st_mode & 0o777 == 0o600
        host.stop()
        assert host.find_processes() == []
        assert not is_running(view.supervisor)
        assert not (host.home / ".daskfleet").exists()
        assert list(host.scratch.iterdir()) == []
        assert host.look() == NodeView(is_there=False)
        assert {entry.name for entry in host.home.iterdir()} - before <= {"node.py"}


def test_tasks_make_files_as_their_person_does(host: Host) -> None:
    """The umask of a node is that of the login, not the private one of what is installed."""
    host.install()
    host.start()
    view = host.await_node()
    mask = os.umask(0)
    os.umask(mask)
    assert f"read first {mask}" in view.log


def test_a_node_that_is_killed_is_started_again(host: Host) -> None:
    host.install()
    host.start()
    first = host.await_node()
    assert first.process is not None
    os.kill(first.process, signal.SIGKILL)
    await_true(lambda: host.look().process not in (None, first.process), "the node is started again")
    assert host.look().supervisor == first.supervisor


def test_a_node_that_was_left_by_its_supervisor_is_ended_and_removed(host: Host) -> None:
    host.install(stays=True)
    host.start()
    view = host.await_node()
    assert view.supervisor is not None
    os.kill(view.supervisor, signal.SIGKILL)
    await_true(lambda: host.look().supervisor is None, "the supervisor is gone")
    assert host.look().state == "stopped"
    assert host.look().process == view.process
    host.stop()
    assert host.find_processes() == []
    assert not (host.home / ".daskfleet").exists()


def test_a_node_whose_supervisor_was_killed_is_started_anew(host: Host) -> None:
    host.install()
    host.start()
    view = host.await_node()
    assert view.supervisor is not None
    os.kill(view.supervisor, signal.SIGKILL)
    await_true(lambda: host.look().supervisor is None and not host.find_processes(), "the node ends with it")
    host.start()
    again = host.await_node()
    assert again.supervisor not in (None, view.supervisor)


def test_removing_is_safe_to_repeat_and_where_nothing_was(host: Host) -> None:
    host.stop()
    host.install()
    host.stop()
    host.stop()
    assert not (host.home / ".daskfleet").exists()


def test_removing_leaves_other_nodes_and_other_fleets_alone(host: Host) -> None:
    other = host.home / ".daskfleet/other-1/a"
    other.mkdir(parents=True)
    assert host.install("b") == ["b"]
    assert host.install() == ["a", "b"]
    environment = host.root.parent / ".environment"
    environment.mkdir()
    host.stop()
    assert sorted(entry.name for entry in host.root.parent.iterdir()) == [".environment", "b"]
    host.stop("b")
    assert not host.root.parent.exists()
    assert other.is_dir()


def test_a_file_with_the_number_of_somebody_elses_process_endangers_nobody(host: Host) -> None:
    host.install()
    bystander = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    try:
        (host.root / "supervisord.pid").write_text(f"{bystander.pid}\n")
        assert host.look().supervisor is None
        host.stop()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_supervisor_that_does_not_start_is_told_with_why(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.install()
    (host.root / "settings.sh").write_text(render_settings({"python": "/nowhere", "node_command": "x", "nice": "0"}))
    script = read_script("start").replace("-gt 400", "-gt 10")
    monkeypatch.setattr("daskfleet.providers.ssh.shell.read_script", lambda name: script)
    with pytest.raises(HostFailed, match=r"start: its supervisor did not start: .*runtime"):
        host.start()


# Folders that others could have put there


def refuse_to_run(host: Host) -> str:
    done = subprocess.run(
        ["sh", str(host.root / "run.sh"), str(host.root)], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    return done.stderr


def test_a_folder_to_spill_to_that_is_a_link_is_neither_used_nor_removed(host: Host, tmp_path: Path) -> None:
    host.install()
    target = tmp_path / "precious"
    target.mkdir()
    (target / "data").touch()
    host.runtime.symlink_to(target)
    assert refuse_to_run(host) == f"{host.runtime} belongs to somebody else\n"
    host.stop()
    assert host.runtime.is_symlink()
    assert [entry.name for entry in target.iterdir()] == ["data"]
    assert not (host.home / ".daskfleet").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_to_spill_to_that_is_somebody_elses_is_neither_used_nor_removed(host: Host) -> None:
    host.install()
    host.runtime.mkdir()
    (host.runtime / "data").touch()
    os.chown(host.runtime, 65534, 65534)
    assert refuse_to_run(host) == f"{host.runtime} belongs to somebody else\n"
    host.stop()
    assert [entry.name for entry in host.runtime.iterdir()] == ["data"]
    assert not (host.home / ".daskfleet").exists()


def test_a_folder_to_spill_to_that_cannot_be_made_is_told(host: Host) -> None:
    host.install()
    host.runtime.touch()
    assert "cannot be made: is the folder to spill to there, and writable?" in refuse_to_run(host)


# Secrets


@dataclass
class Recorder:
    """A shell that only writes down what it is told."""

    commands: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    async def run(self, command: str, data: bytes) -> tuple[int, bytes, bytes]:
        self.commands.append(command)
        self.data.append(data)
        return 0, f"{BEGIN}\na\n".encode(), b""


def read_everything(command: str) -> str:
    """A command line with all that is encoded in it."""
    decoded = [
        base64.b64decode(word + "=" * (-len(word) % 4)).decode(errors="replace")
        for word in re.findall(r"[A-Za-z0-9+/]{16,}", command)
    ]
    return "\n".join([command, *decoded])


def test_no_key_is_in_a_command_line_that_others_on_the_host_can_read(host: Host, tmp_path: Path) -> None:
    paths = FleetPaths(tmp_path / "fleet")
    paths.tls.mkdir(parents=True)
    for name in ("ca.pem", "worker.pem", "worker-key.pem"):
        (paths.tls / name).write_text(PEM if "key" in name else "certificate")
    files = {**read_tls_texts(paths, "worker"), "nodes/a.json": "{}"}
    assert PEM in files.values()
    recorder, state, place = Recorder(), host.state, host.state.hosts[0].place
    settings = {"python": "/p", "node_command": "/p x", "runtime": "/r", "nice": "0"}

    async def do_everything() -> None:
        await probe_host(recorder, place, sys.executable)
        await install_node(recorder, state, "a", build_bundle("a", "x", files, settings))
        await start_node(recorder, state, "a", unit="a.service", machine_id="1")
        await look_at_node(recorder, state, "a", lines=5)
        await reload_node(recorder, state, "a", "{}")
        await stop_node(recorder, state, "a", place)

    asyncio.run(do_everything())
    told = "\n".join(map(read_everything, recorder.commands))
    assert "set -u" in told
    assert "SECRET" not in told
    assert "PRIVATE KEY" not in told
    assert sum(map(len, recorder.data)) > 10_000


def test_a_document_goes_to_a_node_beside_the_command_line() -> None:
    recorder = Recorder()
    asyncio.run(reload_node(recorder, make_state(), "a", '{"fleet": "SENTINEL"}'))
    assert recorder.data == [b'{"fleet": "SENTINEL"}']
    assert "SENTINEL" not in read_everything(recorder.commands[0])


def test_the_command_of_a_node_is_read_by_a_shell_as_it_is_meant() -> None:
    command = render_node_command("/a b/it's/python", "/home/ü $x/.daskfleet/x-1/a")
    assert shlex.split(command) == ["/a b/it's/python", "/home/ü $x/.daskfleet/x-1/a/runtime", "node"]


def test_settings_are_read_by_a_shell_as_they_are_meant() -> None:
    settings = {"python": '/a b/it\'s "$x" `id` ü\\n', "nice": "0"}
    script = f'{render_settings(settings)}printf \'%s|%s\' "$python" "$nice"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode() == (
        f"{settings['python']}|0"
    )


# What is told back


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", "gone"),
        ("there\n::marks\n::log\n", "stopped"),
        ("there\nsupervisor 12\n::marks\n::log\n", "backoff"),
        ("there\nsupervisor 12\nnode 13\n::marks\n::log\n", "running"),
        ("there\nnode 13\n::marks\n::log\n", "stopped"),
        ("there\nsupervisor x\n::marks\n", "stopped"),
    ],
)
def test_the_state_of_a_node_is_in_the_words_of_its_supervisor(text: str, state: str) -> None:
    assert parse_view(text).state == state


def test_the_marks_and_the_log_of_a_node_are_told_apart() -> None:
    view = parse_view("there\nsupervisor 12\nnode 13\n::marks\n::log\n::marks\nsupervisor 99\nlast\n")
    assert (view.supervisor, view.process) == (12, 13)
    assert view.log == ("::marks", "supervisor 99", "last")
    assert view.marks.phases == {}
