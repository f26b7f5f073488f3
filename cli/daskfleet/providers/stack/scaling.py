"""More or fewer machines, through the groups' own API; the stack is not updated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from daskfleet.access import reach_fleet
from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths, write_private_file
from daskfleet.lock import lock_fleet
from daskfleet.progress import Progress, Quiet
from daskfleet.providers.base import WorkerStatus
from daskfleet.providers.scheduler import ask_workers, order_by_idleness, retire_workers
from daskfleet.providers.stack.cloud import Cloud, GroupResources, Machine
from daskfleet.providers.stack.clouds import load_cloud_of_state
from daskfleet.providers.stack.remembered import load_state
from daskfleet.providers.stack.state import StackState, change_counts
from daskfleet.providers.stack.waiting import Waiter
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec.fields import MAX_WORKERS


def scale_group(name: str, group: str, count: int, progress: Progress, *, timeout: float) -> None:
    """Give a group `count` machines, and wait for new ones, unless `timeout` is 0.

    Raises:
        FleetError: there is no such group, or the machines did not come up in time.
    """
    if not 0 <= count <= MAX_WORKERS:
        raise FleetError(f"{count} machines: a group has at least 0 and at most {MAX_WORKERS}.")
    with lock_fleet(name, on_wait=progress.step):
        state = load_state(name)
        resources = find_group(state, name, group)
        cloud = load_cloud_of_state(state)
        there = cloud.count_machines([resources])
        if group not in there:
            raise FleetError(
                f"group '{group}' of fleet '{name}' is not in the cloud any more; `daskfleet up {name}` mends it."
            )
        write_counts(name, state, {group: count})
        before = there[group]
        if count < before:
            _shrink(cloud, name, resources, before - count, progress)
        elif count > before:
            progress.step(f"group {group}: {before} to {count} machines")
            cloud.set_count(resources, count)
    waiter = Waiter(cloud, name, state.resources, {group: count}, progress, fallback=state.fallback_groups)
    if count > before and timeout > 0:
        waiter.wait(timeout, 1.0)
    elif count == before:  # Whoever asks once more has not got them.
        if group in state.fallback_groups:
            waiter.relieve()
        cloud.try_again([resources])


def _shrink(cloud: Cloud, fleet: str, group: GroupResources, fewer: int, progress: Progress) -> None:
    """Those that are idle go first, where the scheduler can be asked; otherwise the cloud chooses."""
    machines = [each for each in cloud.list_machines(fleet) if each.group == group.name and is_there(each)]
    try:
        connection = reach_fleet(fleet)
        ordered = order_by_idleness(connection)
    except (FleetError, OSError, TimeoutError) as error:
        progress.step(f"the cloud chooses who leaves, as the scheduler cannot be asked from here ({error})")
        cloud.set_count(group, max(0, len(machines) - fewer))
        return
    leaving = choose_leaving(machines, ordered, fewer)
    retire_and_remove(cloud, connection, leaving, ordered, progress)
    if len(leaving) < fewer:  # Machines that the group wants and that have not been launched yet.
        cloud.set_count(group, max(0, len(machines) - len(leaving)))


def is_there(machine: Machine) -> bool:
    """Whether the machine counts among those that its group has."""
    return machine.state in ("starting", "running")


def choose_leaving(machines: Sequence[Machine], ordered: Sequence[str], count: int) -> list[Machine]:
    """The machines that leave: first those without a worker, then by the worker that is the worst to close. Pure.

    Args:
        ordered: the addresses of workers, those that are best closed first.
    """
    ranks: dict[str, int] = defaultdict(lambda: -1)
    for rank, address in enumerate(ordered):
        ranks[parse_host(address)] = rank
    return sorted(machines, key=lambda machine: (ranks[machine.address], -machine.launched))[:count]


def retire_and_remove(
    cloud: Cloud, connection: Connection, machines: Collection[Machine], known: Iterable[str], progress: Progress
) -> None:
    """Have the machines' workers hand their data over, and remove the machines."""
    hosts = {machine.address for machine in machines}
    workers = [address for address in known if parse_host(address) in hosts]
    progress.step(f"retiring {len(workers)} workers on {len(machines)} machines")
    if workers:
        try:
            retire_workers(connection, workers)
        except (OSError, TimeoutError) as error:
            progress.step(f"they leave without handing their data over: {error}")
    cloud.remove_machines(machines)


