"""Wait until a fleet over SSH is there, and find the way to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from daskfleet.access import reach_fleet
from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.progress import Progress
from daskfleet.providers.base import count_enough
from daskfleet.providers.scheduler import ask_workers, retire_workers
from daskfleet.providers.ssh.crew import Crew
from daskfleet.providers.ssh.documents import build_connection
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.nodes import NodeView, look_at_node
from daskfleet.providers.ssh.shell import Shell
from daskfleet.providers.ssh.state import SCHEDULER, HostState, SshState
from daskfleet.reach import find_problem
from daskfleet.tunnel import close_tunnel, open_route
from daskfleet_images.node.network import split_address
from daskfleet_stacks.connection import Connection, Versions

POLL_SECONDS = 0.2
LOOK_SECONDS = 3.0
"""How often nodes whose workers are missing are looked at."""

DIRECT_SECONDS = 2.0
LOG_LINES = 15


async def await_scheduler(crew: Crew, state: SshState, seconds: float) -> None:
    """Wait until the scheduler listens.

    Raises:
        FleetError: it does not in time; with why, as far as its node knows.
    """
    shell = crew.shell(state.scheduler)
    deadline = time.monotonic() + seconds
    while True:
        try:
            view = await look_at_node(shell, state, SCHEDULER, lines=LOG_LINES)
        except HostFailed as error:
            raise FleetError(f"the scheduler's host {state.scheduler.describe()} went away: {error}") from None
        if "registered" in view.marks.phases and view.process is not None:
            return
        failure = view.marks.failure or ""
        if "cannot listen" in failure or time.monotonic() > deadline:
            raise FleetError(
                f"the scheduler did not start on {state.scheduler.describe()}: "
                f"{failure or 'it was not ready in time'}\n{_indent(view)}"
            )
        await asyncio.sleep(POLL_SECONDS)


def find_route(
    state: SshState, paths: FleetPaths, versions: Versions, progress: Progress, *, was_running: bool
) -> Connection:
    """The connection, with the way that leads to the scheduler from here.

    Args:
        was_running: whether the scheduler ran before. Then a tunnel that is open stays, for whoever computes through
            it, unless it leads another way; otherwise its other end may be gone.
    """
    connection = _choose_route(state, paths, versions, progress)
    try:
        is_kept = was_running and load_connection(state.spec.name).access == connection.access
    except FleetError:
        is_kept = False
    if not is_kept:
        close_tunnel(paths)
    return connection


def _choose_route(state: SshState, paths: FleetPaths, versions: Versions, progress: Progress) -> Connection:
    mode = state.spec.access.mode
    direct = build_connection(state, paths, versions, "direct")
    if mode == "direct" or not state.scheduler.host:
        return direct
    if mode == "auto":
        host, port = split_address(state.scheduler_address)
        if find_problem(host, port, direct.security, seconds=DIRECT_SECONDS) is None:
            return direct
        progress.step(f"{state.scheduler_address} cannot be reached from here; going through SSH")
    return build_connection(state, paths, versions, "ssh")


async def await_workers(
    crew: Crew,
    state: SshState,
    connection: Connection,
    paths: FleetPaths,
    progress: Progress,
    *,
    seconds: float,
    share: float = 1.0,
    others: Collection[str] = (),
    stale: Collection[str] = (),
) -> None:
    """Wait until the share of the workers has registered that are wanted on hosts in the fleet.

    Hosts whose workers do not come in time are told, and do not stop the others.

    Args:
        others: workers that are to be gone, too.
        stale: addresses of workers that are gone, and do not count where the scheduler still has them.

    Raises:
        FleetError: none came at all, or the scheduler cannot be reached.
    """
    wanted = {worker: host for host in state.hosts if not host.problem for worker in host.workers}
    enough = count_enough(share, len(wanted))
    deadline, look_at = time.monotonic() + seconds, time.monotonic() + LOOK_SECONDS
    route = await asyncio.to_thread(open_route, connection, paths)
    told: set[str] = set()
    while True:
        try:
            told_of = await asyncio.to_thread(ask_workers, route)
            known = {worker.name for worker in told_of if worker.address not in stale}
        except (OSError, TimeoutError) as error:
            known = set(others)
            if time.monotonic() > deadline:
                raise FleetError(f"the scheduler of fleet '{state.spec.name}' does not answer: {error}") from None
        there = known & wanted.keys()
        progress.count("workers registered", len(there), len(wanted))
        if len(there) >= enough and not known & set(others):
            return
        late = list({wanted[worker].node: wanted[worker] for worker in wanted.keys() - there}.values())
        if time.monotonic() > deadline:
            await _tell_late(crew, state, late, progress, seconds, none=not there)
            return
        if time.monotonic() > look_at:
            look_at = time.monotonic() + LOOK_SECONDS
            for host, view in (await _look(crew, state, late)).items():
                failure = str(view) if isinstance(view, HostFailed) else view.marks.failure
                if failure and failure not in told:
                    told.add(failure)
                    progress.step(f"{host}: {failure}")
        await asyncio.sleep(POLL_SECONDS)


def list_addresses(name: str) -> dict[str, str]:
    """The addresses of the workers that the fleet's scheduler knows, by their names; none where it cannot be asked."""
    try:
        return {worker.name: worker.address for worker in ask_workers(reach_fleet(name))}
    except (FleetError, OSError, TimeoutError):
        return {}


async def _look(crew: Crew, state: SshState, hosts: Collection[HostState]) -> dict[str, NodeView | HostFailed]:
    async def look(node: str, shell: Shell) -> NodeView:
        return await look_at_node(shell, state, node, lines=LOG_LINES)

    return await crew.each({host.node: host.place for host in hosts}, look)


async def _tell_late(
    crew: Crew, state: SshState, late: Collection[HostState], progress: Progress, seconds: float, *, none: bool
) -> None:
    lines = []
    for node, view in (await _look(crew, state, late)).items():
        if isinstance(view, HostFailed):
            lines.append(f"{node}: {view}")
            continue
        why = (
            view.marks.failure or f"its node is {view.state}, and reached: {', '.join(view.marks.phases) or 'nothing'}"
        )
        lines.append(f"{node}: {why}\n{_indent(view)}")
    told = "\n".join(lines)
    remedy = f"does a firewall keep them from {state.scheduler_address}?"
    if none:
        raise FleetError(f"no worker registered within {seconds:g} s; {remedy}\n{told}")
    progress.step(f"not every worker registered within {seconds:g} s; they go on trying; {remedy}\n{told}")


def _indent(view: NodeView) -> str:
    return "\n".join(f"  | {line}" for line in view.log) or "  (no log)"


async def retire_hosts(
    hosts: Collection[HostState], connection: Connection, paths: FleetPaths, progress: Progress
) -> None:
    """Have the workers of these hosts hand their data to others; where that cannot be, tell it and go on."""
    nodes = {worker for host in hosts for worker in host.workers}

    def retire() -> None:
        route = open_route(connection, paths)
        addresses = [worker.address for worker in ask_workers(route) if worker.name in nodes]
        if addresses:
            progress.step(f"retiring {len(addresses)} workers")
            retire_workers(route, addresses)

    try:
        await asyncio.to_thread(retire)
    except (FleetError, OSError, TimeoutError) as error:
        progress.step(f"they leave without handing their data over: {error}")
