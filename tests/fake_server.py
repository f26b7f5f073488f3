"""Serves what plays a cloud's services for one machine, on the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""From method, path, headers and body to status, headers and body; a status of 0 is no answer at all."""


@contextlib.contextmanager
def serve(respond: Respond, port: int = 0) -> Iterator[int]:
    """The port that it is served at; with the block ends every connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, headers, data = respond(self.command, self.path, self.headers, body)
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_arguments: Any) -> None:
            pass

    connections: list[socket.socket] = []

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            connections.append(connection)
            return connection, address

        def handle_error(self, *_arguments: Any) -> None:
            """A client that did not wait for its answer is what some tests are about."""

    server = Server(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in connections:  # Whose threads would go on answering.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
