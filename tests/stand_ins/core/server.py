"""A plugin's process: it serves on a free port of the loopback, says which, and ends with the engine."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
else:
    # `import pulumi` would take as long as all the rest of a plugin's start.
    package = types.ModuleType("pulumi_protocol")
    package.__path__ = [str(Path(importlib.util.find_spec("pulumi").origin).parent / "runtime" / "proto")]
    sys.modules.setdefault("pulumi_protocol", package)
    from pulumi_protocol import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

__all__ = ["plugin_pb2", "provider_pb2", "provider_pb2_grpc", "serve", "status_pb2"]

WORKERS = 64
"""Operations at once; the engine itself limits them (`--parallel`)."""
LARGEST_MESSAGE = 400 * 1024 * 1024
"""As the engine allows it."""


def serve(servicer: Any) -> None:
    """Serve until the engine ends the process, or dies."""
    parent = os.getppid()
    # The engine's way to end a plugin. A person's Ctrl-C does not come here: plugins have process groups of their own.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    options = [("grpc.max_receive_message_length", LARGEST_MESSAGE), ("grpc.max_send_message_length", LARGEST_MESSAGE)]
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    threading.Thread(target=end_with, args=(parent, sys.argv[1:]), daemon=True).start()
    print(port, flush=True)
    server.wait_for_termination()


def end_with(parent: int, arguments: Sequence[str]) -> None:
    """End this process, whatever it does, once the engine is gone, which started it with these arguments."""
    try:
        watched = os.pidfd_open(parent)
    except (AttributeError, OSError):  # no such call on macOS; or it is gone already
        while os.getppid() == parent and is_reachable(arguments):
            time.sleep(0.2)
    else:
        # An engine that died while this process started was never its parent here.
        if os.getppid() == parent and is_reachable(arguments):
            select.select([watched], [], [])
    os._exit(1)


def is_reachable(arguments: Sequence[str]) -> bool:
    """Whether the engine listens: its address is the last argument, where there is one."""
    host, _, port = arguments[-1].rpartition(":") if arguments else ("", "", "")
    if not port.isdecimal():
        return True
    try:
        socket.create_connection((host, int(port)), 5).close()
    except OSError:
        return False
    return True
