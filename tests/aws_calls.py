"""Everything that is said to AWS in a test, written down, and some of it answered otherwise: a proxy before moto.

with CallProxy("http://127.0.0.1:5000") as proxy:
    environment["AWS_ENDPOINT_URL"] = proxy.url
    proxy.interfere = lambda call: THROTTLED if call.action == "CreateVpc" else None
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

READING = ("Describe", "Get", "List", "Head", "Filter", "Assume", "Simulate", "Batch", "Lookup")
"""How the names of calls begin that change nothing."""

CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
HOP = ("connection", "content-length", "transfer-encoding", "keep-alive")


@dataclass(frozen=True)
class Call:
    """One call to AWS."""

    number: int
    """Counted from 1."""
    service: str
    """As requests are signed for: `ec2`, `secretsmanager`."""
    action: str
    """`CreateVpc`."""
    access_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """`ec2:CreateVpc`, as policies call it."""
        return f"{self.service}:{self.action}"

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return not self.action.startswith(READING)


@dataclass(frozen=True)
class Refusal:
    """An answer of AWS's in place of moto's."""

    code: str
    message: str
    status: int = 400

    def render(self, service: str) -> tuple[str, bytes]:
        """Content type and body, in the words of the service's protocol."""
        if service in ("secretsmanager", "logs", "ssm", "tagging"):
            return "application/x-amz-json-1.1", json.dumps({"__type": self.code, "message": self.message}).encode()
        error = f"<Code>{self.code}</Code><Message>{self.message}</Message>"
        if service == "ec2":
            body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>0</RequestID></Response>"
        else:
            body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>0</RequestId></ErrorResponse>"
        return "text/xml", body.encode()


THROTTLED = Refusal("Throttling", "Rate exceeded")
BROKEN = Refusal("InternalFailure", "The request processing has failed", 500)


def denied(call: Call) -> Refusal:
    """The account's policy does not allow the call."""
    message = f"User: arn:aws:iam::123456789012:user/tester is not authorized to perform: {call.name}"
    return Refusal("UnauthorizedOperation" if call.service == "ec2" else "AccessDenied", message, 403)


class CallProxy:
    """A server on the loopback interface that passes calls on to moto's and writes them down."""

    def __init__(self, upstream: str, host: str = "127.0.0.1") -> None:
        self.calls: list[Call] = []
        """All calls so far, in the order in which they came."""
        self.interfere: Callable[[Call], Refusal | None] = lambda call: None
        """Asked before a call is passed on; what it returns is the answer instead."""
        self.after: Callable[[Call], None] = lambda call: None
        """Told when moto has done the call, before whoever called hears of it."""
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

    def note(self, headers: Mapping[str, str], path: str, body: bytes) -> Call:
        """Write a call down."""
        signed = CREDENTIAL.search(headers.get("Authorization", ""))
        action, arguments = _read_action(headers, path, body)
        with self._lock:
            call = Call(
                len(self.calls) + 1,
                signed["service"] if signed else "unsigned",
                action,
                signed["key"] if signed else "",
                arguments,
            )
            self.calls.append(call)
        return call

    def forward(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Pass a call on to moto."""
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
        call = proxy.note(headers, self.path, body)
        refusal = proxy.interfere(call)
        if refusal is not None:
            kind, content = refusal.render(call.service)
            self.answer(refusal.status, {"Content-Type": kind, "x-amzn-RequestId": "0"}, content)
            return
        status, answer_headers, content = proxy.forward(self.command, self.path, headers, body)
        proxy.after(call)
        self.answer(status, answer_headers, content)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 - the names that http.server looks for

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


def _read_action(headers: Mapping[str, str], path: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a call, in whichever of AWS's protocols it is."""
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    form = parse_qs(body.decode("utf-8", "replace"))
    if "Action" in form:
        return form["Action"][0], {name: values[0] for name, values in form.items()}
    return urlsplit(path).path, {}
