"""Whether anything answers at a connection's address. Light: no Dask, and no provider."""

from __future__ import annotations

import contextlib
import socket

from daskfleet.errors import FleetError
from daskfleet_stacks.connection import Connection

HOST = "127.0.0.1"


def is_taken(port: int) -> bool:
    """Whether something listens on the port.

    It tries to bind, not to connect: a connection that is dropped would leave a failed handshake in the log of
    whoever listens.
    """
    with contextlib.closing(socket.socket()) as probe:
        # Without this, connections that have just ended would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def await_page(url: str, *, timeout: float) -> None:
    """Wait until there is a page, at most `timeout` seconds: the dashboard comes a little after the scheduler."""
    import time
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=timeout):  # noqa: S310 - our own fleet's address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)


def check_reachable(connection: Connection) -> None:
    """Make sure that something listens where the connection leads.

    Raises:
        FleetError: nothing does; with what to do.
    """
    name = connection.fleet
    port = int(connection.scheduler_address.rsplit(":", 1)[1])
    if not is_taken(port):
        raise FleetError(
            f"the scheduler of fleet '{name}' does not listen at {connection.scheduler_address}. `daskfleet status "
            f"{name}` says more; `daskfleet up {name}` mends it."
        )
