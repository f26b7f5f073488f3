"""CloudWatch Logs as a node sees it: it notes what it is asked, and answers as a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GROUP = "/daskfleet/x/nodes"
REGION = "eu-west-1"


@dataclass
class FakeLogs:
    """One log group, or a service that refuses."""

    port: int = 0
    refusals: dict[str, list[str]] = field(default_factory=dict)
    """Codes that an operation is refused with, one after another; the last one again and again."""
    silent: threading.Event = field(default_factory=threading.Event)
    """While it is not set, nothing is answered."""
    calls: list[str] = field(default_factory=list)
    streams: dict[str, list[str]] = field(default_factory=dict)
    """Messages by stream."""

    def __post_init__(self) -> None:
        self.silent.set()

    @property
    def reference(self) -> dict[str, str]:
        return {"group": GROUP, "region": REGION, "endpoint_url": f"http://127.0.0.1:{self.port}"}

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append(operation)
        refusals = self.refusals.get(operation, [])
        if refusals:
            code = refusals.pop(0) if len(refusals) > 1 else refusals[0]
            if code:
                return 400, {"__type": code, "message": f"{operation} is refused"}
        assert body["logGroupName"] == GROUP
        stream = body["logStreamName"]
        if operation == "CreateLogStream":
            self.streams.setdefault(stream, [])
        elif operation == "PutLogEvents":
            if stream not in self.streams:
                return 400, {"__type": "ResourceNotFoundException", "message": "no such stream"}
            self.streams[stream] += [event["message"] for event in body["logEvents"]]
        return 200, {}


@contextmanager
def serve_logs() -> Iterator[FakeLogs]:
    fake = FakeLogs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.silent.wait()
            status, answer = fake.answer(self.headers["X-Amz-Target"].rpartition(".")[2], body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_arguments: Any) -> None:
            """A client that did not wait for its answer is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield fake
    finally:
        fake.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()
