"""Everything that is said to a cloud in a test, written down, and some of it answered otherwise: a proxy before it.

Each cloud has a proxy of its own, which knows how it is spoken to: `aws_calls`, `google_calls`.

with CallProxy("http://127.0.0.1:5000") as proxy:
    environment["AWS_ENDPOINT_URL"] = proxy.url
    proxy.interfere = lambda call: THROTTLED if call.action == "CreateVpc" else None
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

HOP = ("connection", "content-length", "transfer-encoding", "keep-alive")


@dataclass(frozen=True)
class Call:
    """One call to a cloud."""

    number: int
    """Counted from 1."""
    service: str
    action: str
    """`CreateVpc`, `networks.insert`."""
    name: str
    """Service and action, as the cloud's permissions call it."""
    changes: bool
    """Whether it changes anything."""
    caller: str = ""
    """Who calls."""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Refusal(Protocol):
    """An answer of the cloud's in place of its stand-in's."""

    @property
    def status(self) -> int: ...

    @property
    def message(self) -> str: ...

    def render(self, call: Call) -> tuple[str, bytes]:
        """Content type and body, in the words of the service that was called."""


class CallProxy:
    """A server on the loopback interface that passes calls on and writes them down."""

    def __init__(self, upstream: str, host: str = "127.0.0.1") -> None:
        self.calls: list[Call] = []
        """All calls so far, in the order in which they came."""
        self.interfere: Callable[[Call], Refusal | None] = lambda call: None
        """Asked before a call is passed on; what it returns is the answer instead."""
        self.after: Callable[[Call], None] = lambda call: None
        """Told when the stand-in has done the call, before whoever called hears of it."""
        self._lock = threading.Lock()
        self._upstream = urlsplit(upstream).netloc
        self._server = _Server((host, 0), self)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def read_call(self, number: int, method: str, headers: Mapping[str, str], path: str, body: bytes) -> Call:
        """What is called, in the cloud's way of being spoken to."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget the calls so far, and interfere with no more."""
        with self._lock:
            self.calls.clear()
        self.interfere = lambda call: None
        self.after = lambda call: None

    def count(self, **wanted: Any) -> int:
        """How many calls there were with these attributes."""
        with self._lock:
            return sum(all(getattr(call, name) == value for name, value in wanted.items()) for call in self.calls)

    def names(self) -> set[str]:
        """The names of all calls so far."""
        with self._lock:
            return {call.name for call in self.calls}

    def note(self, method: str, headers: Mapping[str, str], path: str, body: bytes) -> Call:
        """Write a call down."""
        with self._lock:
            call = self.read_call(len(self.calls) + 1, method, headers, path, body)
            self.calls.append(call)
        return call

    def forward(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Pass a call on."""
        connection = http.client.HTTPConnection(self._upstream, timeout=120)
        try:
            sent = {key: value for key, value in headers.items() if key.lower() not in HOP}
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: CallProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever called may be gone: tests kill it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Head and body are two packets, and the second would wait for word of the first.
    server: _Server

    def do_POST(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = dict(self.headers.items())
        call = proxy.note(self.command, headers, self.path, body)
        refusal = proxy.interfere(call)
        if refusal is not None:
            kind, content = refusal.render(call)
            self.answer(refusal.status, {"Content-Type": kind, "x-amzn-RequestId": "0"}, content)
            return
        status, answer_headers, content = proxy.forward(self.command, self.path, headers, body)
        proxy.after(call)
        self.answer(status, answer_headers, content)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_POST  # noqa: N815 - the names that http.server looks for

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
