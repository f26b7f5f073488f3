"""The fleet's supervisor: Supervisor's `supervisord`, one for each fleet.

It keeps the nodes running, restarts them with back-off and rotates their logs; commands talk to it over a socket in a
private folder. Why this one: see docs/architecture.md.
"""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.providers.supervision import MARK, NODE_COMMAND, SOCKET, STOP_SECONDS, UMASK

CALL_SECONDS = 10.0
"""How long the supervisor may take to answer; it answers in milliseconds."""

START_SECONDS = 20.0

SHUTTING_DOWN = 6
"""The fault by which it answers whatever it is asked while it ends."""


def read_umask() -> int:
    """This process's umask: files that tasks write get the modes that their user is used to."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


@dataclass(frozen=True)
class NodeProcess:
    """The supervisor's view of one node."""

    state: str
    """In lower case: `running`, `starting`, `backoff`, `stopping`, `stopped`, `exited`, `fatal`, `unknown`."""
    pid: int | None


class SupervisorGone(FleetError):
    """The supervisor does not answer."""


class Supervisor:
    """Talks to the supervisor of one fleet."""

    def __init__(self, socket_path: Path) -> None:
        self._socket = socket_path

    def is_running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getState")
        except SupervisorGone:
            return False
        return True

    def start(self, paths: FleetPaths) -> None:
        """Start it, detached from this command and its terminal.

        Raises:
            FleetError: it did not come up; with the end of what it said.
        """
        output = paths.logs / "supervisord.out"
        environment = {
            **os.environ,
            MARK: str(paths.root),
            SOCKET: str(self._socket),
            NODE_COMMAND: f"{shlex.quote(sys.executable)} -m daskfleet_images.node",
            UMASK: f"{read_umask():03o}",
        }
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(paths.supervisor_config)],
                cwd=paths.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        # Asking also wakes it: it looks at its processes once a second, or when it is spoken to.
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                said = output.read_text(errors="replace").strip()[-2000:]
                raise FleetError(f"the fleet's supervisor did not start: {said or 'it said nothing'}")
            time.sleep(0.01)

    def list_nodes(self) -> dict[str, NodeProcess]:
        """The nodes that it knows."""
        return {
            str(info["name"]): NodeProcess(str(info["statename"]).lower(), int(info["pid"]) or None)
            for info in self._call("getAllProcessInfo")
        }

    def update(self, nodes: Iterable[str]) -> None:
        """Make the nodes of its configuration file, which are `nodes`, the ones that it runs."""
        self._call("reloadConfig")
        wanted = set(nodes)
        known = self.list_nodes()
        for node in sorted(known.keys() - wanted):
            self._call("stopProcessGroup", node)
            self._call("removeProcessGroup", node)
        for node in sorted(wanted - known.keys()):
            self._call("addProcessGroup", node)
        for node in sorted(wanted & known.keys()):
            if known[node].state in ("stopped", "exited", "fatal"):
                self._call("startProcess", node, False)

    def reload(self, node: str) -> None:
        """Make a node read its document again. One that is not running reads it when it starts."""
        try:
            self._call("signalProcess", node, "HUP")
        except xmlrpc.client.Fault:
            return

    def shutdown(self, *, last: str) -> None:
        """Have it stop all nodes at once, but `last` after the others, and then itself; returns before it has.

        The scheduler is to be last: a worker that stops while its scheduler goes away waits for it, for seconds.
        """
        for node in self.list_nodes():
            if node != last:
                self._call("stopProcessGroup", node, False)
        deadline = time.monotonic() + STOP_SECONDS
        while any(each.pid for node, each in self.list_nodes().items() if node != last) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        # The address is a form that XML-RPC wants; the transport talks to the socket.
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self._socket))
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise SupervisorGone(f"the fleet's supervisor does not answer: {error}") from None
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == SHUTTING_DOWN:
                raise SupervisorGone("the fleet's supervisor is about to end") from None
            raise


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket, with a time limit."""

    def __init__(self, socket_path: Path) -> None:
        super().__init__()
        self._socket = socket_path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._socket)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_path: Path) -> None:
        super().__init__("localhost", timeout=CALL_SECONDS)
        self._socket = socket_path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._socket))
