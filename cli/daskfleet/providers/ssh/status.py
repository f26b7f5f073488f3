"""What a fleet over SSH is at this moment, put together from its state, its hosts and its scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from daskfleet.access import reach_fleet
from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.interrupts import run_interruptible
from daskfleet.providers.base import FleetState, FleetStatus, GroupStatus, NodeStatus, WorkerStatus
from daskfleet.providers.scheduler import ask_workers
from daskfleet.providers.ssh.crew import open_crew
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.nodes import NodeView, look_at_node
from daskfleet.providers.ssh.shell import Shell
from daskfleet.providers.ssh.state import SCHEDULER, HostState, SshState, read_state
from daskfleet.providers.state_file import StateDamaged

LOOK_SECONDS = 10.0
"""How long hosts may take to answer."""


@dataclass(frozen=True)
class View:
    """What could be learnt."""

    nodes: Mapping[str, NodeView | HostFailed]
    workers: list[WorkerStatus] | None
    """`None` where the scheduler cannot be asked."""
    problem: str = ""
    """Why it cannot."""


def read_ssh_status(name: str, paths: FleetPaths) -> FleetStatus:
    """The status of the fleet whose files are `paths`; never an error because something of the fleet is broken."""
    try:
        state = read_state(paths)
    except StateDamaged as error:
        state, damage = None, str(error)
    else:
        damage = "an `up` of it was stopped half-way; `daskfleet up` finishes it, `daskfleet down` removes it."
    if state is None:
        nobody = NodeStatus(SCHEDULER, "unknown", None)
        return FleetStatus(name, "ssh", "damaged", "", "", 0.0, nobody, (), {}, (damage,))
    return build_status(state, run_interruptible(_look(state)), _read_dashboard(state))


def _read_dashboard(state: SshState) -> str:
    try:
        return load_connection(state.spec.name).dashboard_url
    except FleetError:
        return state.dashboard_url


async def _look(state: SshState) -> View:
    asking = asyncio.create_task(asyncio.to_thread(_ask_scheduler, state.spec.name))
    places = {host.node: host.place for host in state.hosts if host.touched}
    if state.scheduler_touched:
        places[SCHEDULER] = state.scheduler

    async with open_crew() as crew:

        async def look(node: str, shell: Shell) -> NodeView:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    return await look_at_node(shell, state, node)
            except TimeoutError:
                raise HostFailed(f"it does not answer within {LOOK_SECONDS:g} s: is it on?") from None

        nodes = await crew.each(places, look)
    workers, problem = await asking
    return View(nodes, workers, problem)


def _ask_scheduler(name: str) -> tuple[list[WorkerStatus] | None, str]:
    try:
        return ask_workers(reach_fleet(name)), ""
    except (FleetError, OSError, TimeoutError) as error:
        return None, str(error)


def build_status(state: SshState, view: View, dashboard_url: str) -> FleetStatus:
    """Put together what could be learnt. Pure."""
    scheduler = _build_node(SCHEDULER, view)
    groups = tuple(_build_group(name, hosts, view) for name, hosts in state.groups.items())
    problems = [f"{host.place.describe()} is not in the fleet: {host.problem}" for host in state.hosts if host.problem]
    if view.workers is None and state.scheduler_touched:
        problems.append(f"its scheduler cannot be asked: {view.problem}")
    if scheduler.state in ("stopped", "gone"):
        problems.append(f"its scheduler does not run; `daskfleet up {state.spec.name}` mends it")
    places = {host.node: host.place for host in state.hosts} | {SCHEDULER: state.scheduler}
    for node, each in view.nodes.items():
        where = places[node].describe()
        if isinstance(each, HostFailed):
            problems.append(f"{where}: {each}")
        elif each.state in ("stopped", "gone") and node != SCHEDULER:
            problems.append(
                f"{where}: its node does not run (the host restarted, or it was ended); `daskfleet up "
                f"{state.spec.name}` mends it"
            )
        elif each.marks.failure:
            problems.append(f"{where}: {each.marks.failure}")
    problems += [f"{host.place.describe()}: something of the fleet may be left there" for host in state.leaving]
    return FleetStatus(
        fleet=state.spec.name,
        provider="ssh",
        state=_judge(state, scheduler, groups, view),
        scheduler_address=state.scheduler_address if state.scheduler_host else "",
        dashboard_url=dashboard_url if state.scheduler_host else "",
        created=state.created,
        scheduler=scheduler,
        groups=groups,
        tags=state.spec.tags,
        problems=tuple(problems),
    )


def _judge(state: SshState, scheduler: NodeStatus, groups: tuple[GroupStatus, ...], view: View) -> FleetState:
    if scheduler.state in ("stopped", "gone") or not state.hosts:
        return "dead"
    nodes = [view.nodes.get(host.node) for host in state.hosts]
    if view.workers is not None and all(len(group.workers) == group.wanted for group in groups):
        # What a host has lost the scheduler may not have noticed yet.
        well = all(isinstance(node, NodeView) and node.state == "running" for node in nodes)
        return "running" if well else "degraded"
    if not state.complete and all(isinstance(node, NodeView) and node.marks.failure is None for node in nodes):
        return "starting"
    return "degraded"


def _build_node(node: str, view: View) -> NodeStatus:
    each = view.nodes.get(node)
    if each is None:
        return NodeStatus(node, "unknown", None)
    if isinstance(each, HostFailed):
        return NodeStatus(node, "unreachable", None, failure=str(each))
    return NodeStatus(node, each.state, each.process, each.marks.phases, each.marks.failure)


def _build_group(name: str, hosts: tuple[HostState, ...], view: View) -> GroupStatus:
    wanted = {worker for host in hosts for worker in host.workers}
    sizes = {host.sizes for host in hosts if host.sizes is not None}
    one = next(iter(sizes)) if len(sizes) == 1 else None
    return GroupStatus(
        name=name,
        wanted=len(wanted),
        threads=one.threads if one else None,
        memory_limit=str(one.memory_limit) if one else None,
        resources=hosts[0].asked.resources,
        workers=tuple(worker for worker in view.workers or () if worker.name in wanted),
        nodes=tuple(_build_node(host.node, view) for host in hosts),
    )
