"""moto's server, of which copies can be made: each goes on from what the server holds then, on a port of its own.

python copied_moto_server.py PORT

It answers one request at a time and has a single thread, so that a fork of it is whole.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

HOST = "127.0.0.1"
COPY = "/daskfleet-copy"
"""A request to this path makes a copy; its answer is `{"port": …}`."""


class Application:
    """moto, and the request for a copy."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._moto.debug = True

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != COPY:
            answer: Iterable[bytes] = self._moto(environ, start_response)
            return answer
        with socket.create_server((HOST, 0)) as listener:
            if os.fork() == 0:
                serve_copy(listener)
            body = json.dumps({"port": listener.getsockname()[1]}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def serve_copy(listener: socket.socket) -> None:
    """Go on as another server; never returns."""
    try:
        # The connections and the listening socket are the first server's.
        os.closerange(3, listener.fileno())
        os.closerange(listener.fileno() + 1, 1024)
        serve(listener)
    finally:
        os._exit(1)


def serve(listener: socket.socket) -> None:
    """Answer until killed, or until whoever started this has ended."""
    host, port = listener.getsockname()
    server = make_server(host, port, Application(), request_handler=MotoRequestHandler, fd=listener.fileno())
    parent = os.getppid()
    server.service_actions = lambda: os._exit(0) if os.getppid() != parent else None  # type: ignore[method-assign]
    server.serve_forever()


if __name__ == "__main__":
    from moto_repairs import repair  # Beside this file, which is first on the path of a program.

    repair()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server((HOST, int(sys.argv[1])), backlog=128) as listener:
        serve(listener)
