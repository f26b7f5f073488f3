"""The port that health checks ask: small, soon over, and there for whoever asks next."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from daskfleet_images.node import health, workers
from daskfleet_images.node.errors import NodeFailed
from daskfleet_images.node.health import MOST_CONNECTIONS, Health, render_answer, serve_health
from daskfleet_images.node.workers import WorkersNode

GET = b"GET /health HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: GoogleHC/1.0\r\n\r\n"


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve(state: Health, use: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        port = find_free_port()
        async with serve_health("127.0.0.1", port, state):
            await use(port)
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(run())


async def ask(port: int, request: bytes = GET) -> tuple[int, str]:
    """Status and text of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            answer = (await reader.read()).decode()
        head, _, text = answer.partition("\r\n\r\n")
        return int(head.split()[1]), text
    finally:
        writer.close()


def make(problem: str | None) -> Health:
    state = Health()
    state.find_problem = lambda: problem
    return state


def test_a_node_that_is_well_says_ok_and_one_that_is_not_says_why():
    state = Health()

    async def use(port: int) -> None:
        assert await ask(port) == (503, "the node starts")
        state.find_problem = lambda: None
        assert await ask(port) == (200, "ok")
        state.find_problem = lambda: "1 of 2\nworkers"
        assert await ask(port) == (503, "1 of 2 workers")

    serve(state, use)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /health HTTP/1.0", 200),
        (b"GET /health?x=1 HTTP/1.1", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /health/ HTTP/1.1", 404),
        (b"GET /../health HTTP/1.1", 404),
        (b"POST /health HTTP/1.1", 404),
        (b"GET /health", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"", 400),
        (b"GET /health HTTP/2", 400),
    ],
)
def test_everything_else_is_not_found_or_no_request(request_line: bytes, status: int):
    assert f"HTTP/1.1 {status} ".encode() in render_answer(request_line + b"\r\n\r\n", make(None))


def test_an_answer_says_its_length_and_that_the_connection_ends():
    head, _, body = render_answer(GET, make("größer")).partition(b"\r\n\r\n")
    assert b"Content-Length: 8" in head
    assert b"Connection: close" in head
    assert body == "größer".encode()
    head, _, body = render_answer(GET.replace(b"GET", b"HEAD"), make(None)).partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert b"Content-Length: 2" in head
    assert body == b""


def test_a_request_that_is_too_long_is_refused_and_not_read_on():
    async def use(port: int) -> None:
        status, _ = await ask(port, b"GET /health HTTP/1.1\r\nX: " + b"x" * health.MOST_BYTES)
        assert status == 400
        assert await ask(port) == (200, "ok")

    serve(make(None), use)


def test_a_slow_connection_blocks_nobody_and_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "REQUEST_SECONDS", 0.5)

    async def use(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET[:10])
        before = time.monotonic()
        assert await ask(port) == (200, "ok")
        assert time.monotonic() - before < 0.5
        while not reader.at_eof() and reader.exception() is None:
            writer.write(b"x")  # For ever, if it could.
            await asyncio.sleep(0.05)
        assert time.monotonic() - before < 5
        writer.close()

    serve(make(None), use)


def test_of_too_many_connections_the_oldest_go_and_whoever_asks_next_is_answered():
    async def use(port: int) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * MOST_CONNECTIONS)]
        assert await ask(port) == (200, "ok")
        assert await asyncio.wait_for(idle[0][0].read(), 10) == b""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(idle[-1][0].read(), 0.2)
        for _, writer in idle:
            writer.close()

    serve(make(None), use)


def test_a_port_that_is_taken_is_told():
    async def use() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            async with serve_health("127.0.0.1", other.getsockname()[1], Health()):
                pass

    with pytest.raises(NodeFailed, match=r"the health check cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
        asyncio.run(use())


class Process:
    """A worker's nanny."""

    def __init__(self, alive: bool = True) -> None:
        self.alive = alive

    def is_alive(self) -> bool:
        return self.alive


class Now:
    seconds = 100.0

    @classmethod
    def monotonic(cls) -> float:
        return cls.seconds


def make_node(monkeypatch: pytest.MonkeyPatch, *names: str) -> Any:
    """A node of workers, as far as it knows how it is."""
    monkeypatch.setattr(workers, "time", Now)
    monkeypatch.setattr(Now, "seconds", 100.0)
    monkeypatch.setattr(workers, "build_security", lambda *_arguments: None)

    class Document:
        workers = names
        tls = None

    class Marks:
        def mark(self, *_arguments: object, **_options: object) -> None:
            pass

    async def build() -> WorkersNode:
        return WorkersNode(Document(), Marks())  # type: ignore[arg-type]

    return asyncio.run(build())


def register(node: Any, *names: str) -> None:
    for name in names:
        node._nannies[name] = Process()
        node._note_registered(name)


def test_a_node_is_well_once_all_its_workers_have_registered(monkeypatch: pytest.MonkeyPatch):
    node = make_node(monkeypatch, "a", "b")
    assert node.find_problem() == "2 of 2 workers have not registered yet"
    register(node, "a")
    assert node.find_problem() == "1 of 2 workers have not registered yet"
    register(node, "b")
    assert node.find_problem() is None
    assert make_node(monkeypatch).find_problem() is None, "one that is to have none"


def test_a_worker_that_is_started_again_is_well_and_one_that_is_not_is_none_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
):
    node = make_node(monkeypatch, "a", "b")
    register(node, "a", "b")
    assert node.find_problem() is None
    node._nannies["a"].alive = False
    assert node.find_problem() is None
    Now.seconds += workers.DOWN_SECONDS
    assert node.find_problem() is None
    node._nannies["a"].alive = True
    assert node.find_problem() is None
    del node._nannies["a"]
    assert node.find_problem() is None, "the time begins anew"
    Now.seconds += workers.DOWN_SECONDS + 1
    assert node.find_problem() == "1 of 2 workers do not run, and are not started again"
    register(node, "a")
    assert node.find_problem() is None


def test_a_node_whose_scheduler_is_away_is_not_replaced(monkeypatch: pytest.MonkeyPatch):
    node = make_node(monkeypatch, "a")
    register(node, "a")
    assert node.find_problem() is None
    del node._nannies["a"]
    node._waiting.add("a")
    assert node.find_problem() is None
    Now.seconds += 3600
    assert node.find_problem() is None
    node._waiting.discard("a")
    assert node.find_problem() is None, "it has its time to start once the scheduler answers"
    Now.seconds += workers.DOWN_SECONDS + 1
    assert node.find_problem() is not None


def test_a_node_that_stops_is_left_to_hand_its_data_over(monkeypatch: pytest.MonkeyPatch):
    node = make_node(monkeypatch, "a")
    node._is_stopping = True
    assert node.find_problem() is None
