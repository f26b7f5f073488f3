"""A real sshd on the loopback interface, for tests: one person, one key, and ports that a tunnel may lead to."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import await_true

SSHD = "/usr/sbin/sshd"


@dataclass
class Server:
    """An sshd that runs."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    key: Path
    """Private key of whom it lets in."""
    user: str

    def read_log(self) -> str:
        return (self.folder / "sshd.log").read_text()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_sshd(folder: Path, *, permit_open: Sequence[str] = (), settings: Sequence[str] = ()) -> Iterator[Server]:
    """Start one; it ends with the block.

    Args:
        permit_open: where tunnels may lead, `host:port`; nowhere else.
        settings: more lines of its configuration.
    """
    if not Path(SSHD).exists() or shutil.which("ssh") is None:
        pytest.skip("OpenSSH's server and client are needed")
    folder.mkdir(mode=0o700)
    host_key, user_key = make_key(folder / "host"), make_key(folder / "user")
    authorized = folder / "authorized"
    authorized.write_text((folder / "user.pub").read_text())
    port = find_free_port()
    configuration = folder / "sshd_config"
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {authorized}",
        f"PidFile {folder / 'pid'}",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        f"PermitOpen {' '.join(permit_open) or 'none'}",
        *settings,
    ]
    configuration.write_text("".join(f"{line}\n" for line in lines))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Where sshd locks what it runs as nobody in.
    command = [SSHD, "-D", "-f", str(configuration), "-E", str(folder / "sshd.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    server = Server(folder, port, process, user_key, getpass.getuser())
    try:
        await_true(lambda: _answers(port) or process.poll() is not None, "sshd listens")
        assert process.poll() is None, server.read_log()
        yield server
    finally:
        server.stop()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
