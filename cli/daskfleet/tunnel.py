"""The tunnel to a fleet that is reached by SSH: one `ssh` in the background, that every command of this user shares.

Light: no Dask, and no provider.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, explain_os_errors, make_private_folder, write_private_file
from daskfleet.reach import HOST, is_taken
from daskfleet_stacks.connection import Connection

OPEN_SECONDS = 30.0
"""How long it may take to log in."""

POLL_SECONDS = 0.02

OPTIONS = {
    "BatchMode": "yes",  # Nobody is there to answer.
    "ConnectTimeout": "10",
    "ControlMaster": "no",
    "ControlPath": "none",
    "ExitOnForwardFailure": "yes",
    "LogLevel": "ERROR",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "15",
}

NEW_MACHINE = {
    # Nobody has seen its key. What goes through is encrypted once more, by certificates that both ends check.
    "StrictHostKeyChecking": "accept-new",
}
KNOWN_MACHINE = {"StrictHostKeyChecking": "yes"}
"""A machine that was there before the fleet: its key is among those that the person knows."""

REMEDIES = {
    "Permission denied": "the key is not the fleet's any more: was it made anew?",
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "another machine answers than the one before: was the fleet made anew?",
    "Connection timed out": "nothing answers: are you in the networks that the fleet lets in (access.allowed_cidrs)?",
    "Connection refused": "no SSH listens there: has the machine booted?",
    "No route to host": "nothing leads there: is the machine on?",
    "administratively prohibited": "the machine lets no tunnel through to that port",
}
"""What a person can do about what `ssh` says of a machine that the fleet has made."""

KNOWN_REMEDIES = {
    **REMEDIES,
    "Permission denied": "it accepts none of your keys: load the right one into the agent, or name it in ~/.ssh/config",
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "another machine answers than the one that you know",
    "Host key verification failed": "its key is not in your known_hosts: log in once by hand",
    "Connection timed out": "nothing answers: is it on, and does a way lead there?",
    "Connection refused": "no SSH listens there",
}
"""The same, of one that was there before."""


@dataclass(frozen=True)
class Tunnel:
    """An open tunnel."""

    pid: int
    started: float
    """When its process started, seconds since the epoch: another process with its number did not then."""
    scheduler_port: int
    """Port on this machine that leads to the scheduler."""
    dashboard_port: int
    """Port on this machine that leads to the dashboard."""


def open_route(connection: Connection, paths: FleetPaths) -> Connection:
    """The connection as it is reached from here: the same, or with the near end of a tunnel as its address.

    Raises:
        FleetError: there is no tunnel and none can be made.
    """
    if connection.access.mode != "ssh":
        return connection
    tunnel = open_tunnel(connection, paths)
    dashboard = urlsplit(connection.dashboard_url)
    return dataclasses.replace(
        connection,
        scheduler_address=f"tls://{HOST}:{tunnel.scheduler_port}",
        dashboard_url=urlunsplit(dashboard._replace(netloc=f"{HOST}:{tunnel.dashboard_port}")),
    )


def open_tunnel(connection: Connection, paths: FleetPaths) -> Tunnel:
    """The open tunnel to the fleet, or a new one.

    Raises:
        FleetError: it cannot be made; with what to do.
    """
    with _locked(paths):
        tunnel = _read(paths)
        if tunnel is not None and _is_open(tunnel):
            return tunnel
        return _start(connection, paths)


def is_tunnel_open(paths: FleetPaths) -> bool:
    """Whether there is an open tunnel to the fleet; none is made."""
    tunnel = _read(paths)
    return tunnel is not None and _is_open(tunnel)


def close_tunnel(paths: FleetPaths) -> None:
    """Close the tunnel to the fleet, if there is one, and forget the machine at its other end."""
    if not paths.root.is_dir():
        return
    with _locked(paths):
        tunnel = _read(paths)
        if tunnel is not None and _is_ours(tunnel):
            with contextlib.suppress(ProcessLookupError):
                os.kill(tunnel.pid, signal.SIGTERM)
        for file in (_file(paths), _known_hosts(paths)):
            file.unlink(missing_ok=True)


def render_command(connection: Connection, paths: FleetPaths, *, scheduler_port: int, dashboard_port: int) -> list[str]:
    """The command line of the tunnel; it holds paths, no secret. Pure."""
    far = connection.scheduler_address.removeprefix("tls://")
    dashboard = urlsplit(connection.dashboard_url).netloc
    return [
        *render_login(connection, paths),
        "-N",
        *("-L", f"{HOST}:{scheduler_port}:{far}"),
        *("-L", f"{HOST}:{dashboard_port}:{dashboard}"),
    ]


def render_login(connection: Connection, paths: FleetPaths) -> list[str]:
    """The command that logs in to the machine that the fleet is reached through. Pure."""
    access, key = connection.access, connection.security.ssh_key
    if connection.provider == "ssh":
        options = {**OPTIONS, **KNOWN_MACHINE}
    else:
        options = {**OPTIONS, **NEW_MACHINE, "UserKnownHostsFile": str(_known_hosts(paths))}
    if key:
        options["IdentitiesOnly"] = "yes"
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    identity = ["-i", key] if key else []
    port = ["-p", str(access.port)] if access.port else []
    destination = f"{access.user}@{access.host}" if access.user else access.host
    return ["ssh", *settings, *identity, *port, destination]


def _start(connection: Connection, paths: FleetPaths) -> Tunnel:
    if shutil.which("ssh") is None:
        raise FleetError("this fleet is reached by SSH, and there is no `ssh` here; install OpenSSH's client.")
    make_private_folder(paths.root)
    ports = _find_free_ports(2)
    command = render_command(connection, paths, scheduler_port=ports[0], dashboard_port=ports[1])
    log = paths.root / "tunnel.log"
    with explain_os_errors(_known_hosts(paths)):
        _known_hosts(paths).touch(mode=0o600)
    with explain_os_errors(log), open(log, "w", opener=_open_private) as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True
        )
    try:
        _await_open(process, ports, connection, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    tunnel = Tunnel(process.pid, _read_start(process.pid), *ports)
    write_private_file(_file(paths), json.dumps(dataclasses.asdict(tunnel)))
    return tunnel


def _await_open(process: subprocess.Popen[bytes], ports: list[int], connection: Connection, log: Path) -> None:
    deadline = time.monotonic() + OPEN_SECONDS
    while not all(map(is_taken, ports)):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip() or f"nothing within {OPEN_SECONDS:g} s"
            raise FleetError(_describe(connection, said))
        time.sleep(POLL_SECONDS)


def _describe(connection: Connection, said: str) -> str:
    remedies = KNOWN_REMEDIES if connection.provider == "ssh" else REMEDIES
    remedy = next((remedy for words, remedy in remedies.items() if words in said), "can you log in there by `ssh`?")
    last = said.splitlines()[-1]
    return f"no tunnel to fleet '{connection.fleet}' through {connection.access.host}: ssh says: {last} - {remedy}"


def _find_free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _is_open(tunnel: Tunnel) -> bool:
    return _is_ours(tunnel) and is_taken(tunnel.scheduler_port)


def _is_ours(tunnel: Tunnel) -> bool:
    """Whether the process is still the one that was started."""
    import psutil

    try:
        process = psutil.Process(tunnel.pid)
        return process.create_time() == tunnel.started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _read_start(pid: int) -> float:
    import psutil

    return psutil.Process(pid).create_time()


def _read(paths: FleetPaths) -> Tunnel | None:
    try:
        return Tunnel(**json.loads(_file(paths).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _file(paths: FleetPaths) -> Path:
    return paths.root / "tunnel.json"


def _known_hosts(paths: FleetPaths) -> Path:
    return paths.root / "known_hosts"


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def _locked(paths: FleetPaths) -> Iterator[None]:
    """One command at a time opens or closes the tunnel; the kernel frees the lock of one that was killed."""
    path = paths.root / "tunnel.lock"
    with explain_os_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
