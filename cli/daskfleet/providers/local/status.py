"""What a local fleet is at this moment, put together from its files, its supervisor and its scheduler."""

from __future__ import annotations

from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.providers.base import FleetState, FleetStatus, GroupStatus, NodeStatus, WorkerStatus
from daskfleet.providers.local.documents import SCHEDULER
from daskfleet.providers.local.state import GroupState, read_state
from daskfleet.providers.local.supervisor import NodeProcess, Supervisor, SupervisorGone
from daskfleet.providers.scheduler import ask_workers
from daskfleet.providers.state_file import StateDamaged
from daskfleet_images.node.marks import read_marks


def read_local_status(name: str, paths: FleetPaths, supervisor: Supervisor) -> FleetStatus:
    """The status of the fleet whose files are `paths`; never an error because something of the fleet is broken."""
    try:
        state = read_state(paths)
    except StateDamaged as error:
        state, damage = None, f"{error} `daskfleet up FILE` starts it afresh; `daskfleet down {name}` removes it."
    else:
        damage = "an `up` of it was stopped half-way; `daskfleet up` finishes it, `daskfleet down` removes it."
    if state is None:
        nobody = NodeStatus(SCHEDULER, "unknown", None)
        return FleetStatus(name, "local", "damaged", "", "", 0.0, nobody, (), {}, (damage,))
    problems = []
    try:
        processes = supervisor.list_nodes()
    except SupervisorGone:
        processes = {}
        problems.append(
            f"its supervisor is not running (it was killed, or the machine restarted); `daskfleet up {name}` mends it"
        )
    scheduler = _read_node(SCHEDULER, paths, processes)
    workers: list[WorkerStatus] = []
    if scheduler.state in ("running", "starting") and "registered" in scheduler.phases:
        try:
            workers = ask_workers(load_connection(name))
        except (FleetError, OSError, TimeoutError) as error:
            problems.append(f"its scheduler does not answer: {error}; see `daskfleet logs {name} {SCHEDULER}`")
    groups = tuple(_read_group(group, paths, processes, workers) for group in state.groups)
    for node in (scheduler, *(node for group in groups for node in group.nodes)):
        if node.failure and processes:
            problems.append(f"node {node.name}: {node.failure}")
    return FleetStatus(
        fleet=name,
        provider="local",
        state=_judge(scheduler, groups, alive=bool(processes)),
        scheduler_address=state.scheduler_address,
        dashboard_url=state.dashboard_url,
        created=state.created,
        scheduler=scheduler,
        groups=groups,
        tags=state.spec.tags,
        problems=tuple(problems),
    )


def _judge(scheduler: NodeStatus, groups: tuple[GroupStatus, ...], *, alive: bool) -> FleetState:
    if not alive:
        return "dead"
    if "registered" in scheduler.phases and all(len(group.workers) == group.wanted for group in groups):
        return "running"
    nodes = (scheduler, *(node for group in groups for node in group.nodes))
    if all(node.state == "starting" and node.failure is None for node in nodes):
        return "starting"
    return "degraded"


def _read_node(node: str, paths: FleetPaths, processes: dict[str, NodeProcess]) -> NodeStatus:
    process = processes.get(node)
    marks = read_marks(paths.marks(node))
    if process is None:
        return NodeStatus(node, "unknown", None, marks.phases, marks.failure)
    return NodeStatus(node, process.state, process.pid, marks.phases, marks.failure)


def _read_group(
    group: GroupState, paths: FleetPaths, processes: dict[str, NodeProcess], workers: list[WorkerStatus]
) -> GroupStatus:
    return GroupStatus(
        name=group.name,
        wanted=len(group.workers),
        threads=group.threads,
        memory_limit=str(group.memory_limit),
        resources=group.resources,
        workers=tuple(worker for worker in workers if worker.name in group.workers),
        nodes=(_read_node(group.name, paths, processes),),
    )