def parse_host(address: str) -> str:
    """The host of `tls://host:port`. Pure."""
    return address.partition("://")[2].rsplit(":", 1)[0].strip("[]")


def remove_workers(name: str, workers: Collection[str]) -> None:
    """Remove these workers with their machines; one that is not alone on its machine goes when all of it may."""
    with lock_fleet(name):
        state = load_state(name)
        cloud = load_cloud_of_state(state)
        connection, known = _ask_scheduler(name)
        machines = [each for each in cloud.list_machines(name) if each.group is not None and is_there(each)]
        named = name_all(machines, known, state)
        leaving = [each for each in machines if named[each.id] and set(named[each.id]) <= set(workers)]
        if not leaving:
            return
        counts = {group.name: group.count - sum(each.group == group.name for each in leaving) for group in state.groups}
        write_counts(name, state, counts)
        if connection is None:
            cloud.remove_machines(leaving)
        else:
            retire_and_remove(cloud, connection, leaving, [each.address for each in known], Quiet())


def list_workers(name: str) -> dict[str, tuple[str, ...]]:
    """The workers of each group that has machines, by name, also before they have registered."""
    state = load_state(name)
    _, known = _ask_scheduler(name)
    machines = [each for each in load_cloud_of_state(state).list_machines(name) if is_there(each)]
    named = name_all(machines, known, state)
    return {
        group.name: tuple(worker for machine in machines if machine.group == group.name for worker in named[machine.id])
        for group in state.groups
    }


def _ask_scheduler(name: str) -> tuple[Connection | None, list[WorkerStatus]]:
    """How the scheduler is reached and the workers that it knows; nothing where it cannot be asked from here."""
    try:
        connection = reach_fleet(name)
        return connection, ask_workers(connection)
    except (FleetError, OSError, TimeoutError):
        return None, []


def name_all(
    machines: Iterable[Machine], known: Iterable[WorkerStatus], state: StackState
) -> dict[str, tuple[str, ...]]:
    """The workers of each machine, by its id: as the scheduler knows them, or by the names they will have. Pure."""
    per_machine = {group.name: group.workers_per_machine for group in state.groups}
    by_host: dict[str, list[str]] = defaultdict(list)
    for worker in known:
        by_host[parse_host(worker.address)].append(worker.name)
    return {
        machine.id: tuple(
            by_host.get(machine.address) or name_workers(machine, per_machine.get(machine.group or "", 1))
        )
        for machine in machines
    }


def name_workers(machine: Machine, count: int) -> tuple[str, ...]:
    """The names that a machine's workers give themselves: its host name and a number. Pure."""
    return tuple(f"{machine.node}-{number}" for number in range(count))


def find_group(state: StackState, fleet: str, group: str) -> GroupResources:
    """The group in the cloud.

    Raises:
        FleetError: there is none.
    """
    found = state.find_group(fleet, group)
    if not found.id:
        raise FleetError(f"group '{group}' of fleet '{fleet}' has not been made yet; `daskfleet up {fleet}` makes it.")
    return GroupResources(found.name, found.id, found.workers_per_machine)


def write_counts(name: str, state: StackState, counts: dict[str, int]) -> None:
    """Remember what is wanted, before it is made true."""
    write_private_file(fleet_paths(name).state, change_counts(state, counts).model_dump_json(indent=2))


def plan_machines(workers: int, workers_per_machine: int) -> int:
    """Machines that so many workers take. Pure."""
    return -(-workers // max(1, workers_per_machine))
