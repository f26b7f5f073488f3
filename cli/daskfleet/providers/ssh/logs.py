"""Read the logs of nodes on hosts, and follow them while they grow."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.interrupts import run_interruptible
from daskfleet.providers.base import LogLines
from daskfleet.providers.ssh.crew import open_crew
from daskfleet.providers.ssh.login import HostFailed, Logins, asyncssh, open_logins
from daskfleet.providers.ssh.shell import BEGIN, Shell, read_script, render_command, run_script
from daskfleet.providers.ssh.state import SCHEDULER, Place, SshState

POLL_SECONDS = 0.2


def read_logs(state: SshState, node: str | None, *, lines: int, follow: bool, is_over: Callable[[], bool]) -> LogLines:
    """The last lines of the logs of all nodes, or of one node or group.

    Args:
        is_over: whether there is nothing more to follow.
    """
    places = choose_nodes(state, node)
    if follow:
        return LogLines(tuple(places), _follow(state, places, lines, is_over))
    return LogLines(tuple(places), iter(run_interruptible(_read(state, places, lines))))


def choose_nodes(state: SshState, wanted: str | None) -> dict[str, Place]:
    """Where the nodes are whose logs are wanted: of all, of one, of a group, or of one host by its name.

    Raises:
        FleetError: there is none of that name.
    """
    places = {SCHEDULER: state.scheduler} | {host.node: host.place for host in state.hosts if host.touched}
    if wanted is None:
        return places
    groups = {group: [host.node for host in hosts] for group, hosts in state.groups.items()}
    names = groups.get(wanted) or [node for node, place in places.items() if wanted in (node, place.host)]
    chosen = {node: places[node] for node in names if node in places}
    if wanted == SCHEDULER:
        chosen = {SCHEDULER: state.scheduler}
    if not chosen:
        there = ", ".join([*places, *groups])
        raise FleetError(f"fleet '{state.spec.name}' has no node '{wanted}'; it has: {there}.")
    return chosen


async def _read(state: SshState, places: dict[str, Place], lines: int) -> list[tuple[str, str]]:
    async def read(node: str, shell: Shell) -> str:
        return await run_script(shell, "logs", state.folder(node), node, str(lines), "")

    async with open_crew() as crew:
        answers = await crew.each(places, read)
    return [
        (node, line)
        for node, answer in answers.items()
        for line in ([f"(no log: {answer})"] if isinstance(answer, HostFailed) else answer.splitlines())
    ]


def _follow(
    state: SshState, places: dict[str, Place], lines: int, is_over: Callable[[], bool]
) -> Iterator[tuple[str, str]]:
    """What the nodes write, as it comes; the reading is done by an event loop in a thread."""
    found: queue.Queue[tuple[str, str] | None] = queue.Queue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(_follow_all(state, places, lines, found.put))

    def run() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        found.put(None)
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            try:
                line = found.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if is_over():
                    return
                continue
            if line is None:
                return
            yield line
    finally:
        with contextlib.suppress(RuntimeError):  # It has ended by itself.
            loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=5)


async def _follow_all(
    state: SshState, places: dict[str, Place], lines: int, tell: Callable[[tuple[str, str]], None]
) -> None:
    async with open_logins() as logins, asyncio.TaskGroup() as tasks:

        async def follow(node: str, place: Place) -> None:
            command = render_command(read_script("logs"), (state.folder(node), node, str(lines), "follow"))
            try:
                stream = await _open_stream(command, place, logins)
                begun = False
                async for raw in stream:
                    line = (raw if isinstance(raw, str) else raw.decode(errors="replace")).rstrip("\n")
                    if begun:
                        tell((node, line))
                    begun = begun or line == BEGIN
                tell((node, "(the log's end: the connection is over)"))
            except (HostFailed, OSError, asyncssh.Error) as error:
                tell((node, f"(no log: {error})"))

        for node, place in places.items():
            tasks.create_task(follow(node, place))


async def _open_stream(command: str, place: Place, logins: Logins) -> AsyncIterator[Any]:
    if not place.host:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        return process.stdout
    connection = await logins.open(place.address)
    return (await connection.create_process(command, encoding=None)).stdout  # type: ignore[return-value]
