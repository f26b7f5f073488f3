"""`GET /health`: whether this node is well, for what replaces machines that are not.

Whoever can reach the port can ask, and keep nobody else from asking: a request is small and soon over, and when there
are too many, the oldest goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from daskfleet_images.node.errors import NodeFailed, one_line
from daskfleet_images.node.network import find_listen_problem

PATH = "/health"

MOST_CONNECTIONS = 16
MOST_BYTES = 4096
"""Of a request."""
REQUEST_SECONDS = 5.0
"""For a request and its answer together."""


class Health:
    """Whether the node is well, by what it has become."""

    def __init__(self) -> None:
        self.find_problem: Callable[[], str | None] = lambda: "the node starts"
        """Why it is not; `None` where it is."""


@asynccontextmanager
async def serve_health(host: str, port: int, health: Health) -> AsyncIterator[None]:
    """Answer on `host`, and nowhere else.

    Raises:
        NodeFailed: that cannot be listened on.
    """
    connections: dict[asyncio.Task[None], None] = {}  # The oldest first.

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(connections) >= MOST_CONNECTIONS:
            next(iter(connections)).cancel()
        connections[task] = None
        try:
            await _serve(reader, writer, health)
        finally:
            connections.pop(task, None)

    try:
        server = await asyncio.start_server(serve, host, port, limit=MOST_BYTES)
    except OSError as error:
        problem = find_listen_problem(host, port) or error.strerror or str(error)
        raise NodeFailed(f"the health check cannot listen on {host}:{port}: {problem}") from None
    try:
        yield
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, health: Health) -> None:
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                head = b""
            writer.write(render_answer(head, health))
            await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
        writer.transport.abort()  # Whoever asks is gone, takes too long, or is one too many.
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def render_answer(head: bytes, health: Health) -> bytes:
    """The answer to a request, of which `head` is all before its body; an empty one was too long."""
    words = head.partition(b"\r\n")[0].split()
    status, text = _answer(words, health)
    body = text.encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + (b"" if words[:1] == [b"HEAD"] else body)


def _answer(words: list[bytes], health: Health) -> tuple[http.HTTPStatus, str]:
    """Status and text for the words of a request's first line."""
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return http.HTTPStatus.BAD_REQUEST, "bad request"
    method, target, _ = words
    if method not in (b"GET", b"HEAD") or target.partition(b"?")[0] != PATH.encode():
        return http.HTTPStatus.NOT_FOUND, "not found"
    problem = health.find_problem()
    if problem is not None:
        return http.HTTPStatus.SERVICE_UNAVAILABLE, one_line(problem)
    return http.HTTPStatus.OK, "ok"
