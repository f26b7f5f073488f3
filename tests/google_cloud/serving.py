"""HTTP, in one thread and one request at a time, so that a fork of the process is whole.

Connections stay open, and one that says nothing keeps nobody waiting.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import NoReturn, Protocol

from google_cloud.exchange import Answer, Request

POLL_SECONDS = 0.5
SEND_SECONDS = 20.0
MOST_FILES = 4096
END_OF_HEAD = b"\r\n\r\n"


class Handler(Protocol):
    """What answers requests."""

    copy: Callable[[], int]
    """Set by `serve`: forks the process, and tells the port of the copy."""

    is_over: bool
    """Whether the process is to end."""

    def answer(self, request: Request) -> Answer: ...


class Connection:
    """One client."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self._read = b""
        self._is_continued = False

    def receive(self) -> bool:
        """Read what is there; whether the client is still there."""
        try:
            data = self.client.recv(1 << 20)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._read += data
        return bool(data)

    def take(self) -> Request | None:
        """The next request that is here as a whole."""
        head, found, rest = self._read.partition(END_OF_HEAD)
        if not found:
            return None
        line, *lines = head.decode("latin-1").split("\r\n")
        pairs = (each.partition(":") for each in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        taken = take_body(headers, rest)
        if taken is None:
            if headers.get("expect", "").lower() == "100-continue" and not self._is_continued:
                self._is_continued = True
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        body, self._read = taken
        self._is_continued = False
        method, target, _ = line.split(" ", 2)
        return Request(method, target, headers, body)

    def send(self, data: bytes) -> None:
        self.client.settimeout(SEND_SECONDS)
        self.client.sendall(data)
        self.client.setblocking(False)


def take_body(headers: dict[str, str], rest: bytes) -> tuple[bytes, bytes] | None:
    """A request's body and what follows it, once it is here as a whole."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return take_chunks(rest)
    length = int(headers.get("content-length") or 0)
    return (rest[:length], rest[length:]) if len(rest) >= length else None


def take_chunks(rest: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line, found, rest = rest.partition(b"\r\n")
        if not found:
            return None
        size = int(line.partition(b";")[0], 16)
        if len(rest) < size + 2:
            return None
        body, rest = body + rest[:size], rest[size + 2 :]
        if size == 0:
            return body, rest


def render(request: Request, answer: Answer) -> bytes:
    body = answer.render()
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    if answer.status != HTTPStatus.NO_CONTENT:
        lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if request.method == "HEAD" else head + body


def serve(listener: socket.socket, handler: Handler) -> NoReturn:
    """Answer until killed, or until whoever started this has ended."""
    handler.copy = lambda: serve_copy(listener, handler)
    parent = os.getppid()
    listener.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while os.getppid() == parent and not handler.is_over:
            for key, _ in selector.select(POLL_SECONDS):
                if key.fileobj is listener:
                    accept(listener, selector)
                else:
                    attend(key.data, selector, handler)
    os._exit(0)


def accept(listener: socket.socket, selector: selectors.BaseSelector) -> None:
    try:
        client, _ = listener.accept()
    except OSError:
        return
    client.setblocking(False)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(client, selectors.EVENT_READ, Connection(client))


def attend(connection: Connection, selector: selectors.BaseSelector, handler: Handler) -> None:
    """Answer what a client has asked."""
    stays = connection.receive()
    try:
        while (request := connection.take()) is not None:
            connection.send(render(request, handler.answer(request)))
            stays = stays and request.headers.get("connection", "").lower() != "close"
    except (OSError, ValueError):  # It has gone, or does not speak HTTP.
        stays = False
    if not stays:
        selector.unregister(connection.client)
        connection.client.close()


def serve_copy(listener: socket.socket, handler: Handler) -> int:
    """Go on as another server too, on a port of its own; returns the port."""
    with socket.create_server((listener.getsockname()[0], 0), backlog=128) as another:
        if os.fork() == 0:
            try:
                # The connections and the listening socket are the first server's.
                os.closerange(3, another.fileno())
                os.closerange(another.fileno() + 1, MOST_FILES)
                serve(another, handler)
            finally:
                os._exit(1)
        return int(another.getsockname()[1])
