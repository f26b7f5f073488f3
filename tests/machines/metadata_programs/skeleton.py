"""What the metadata services of clouds have in common, as programs of their own: they run inside a network.

    python aws.py ADDRESS PORT FILE LOG [MORE…]

Each knows a machine by the address that asks, and answers from a file that it reads anew for each request:
`{ADDRESS: …}`. Each request is a line in its log.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    instances: Path
    log: Path
    more: list[str]
    """What else the program was started with."""

    def find_instance(self) -> Any:
        """What the file says of the machine that asks, now; `None` when it is not known."""
        return json.loads(self.instances.read_text()).get(self.client_address[0])

    def answer(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        line = {"address": self.client_address[0], "method": self.command, "path": self.path, "status": int(code)}
        with self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may be gone: machines are switched off."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(handler: type[Handler]) -> None:
    """Answer until killed."""
    host, port, instances, log, *handler.more = sys.argv[1:]
    handler.instances, handler.log = Path(instances), Path(log)
    Server((host, int(port)), handler).serve_forever()
