"""A place with a real sshd, and what may go wrong with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from harness import await_true
from machines.network import Network
from ssh_lab.accounts import Account, make_key
from ssh_lab.place import Place, PlaceError
from sshd import SSHD

LOG = "sshd.log"
BURN = ["sh", "-c", "while :; do :; done"]

CONFIGURATION = """\
Port {port}
AddressFamily inet
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys/%u
PidFile /run/sshd/sshd.pid
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
AllowTcpForwarding yes
Subsystem sftp internal-sftp
"""

GUARD = """\
table inet lab {{
    chain input {{
        type filter hook input priority 0; policy accept;
        iif lo accept
        tcp dport {port} tcp flags & (syn | ack) == syn ip saddr != {address} drop
    }}
}}
"""


@dataclass(frozen=True)
class HostSpec:
    """How a host is to be."""

    name: str
    user: str = "ada"
    """Who works there. The same name is the same person, with the same number and key, on all hosts."""
    port: int = 22
    home: Literal["own", "shared"] = "own"
    """Whether homes are its own, or those that all hosts with `shared` have, as over NFS."""
    shell: str = "/bin/bash"
    tmp_bytes: int | None = None
    """The size of /tmp, so that it can be filled."""
    home_bytes: int | None = None
    """The size of the file system that the home is, so that it can be filled; only for its own."""
    behind: Host | None = None
    """The only host from which its sshd can be reached; its other ports are open to all."""
    settings: Sequence[str] = ()
    """More lines of sshd's configuration; they come first, so they count."""


class Host(Place):
    """A computer that one reaches by SSH."""

    def __init__(
        self, network: Network, spec: HostSpec, account: Account, folder: Path, names: Path, home: Path, public_key: str
    ) -> None:
        """Take an address and make the files; `power_on` starts it.

        Args:
            account: the person it is for.
            folder, names, home: as for `Place`.
            public_key: of whom sshd lets in as that person.
        """
        sizes = {"tmp_bytes": spec.tmp_bytes, "home_bytes": spec.home_bytes}
        super().__init__(network, spec.name, account, folder, names, home=home, **sizes)
        self.spec = spec
        self._public_key = public_key
        self._listener: psutil.Process | None = None
        self._burning: list[subprocess.Popen[Any]] = []
        ssh = folder / "ssh"
        self.host_key = make_key(ssh / "host_key")
        """The public key by which a client knows it."""
        lines = "".join(f"{line}\n" for line in spec.settings)
        (ssh / "sshd_config").write_text(lines + CONFIGURATION.format(port=spec.port))
        (ssh / "authorized_keys").mkdir()
        self.accept_keys()

    @property
    def user(self) -> str:
        return self.account.name

    @property
    def port(self) -> int:
        return self.spec.port

    def power_on(self) -> None:
        super().power_on()
        children = psutil.Process(self._first).children()  # So soon it has no other.
        if not children:
            raise PlaceError(f"sshd of {self.name} ended: {self.read_log()}")
        listener = self._listener = children[0]
        await_true(lambda: self._listens() or not _runs(listener), f"sshd of {self.name} listens")
        if not _runs(listener):
            raise PlaceError(f"sshd of {self.name} ended: {self.read_log()}")

    def _program(self) -> list[str]:
        return [SSHD, "-D", "-E", f"/var/log/{LOG}", "-f", "/etc/ssh/sshd_config"]

    def _guard(self) -> None:
        if self.spec.behind is not None:
            rules = GUARD.format(port=self.port, address=self.spec.behind.address)
            subprocess.run([*self._enter_network(), "nft", "-f", "-"], input=rules, text=True, check=True)

    def _listens(self) -> bool:
        return self.port in super().list_ports()

    def read_log(self) -> str:
        """What sshd wrote."""
        return (self._outside("/var/log") / LOG).read_text()

    def list_ports(self) -> list[int]:
        """The TCP ports that something listens on, but sshd's; sorted."""
        return [port for port in super().list_ports() if port != self.port]

    # Faults

    def hang(self) -> None:
        """Let sshd accept connections, as the kernel does for it, and never answer; those that are open go on."""
        self._signal_listener(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `hang`."""
        self._signal_listener(signal.SIGCONT)

    def _signal_listener(self, number: signal.Signals) -> None:
        assert self._listener is not None
        self._listener.send_signal(number)

    def reject_keys(self) -> None:
        """Let nobody in any more."""
        self._write_keys("")

    def accept_keys(self) -> None:
        """Undo `reject_keys`."""
        self._write_keys(f"{self._public_key}\n")

    def _write_keys(self, text: str) -> None:
        (self.folder / "ssh/authorized_keys" / self.user).write_text(text)

    def burn(self, cores: int = 1) -> None:
        """Keep cores busy with somebody else's work, root's."""
        self._burning += [self.popen(BURN, user=False) for _ in range(cores)]

    def rest(self) -> None:
        """Undo `burn`."""
        for process in self._burning:
            process.kill()
            process.wait()
        self._burning.clear()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def make_home(folder: Path, uid: int, size: int | None = None) -> Path:
    """A person's home, outside; with a size it is a file system of its own, to be unmounted."""
    folder.mkdir(parents=True)
    if size is not None:
        options = f"size={size},mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    os.chown(folder, uid, uid)
    return folder
