"""A computer made of namespaces on this one's root file system, with one person who is not root."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from machines.leftovers import NAMESPACES, remove
from machines.network import Network
from patience import PATIENCE
from ssh_lab import first_process
from ssh_lab.accounts import Account, write_accounts
from ssh_lab.sight import Step, find_needed, plan_sight

PRIVATE = {"/tmp": "mode=1777", "/dev/shm": "mode=1777", "/run": "mode=755", "/home": "mode=755"}
"""File systems that are empty at each start, with their options."""

KEPT = {"/var/tmp": 0o1777, "/var/log": 0o755}
"""Folders that last over a restart, with their modes."""

FILLER = ".filler"
CLONE_NEWPID = 0x20000000
NAMES = ("nsenter", "setpriv", "env", "unshare")
LISTENING = "0A"


class PlaceError(Exception):
    """Something on a place failed."""


class Place:
    """A computer on the network, made of namespaces; it is on until it is switched off.

    It sees this computer's root file system, read-only, with this Python and the project at their own paths. It has its
    own /tmp, /var/tmp, /dev/shm, /run, /home and /var/log.
    """

    def __init__(
        self,
        network: Network,
        name: str,
        account: Account,
        folder: Path,
        names: Path,
        *,
        home: Path,
        tmp_bytes: int | None = None,
        home_bytes: int | None = None,
    ) -> None:
        """Take an address and make the files; `power_on` starts it.

        Args:
            folder: where its files are outside; it is made.
            names: the file that is its /etc/hosts.
            home: what is its person's home, outside.
            tmp_bytes: the size of its /tmp.
            home_bytes: the size of the file system that `home` is; `None` where it is a folder.
        """
        self.name = name
        self.account = account
        self.address = network.take_address()
        self.folder = folder
        self.home = account.home
        """The person's home, as seen inside."""
        self.home_outside = home
        """The same, as seen from outside; it may be written to while the place is off."""
        self._network = network
        self._resource = ""
        """Names its network namespace; empty when there is none."""
        self._names = names
        self._sizes = {Path("/tmp"): tmp_bytes, self.home: home_bytes}
        self._holder: subprocess.Popen[str] | None = None
        self._first = 0
        """The number of its first process as seen from outside; 0 when it is off."""
        self._started: list[subprocess.Popen[Any]] = []
        self._sight = plan_sight(find_needed(), [Path(path) for path in (*PRIVATE, *KEPT)])
        for each in ("etc", "ssh", *KEPT):
            (folder / each.lstrip("/").replace("/", "-")).mkdir(parents=True)
        for path, mode in KEPT.items():
            self._outside(path).chmod(mode)
        write_accounts(folder / "etc", account)
        (folder / "etc/hostname").write_text(f"{name}\n")
        (folder / "etc/resolv.conf").write_text("# There is no name server here.\n")

    def _outside(self, kept: str) -> Path:
        return self.folder / kept.lstrip("/").replace("/", "-")

    @property
    def environment(self) -> dict[str, str]:
        """Of what its person runs: the project's programs come first."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "USER": self.account.name,
            "SHELL": self.account.shell,
        }

    # On and off

    @property
    def is_on(self) -> bool:
        return self._first != 0

    def power_on(self) -> None:
        """Switch it on, with its address, its person's home, /var/tmp and /var/log as they were, and the rest empty.

        Raises:
            PlaceError: it does not start.
        """
        assert not self.is_on, f"{self.name} is on"
        if not self._resource:
            self._resource = self._network.next_name()
            self._network.plug_namespace(self._resource, self.address)
            self._guard()
        wanted = {"hostname": self.name, "steps": self._plan_steps(), "program": self._program()}
        namespaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child", "--propagation=private"]
        first = [sys.executable, "-I", "-S", "-E", "-B", first_process.__file__]
        self._holder = subprocess.Popen(
            [*self._enter_network(), "unshare", *namespaces, "--", *first],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        stdin, stdout, stderr = self._holder.stdin, self._holder.stdout, self._holder.stderr
        assert stdin is not None and stdout is not None and stderr is not None  # noqa: PT018
        with suppress(BrokenPipeError), stdin:
            json.dump(wanted, stdin)
        number = stdout.readline().strip()
        if not number:
            reason = stderr.read()
            self._end_holder()
            raise PlaceError(f"{self.name} does not start: {reason}")
        self._first = int(number)

    def power_off(self) -> None:
        """Switch it off as a power cut does: all its processes are gone at once, and no connection is closed."""
        self.cut()
        self.kill()
        # With it go the kernel's connections, which would still tell their ends once there is a network again.
        remove(self._resource)
        self._resource = ""

    def reboot(self) -> None:
        """Off and on again."""
        self.power_off()
        self.power_on()

    def kill(self) -> None:
        """End all its processes. May be called again."""
        if self._first:
            # With the first process of its namespace the kernel ends all others.
            with suppress(ProcessLookupError):
                os.kill(self._first, signal.SIGKILL)
            self._first = 0
        elif self._holder is not None:
            self._holder.kill()  # It was interrupted while it started.
        # Those that this process started must be waited for before the namespace, and its first process, can end.
        for process in list(self._started):
            process.wait()
        self._end_holder()

    def close(self) -> None:
        """End all its processes, and close what reads from them."""
        self.kill()
        for process in self._started:
            _close_pipes(process)
        self._started.clear()

    def _end_holder(self) -> None:
        if self._holder is not None:
            self._holder.wait()
            _close_pipes(self._holder)
            self._holder = None

    def _program(self) -> list[str]:
        """What its first process starts."""
        return []

    def _guard(self) -> None:
        """Set rules in its network namespace, when that is new."""

    def _plan_steps(self) -> list[Step]:
        steps: list[Step] = []
        for path, options in PRIVATE.items():
            size = self._sizes.get(Path(path))
            steps.append(["tmpfs", path, options if size is None else f"{options},size={size}"])
        steps += [["bind", path, str(self._outside(path)), True] for path in KEPT]
        steps.append(["bind", str(self.home), str(self.home_outside), True])
        steps += self._sight
        files = {file.name: file for file in (self.folder / "etc").iterdir()} | {"hosts": self._names}
        for name, source in files.items():
            # What a link leads to; what is not there, or lies in what is empty inside, needs nothing over it.
            target = (Path("/etc") / name).resolve()
            if target.exists() and not any(target.is_relative_to(path) for path in PRIVATE):
                steps.append(["bind", str(target), str(source), False])
        steps.append(["bind", "/etc/ssh", str(self.folder / "ssh"), False])
        return steps

    # Faults

    def cut(self) -> None:
        """Take it off the network as a pulled cable does; connections stay open and silent."""
        self._network.cut(self.address)

    def mend(self) -> None:
        """Undo `cut`."""
        self._network.mend(self.address)

    def fill(self, path: str | Path = "/tmp") -> None:
        """Leave no room in the file system of a path, which must have been given a size.

        Raises:
            ValueError: the file system has no size of its own.
        """
        with (self._find_sized(path) / FILLER).open("wb") as file:
            status = os.fstatvfs(file.fileno())
            os.posix_fallocate(file.fileno(), 0, max(1, status.f_bavail * status.f_frsize))

    def free(self, path: str | Path = "/tmp") -> None:
        """Undo `fill`."""
        (self._find_sized(path) / FILLER).unlink()

    def _find_sized(self, path: str | Path) -> Path:
        for point, size in self._sizes.items():
            if Path(path).is_relative_to(point) and size is not None:
                return self.see(point)
        raise ValueError(f"{path} on {self.name} has no size of its own; give tmp_bytes or home_bytes")

    # Programs

    def inside(self, command: Sequence[str], *, user: bool = True) -> list[str]:
        """The command that runs `command` on it, in the home of its person, with the environment that it is given.

        It waits for the command's end, and does not hand signals on: `popen` is what does.
        """
        return self._enter(command, user, "--pid")

    def popen(
        self, command: Sequence[str], *, user: bool = True, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a command on it, in the home of its person; it ends with the place at the latest.

        The process is the command's own, so it gets the signals that are sent to it.

        Args:
            user: whether its person runs it; otherwise root does.
            env: environment variables besides `environment`; what is there of the same name is replaced.
            options: of `subprocess.Popen`.
        """
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("start_new_session", True)
        words = self._enter(command, user)
        first = self._get_first()

        def start() -> subprocess.Popen[Any]:
            _let_children_join(first)
            return subprocess.Popen(words, env={**self.environment, **(env or {})}, **options)

        # In a thread that ends at once: what else this process starts is not to be on the place.
        with ThreadPoolExecutor(1) as thread:
            process = thread.submit(start).result()
        self._started.append(process)
        return process

    def run(
        self,
        command: Sequence[str],
        *,
        user: bool = True,
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        check: bool = True,
        input: str | None = None,  # noqa: A002 (as in subprocess.run)
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on it to its end, as `popen` starts it; returns what it wrote.

        Args:
            timeout: seconds.
            check: whether another exit code than 0 is an error.
            input: what it reads.

        Raises:
            PlaceError: it failed, with what it wrote.
            subprocess.TimeoutExpired: it did not end in time; it was killed.
        """
        pipe = subprocess.PIPE
        stdin = subprocess.DEVNULL if input is None else pipe
        process = self.popen(command, user=user, env=env, stdin=stdin, stdout=pipe, stderr=pipe, text=True)
        try:
            out, err = process.communicate(input, timeout * PATIENCE)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _close_pipes(process)
            raise
        finally:
            self._started.remove(process)
        if check and process.returncode != 0:
            raise PlaceError(f"{list(command)} on {self.name} ended with {process.returncode}\n{out}\n{err}")
        return subprocess.CompletedProcess(list(command), process.returncode, out, err)

    def _enter_network(self) -> list[str]:
        return ["nsenter", f"--net={NAMESPACES / self._resource}", "--"]

    def _enter(self, command: Sequence[str], user: bool, *namespaces: str) -> list[str]:
        nsenter, setpriv, env, _ = (str(shutil.which(name)) for name in NAMES)
        uid = self.account.uid
        person = [setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"] if user else []
        target = [f"--target={self._get_first()}", "--net", "--mount", "--uts", "--ipc", *namespaces]
        return [nsenter, *target, "--", *person, env, f"--chdir={self.home}", "--", *command]

    def _get_first(self) -> int:
        if not self._first:
            raise PlaceError(f"{self.name} is off")
        return self._first

    # What there is

    def see(self, path: str | Path) -> Path:
        """Where this process finds a path of the place while that is on."""
        return Path(f"/proc/{self._get_first()}/root") / str(path).lstrip("/")

    def list_processes(self) -> list[str]:
        """The command lines of all processes on it but its first one and sshd's own; sorted."""
        found = []
        for process in self._find_processes():
            with suppress(OSError):  # It has ended.
                if process.name == str(self._first) or (process / "exe").readlink().name.startswith("sshd"):
                    continue
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        return sorted(found)

    def _find_processes(self) -> Iterator[Path]:
        """The folders in this computer's /proc of what runs on the place."""
        namespace = Path(f"/proc/{self._get_first()}/ns/pid").stat().st_ino
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and (entry / "ns/pid").stat().st_ino == namespace:
                    yield entry

    def list_files(self) -> list[str]:
        """What is below its person's home, /tmp, /var/tmp, /dev/shm and /run but by sshd, as `PATH (KIND)`; sorted."""
        found: list[str] = []
        made_by_sight = {Path(str(step[1])) for step in self._sight if step[0] == "bind"}
        left_out = {Path("/run/sshd"), *made_by_sight, *(parent for path in made_by_sight for parent in path.parents)}
        for top in (str(self.home), "/tmp", "/var/tmp", "/dev/shm", "/run"):
            seen = self.see(top)
            for folder, folders, files in os.walk(seen):
                inside = Path(top) / Path(folder).relative_to(seen)
                folders[:] = [name for name in folders if inside / name not in left_out]
                for name in (*folders, *files):
                    with suppress(FileNotFoundError):
                        kind = _describe_kind((Path(folder) / name).lstat().st_mode)
                        found += [f"{inside / name} ({kind})"] if name != FILLER else []
        return sorted(found)

    def list_ports(self) -> list[int]:
        """The TCP ports that something listens on; sorted."""
        ports = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self._get_first()}/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if state == LISTENING:
                    ports.add(int(local.rpartition(":")[2], 16))
        return sorted(ports)


class Client(Place):
    """Where the command line runs: a place without sshd, whose person has the keys to all hosts."""

    def write(self, file: str, text: str, mode: int = 0o600) -> Path:
        """Write a file of its person, by its path from the home; returns its path inside."""
        outside = self.home_outside / file
        missing = [folder for folder in outside.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700)
            os.chown(folder, self.account.uid, self.account.uid)
        outside.write_text(text)
        outside.chmod(mode)
        os.chown(outside, self.account.uid, self.account.uid)
        return self.home / file


def _let_children_join(first: int) -> None:
    """Let what this thread starts from now on be in the PID namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/proc/{first}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWPID) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), f"PID namespace of process {first}")
    finally:
        os.close(descriptor)


def _close_pipes(process: subprocess.Popen[Any]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _describe_kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "other")
