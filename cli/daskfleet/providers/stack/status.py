"""What a fleet in a cloud is at this moment: from the cloud, its log, and its scheduler where that can be reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from daskfleet.access import reach_fleet
from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.progress import Quiet
from daskfleet.providers.base import FleetState, FleetStatus, GroupStatus, NodeStatus, WorkerStatus
from daskfleet.providers.scheduler import ask_workers
from daskfleet.providers.stack.cloud import Cloud, Machine, Shortage
from daskfleet.providers.stack.clouds import load_cloud_of_state
from daskfleet.providers.stack.nodes import SCHEDULER, MarkBook
from daskfleet.providers.stack.redact import redact
from daskfleet.providers.stack.scaling import is_there, parse_host
from daskfleet.providers.stack.state import GroupState, StackState, read_state
from daskfleet.providers.stack.waiting import Waiter
from daskfleet.providers.state_file import StateDamaged
from daskfleet_stacks.connection import Connection

OTHERS = "workers"
"""The group that is shown where nothing says which groups there are."""


@dataclass
class View:
    """What could be learnt."""

    machines: list[Machine] = field(default_factory=list)
    book: MarkBook = field(default_factory=MarkBook)
    counts: dict[str, int] | None = None
    """Machines that each group wants; `None` where the cloud could not be asked."""
    workers: list[WorkerStatus] | None = None
    """What the scheduler knows; `None` where it could not be asked."""
    shortages: dict[str, Shortage] = field(default_factory=dict)
    """What the cloud says where a group has fewer machines than it wants."""
    problems: list[str] = field(default_factory=list)


def read_stack_status(name: str, provider: str, paths: FleetPaths) -> FleetStatus:
    """The status of the fleet whose files are `paths`; never an error because something of the fleet is broken."""
    try:
        state = read_state(paths)
        damage = f"an `up` of it was stopped half-way; `daskfleet up` finishes it, `daskfleet down {name}` removes it."
    except StateDamaged as error:
        state, damage = None, f"{error} `daskfleet up FILE` writes it anew; `daskfleet down {name}` removes the fleet."
    try:
        connection = load_connection(name)
    except FleetError:
        connection = None
    if state is None or connection is None:
        nobody = NodeStatus(SCHEDULER, "unknown", None)
        return FleetStatus(name, provider, "damaged", "", "", 0.0, nobody, (), {}, (damage,))
    view = look(name, state)
    return build_status(name, state, connection, view)


def look(name: str, state: StackState) -> View:
    """Ask the cloud and the scheduler, at the same time."""
    view = View()
    with ThreadPoolExecutor(max_workers=2) as pool:
        asked = pool.submit(_ask_scheduler, name)
        if state.region and state.log_group:
            try:
                _ask_cloud(load_cloud_of_state(state), name, state, view)
            except FleetError as error:
                view.problems.append(f"the cloud cannot be asked: {error}")
        try:
            view.workers = asked.result()
        except (FleetError, OSError, TimeoutError) as error:
            view.problems.append(f"its scheduler cannot be asked from here, so load and memory are unknown: {error}")
    return view


def _ask_scheduler(name: str) -> list[WorkerStatus]:
    return ask_workers(reach_fleet(name))


def _ask_cloud(cloud: Cloud, name: str, state: StackState, view: View) -> None:
    waiter = Waiter(cloud, name, state.resources, {}, Quiet())
    waiter.look()
    view.machines, view.book = waiter.machines, waiter.book
    view.counts = cloud.count_machines(state.resources.groups)
    there = Counter(machine.group for machine in view.machines if is_there(machine))
    short = [group for group in state.resources.groups if there[group.name] < view.counts.get(group.name, 0)]
    view.shortages = cloud.explain_shortages(short)


def build_status(name: str, state: StackState, connection: Connection, view: View) -> FleetStatus:
    """Put together what could be learnt. Pure."""
    problems = list(view.problems)
    scheduler = _build_scheduler(state, view)
    groups = tuple(_build_group(group, view) for group in state.groups)
    if not groups and view.workers:
        groups = (GroupStatus(OTHERS, len(view.workers), None, None, {}, tuple(view.workers), ()),)
    if view.counts is not None:
        if scheduler.state == "gone":
            problems.append(f"the scheduler's machine is gone; `daskfleet up {name}` makes it anew")
        problems += [
            f"group {group.name} is not in the cloud any more; `daskfleet up {name}` makes it anew"
            for group in state.groups
            if group.id and group.name not in view.counts
        ]
    problems += [
        f"group {group}: the cloud has not launched all of its machines: {redact(shortage.reason)}"
        for group, shortage in view.shortages.items()
    ]
    problems += [f"node {node.name}: {node.failure}" for group in groups for node in group.nodes if node.failure]
    return FleetStatus(
        fleet=name,
        provider=state.provider,
        state=_judge(scheduler, groups, view),
        scheduler_address=connection.scheduler_address,
        dashboard_url=connection.dashboard_url,
        created=state.created,
        scheduler=scheduler,
        groups=groups,
        tags=(state.spec or {}).get("tags", {}),
        problems=tuple(problems),
    )


def _build_scheduler(state: StackState, view: View) -> NodeStatus:
    for machine in view.machines:
        if machine.id == state.scheduler_machine:
            marks = view.book.read(machine)
            return NodeStatus(SCHEDULER, machine.state, None, marks.phases, marks.failure)
    return NodeStatus(SCHEDULER, "unknown" if view.counts is None else "gone", None)


def _build_group(group: GroupState, view: View) -> GroupStatus:
    machines = [machine for machine in view.machines if machine.group == group.name and is_there(machine)]
    count = group.count if view.counts is None else view.counts.get(group.name, 0)
    nodes = []
    for machine in machines:
        marks = view.book.read(machine)
        nodes.append(NodeStatus(machine.node, machine.state, None, marks.phases, marks.failure))
    return GroupStatus(
        name=group.name,
        wanted=count * group.workers_per_machine,
        threads=None,
        memory_limit=None,
        resources={},
        workers=_find_workers({machine.address: machine for machine in machines}, view),
        nodes=tuple(nodes),
    )


def _find_workers(machines: Mapping[str, Machine], view: View) -> tuple[WorkerStatus, ...]:
    """A group's workers, from the scheduler; otherwise those of which the log says that they have registered."""
    if view.workers is not None:
        return tuple(worker for worker in view.workers if parse_host(worker.address) in machines)
    return tuple(
        WorkerStatus(name, f"tls://{address}", 0, 0, 0, 0, 0.0, 0)
        for address, machine in machines.items()
        for name in view.book.read(machine).registered
    )


def _judge(scheduler: NodeStatus, groups: tuple[GroupStatus, ...], view: View) -> FleetState:
    if view.counts is None:
        return "degraded" if view.workers is None else "running"
    if scheduler.state == "gone":
        return "dead"
    if all(len(group.workers) == group.wanted for group in groups) and scheduler.state == "running":
        return "running"
    failed = any(node.failure for group in groups for node in group.nodes) or scheduler.failure is not None
    return "degraded" if failed or view.shortages else "starting"
