"""A machine that is a systemd container on an image's root file system: systemd, cloud-init and the image's own units.

Not in it: kernel, boot loader, and what only a kernel of its own can have (modules, sysctl, a clock).
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from machines.leftovers import NAMESPACES, cgroup_roots, remove
from machines.machine import KILL_SECONDS, POLL_SECONDS, MachineError, MachineTimeout, ProcessMachine
from machines.network import Network
from machines.seed import render_seed, write_seed
from patience import PATIENCE

POWER_OFF = signal.SIGRTMIN + 4
"""What systemd understands as its power button, https://www.freedesktop.org/software/systemd/man/systemd.html."""

LEADER_SECONDS = 10.0

JOIN_AND_RUN = 'for group in $GROUPS_TO_JOIN; do echo $$ > "$group/cgroup.procs" || exit; done; exec "$@"'
"""For a shell: go into the control groups before anything else, so that nothing is ever outside of them."""


class Container(ProcessMachine):
    """A systemd container with an address in a `Network`. When it reboots it ends, with the code 133."""

    def __init__(
        self,
        network: Network,
        resource: str,
        name: str,
        address: str,
        process: subprocess.Popen[bytes],
        console_file: Path,
    ) -> None:
        super().__init__(name, address, process, console_file)
        self._network = network
        self._resource = resource
        self._leader: psutil.Process | None = None

    @property
    def leader(self) -> psutil.Process:
        """The container's first process, systemd, as this computer sees it.

        Raises:
            MachineError: it has ended, or was not there in time.
        """
        deadline = time.monotonic() + LEADER_SECONDS
        while self._leader is None:
            self._leader = find_leader(self.process.pid)
            if self._leader is None and not self.is_running():
                raise MachineError(self._describe(f"ended with {self.process.returncode} before systemd had started"))
            if self._leader is None and time.monotonic() > deadline:
                raise MachineTimeout(self._describe(f"did not start systemd within {LEADER_SECONDS:g} s"))
            time.sleep(POLL_SECONDS)
        return self._leader

    def exec(
        self, command: Sequence[str], *, timeout: float = 60.0, check: bool = True, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine as its root, and return what it wrote.

        Args:
            timeout: seconds.
            check: whether another exit code than 0 is an error.
            text: what it reads.

        Raises:
            MachineError: it failed.
            subprocess.TimeoutExpired: it did not end in time.
        """
        enter = ["nsenter", f"--target={self.leader.pid}", "--all", "--root", "--wd", "--"]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(
            [*enter, *command],
            env=environment,
            input=text,
            text=True,
            capture_output=True,
            timeout=timeout * PATIENCE,
            check=False,
        )
        if check and done.returncode != 0:
            raise MachineError(
                f"{list(command)} on machine {self.name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def press_power_button(self) -> None:
        try:
            self.leader.send_signal(POWER_OFF)
        except (MachineError, psutil.NoSuchProcess):
            return  # It has just ended.

    def kill(self) -> None:
        # systemd first: with the first process of its namespace the kernel ends all others.
        leader = self._leader or find_leader(self.process.pid)
        if leader is not None and leader.is_running():
            leader.kill()
        if self.is_running():
            self.process.kill()
        self.process.wait(KILL_SECONDS)

    def close(self) -> None:
        self.kill()
        remove(self._resource)
        self._network.release_address(self.address)


def find_leader(pid: int) -> psutil.Process | None:
    """The child of systemd-nspawn that is the first process of a container; `None` before there is one."""
    try:
        for child in psutil.Process(pid).children():
            status = Path(f"/proc/{child.pid}/status").read_text()
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
            # Before it becomes systemd it is still a copy of systemd-nspawn, which must not get systemd's signals.
            if len(numbers) > 1 and numbers[-1] == "1" and child.name() == "systemd":
                return child
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    return None


def start_container(
    network: Network,
    root: Path,
    name: str,
    *,
    user_data: str = "#cloud-config\n{}\n",
    address: str | None = None,
    instance_id: str | None = None,
    public_keys: Sequence[str] = (),
    binds: Mapping[str, Path] | None = None,
    read_only_binds: Mapping[str, Path] | None = None,
    tmpfs: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Container:
    """Switch on a container; it is closed with the network at the latest.

    Args:
        root: folder with the image's root file system. It is not changed; what the machine writes is lost with it.
        name: its name and host name.
        user_data: what cloud-init is to do.
        address: its address; `None` is a free one.
        instance_id: by which cloud-init knows a new machine; `None` is one that was never used.
        public_keys: keys of SSH that cloud-init lets the image's user log in with.
        binds: files or folders of this computer to see on the machine, by the path there.
        read_only_binds: the same, not to be written to.
        tmpfs: paths on the machine that get a file system in memory, with its options, `{"/var/lib/x": "size=1M"}`.
        files: texts by their paths on the machine, which may write there.
    """
    if not (root / "usr").is_dir():
        raise FileNotFoundError(f"{root} holds no root file system; it has no folder usr")
    resource = network.next_name()
    address = network.take_address(address)
    folder = network.folder / resource
    folder.mkdir()
    # Its interface is configured from outside: it is not let near it, as this computer's kernel may be too new for it.
    seed = render_seed(instance_id or resource, name, user_data, interface=None, public_keys=public_keys)
    seed_folder = write_seed(seed, folder / "seed")
    network.plug_namespace(resource, address)
    own = {path: folder / f"file-{number}" for number, path in enumerate(files or {})}
    for path, text in (files or {}).items():
        own[path].write_text(text)
    command = [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        f"--directory={root}",
        "--volatile=overlay",
        f"--machine={resource}",
        f"--hostname={name}",
        f"--network-namespace-path={NAMESPACES / resource}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--bind-ro={seed_folder}:/var/lib/cloud/seed/nocloud",
        *(f"--bind={source}:{path}" for path, source in {**own, **(binds or {})}.items()),
        *(f"--bind-ro={source}:{path}" for path, source in (read_only_binds or {}).items()),
        *(f"--tmpfs={path}:{options}" for path, options in (tmpfs or {}).items()),
        "--console=read-only",
        "--boot",
    ]
    groups = [group / resource for group in cgroup_roots()]
    for group in groups:
        group.mkdir()
    console_file = folder / "console"
    with console_file.open("wb") as console:
        process = subprocess.Popen(
            ["sh", "-c", JOIN_AND_RUN, "sh", *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "GROUPS_TO_JOIN": " ".join(map(str, groups))},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    container = Container(network, resource, name, address, process, console_file)
    network.add(container)
    return container
