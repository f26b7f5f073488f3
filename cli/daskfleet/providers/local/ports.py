"""Which ports of the loopback interface are free."""

from __future__ import annotations

import contextlib
import socket

from daskfleet.reach import HOST, is_taken


def find_free_port(preferred: int, avoid: frozenset[int] = frozenset()) -> int:
    """`preferred` if it is free and not to be avoided, else any free port."""
    if preferred not in avoid and not is_taken(preferred):
        return preferred
    while True:
        with contextlib.closing(socket.socket()) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in avoid:
            return port


def describe_holder(port: int) -> str:
    """Who listens on the port, as far as this user may know."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
