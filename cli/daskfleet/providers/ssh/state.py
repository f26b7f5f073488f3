"""What daskfleet remembers of a fleet over SSH, and how it follows from the spec. Pure, but for reading the file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from daskfleet.connections import describe_missing
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, fleet_paths, write_private_file
from daskfleet.providers.sizing import choose_workers
from daskfleet.providers.state_file import read_state_file
from daskfleet_stacks.spec import SshFleetSpec
from daskfleet_stacks.spec.ssh import HostAddress, SshHost, find_scheduler_host, iterate_hosts

SCHEDULER = "scheduler"
"""Name of the scheduler's node; no host has it."""


DAMAGED = (
    ", and only it says on which hosts the fleet is and under which name. Restore it, or remove on each host what is "
    "below ~/.daskfleet after ending what runs there."
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Model):
    """Where a node is."""

    host: str
    """As `ssh` takes it; empty is this machine."""
    user: str = ""
    port: int | None = None
    scratch: str = "/tmp"  # noqa: S108 - a private folder in it
    """Where its folder for what it spills is."""

    @property
    def address(self) -> HostAddress:
        """What SSH is told."""
        return HostAddress(self.host, self.user, self.port)

    def describe(self) -> str:
        """What a person calls it."""
        return self.host or "this machine"


class Sizes(_Model):
    """What a host gives to each of its workers."""

    threads: int
    memory_limit: int
    """Bytes; 0 is no limit."""


class HostState(_Model):
    """One host with workers."""

    node: str
    """Name of its node."""
    place: Place
    group: str
    workers: tuple[str, ...] = ()
    """Names of the wanted workers."""
    sizes: Sizes | None = None
    """`None` until the host has been asked what it has."""
    asked: SshHost
    """The entry of the spec that it comes from."""
    folder: str = ""
    """Its node's folder on it; empty until it has been asked."""
    working_directory: str = ""
    """Where its tasks start."""
    touched: bool = False
    """Whether something of the fleet may be on it."""
    problem: str = ""
    """Why it is not in the fleet, and what to do; empty where it is."""


class SshState(_Model):
    """A fleet over SSH as it is wanted; written before it is made true."""

    version: Literal[1] = 1
    provider: Literal["ssh"] = "ssh"
    id: str
    """Tells its folders on hosts from those of another machine's fleet with the same name."""
    spec: SshFleetSpec
    """The spec, as given."""
    created: float
    """Seconds since the epoch."""
    working_directory: str
    """Where `up` was called: relative paths in tasks start there, on hosts that have it."""
    scheduler: Place
    scheduler_touched: bool = False
    """Whether something of the fleet may be on its host."""
    scheduler_port: int = 0
    """0 until it has been decided."""
    dashboard_port: int = 0
    scheduler_host: str = ""
    """Name or address by which the scheduler is reached; empty until it is known."""
    hosts: tuple[HostState, ...]
    leaving: tuple[HostState, ...] = ()
    """Hosts that are not wanted any more, and on which something of the fleet may be."""
    complete: bool = False
    """Whether the last `up` came to its end."""

    @property
    def scheduler_address(self) -> str:
        host = f"[{self.scheduler_host}]" if ":" in self.scheduler_host else self.scheduler_host
        return f"tls://{host}:{self.scheduler_port}"

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}/status"

    @property
    def groups(self) -> dict[str, tuple[HostState, ...]]:
        """The hosts of each worker group, in the order of the file."""
        groups: dict[str, tuple[HostState, ...]] = {}
        for host in self.hosts:
            groups[host.group] = (*groups.get(host.group, ()), host)
        return groups

    def find_group(self, name: str) -> tuple[HostState, ...]:
        """The hosts of a worker group.

        Raises:
            FleetError: there is no such group.
        """
        if name not in self.groups:
            there = ", ".join(self.groups)
            raise FleetError(f"fleet '{self.spec.name}' has no worker group '{name}'; it has: {there}.")
        return self.groups[name]

    def folder(self, node: str) -> str:
        """Folder of a node below `~/.daskfleet` on its host."""
        return f"{self.spec.name}-{self.id}/{node}"

    def runtime(self, node: str, place: Place) -> str:
        """Folder of a node for its socket and what its workers spill; short, as paths of sockets are."""
        digest = hashlib.sha256(node.encode()).hexdigest()[:8]
        return f"{place.scratch.rstrip('/')}/daskfleet-{self.id}-{digest}"

    def unit_name(self, node: str) -> str:
        """Name of a node's systemd unit."""
        return f"daskfleet-{self.spec.name}-{self.id}-{node}.service"

    def replace_hosts(self, changed: Mapping[str, HostState]) -> SshState:
        """The state with other hosts in the place of those of the same nodes."""
        return self.model_copy(update={"hosts": tuple(changed.get(host.node, host) for host in self.hosts)})


def load_state(name: str) -> SshState:
    """The state of the fleet called `name`.

    Raises:
        FleetNotFound: there is no such fleet.
        StateDamaged: its state cannot be read.
    """
    paths = fleet_paths(name)
    state = read_state(paths)
    if state is None:
        raise describe_missing(name)
    return state


def read_state(paths: FleetPaths) -> SshState | None:
    """The state in the fleet's folder; `None` if there is none.

    Raises:
        StateDamaged: the file is there and cannot be read as a state.
    """
    return read_state_file(paths, SshState, DAMAGED)


def write_state(state: SshState, paths: FleetPaths) -> None:
    """Write the state."""
    write_private_file(paths.state, state.model_dump_json(indent=2))


def name_node(host: str, taken: Iterable[str]) -> str:
    """A name for the node on a host, that files and workers can have, and that is not taken."""
    base = re.sub(r"[^A-Za-z0-9._-]", "-", host)
    name, number = base, 2
    while name in taken or name == SCHEDULER:
        name, number = f"{base}-{number}", number + 1
    return name


def plan_state(
    spec: SshFleetSpec, old: SshState | None, *, new_id: str, now: float, working_directory: str
) -> SshState:
    """The state that the spec stands for, as far as it is known before any host has been asked.

    What the same host had before it keeps, also names of workers that run, so that asking again for the same fleet
    changes nothing.
    """
    known = {host.place.address: host for host in old.hosts} if old is not None else {}
    listed = list(iterate_hosts(spec))
    names = {known[address].node for address, _ in listed if address in known}
    hosts: list[HostState] = []
    for address, entry in listed:
        before = known.get(address)
        node = before.node if before else name_node(address.host, {*names, *(each.node for each in hosts)})
        place = _place(address, entry.scratch)
        same = before is not None and before.asked.model_copy(update=_counts(entry)) == entry and before.place == place
        hosts.append(
            HostState(
                node=node,
                place=place,
                group=entry.group,
                workers=before.workers if before and same else (),
                sizes=before.sizes if before and same else None,
                asked=entry,
                touched=before is not None and same and before.touched,
                folder=before.folder if before and same else "",
                working_directory=before.working_directory if before and same else "",
            )
        )
    scheduler = find_scheduler_host(spec)
    return SshState(
        id=old.id if old else new_id,
        spec=spec,
        created=old.created if old else now,
        working_directory=old.working_directory if old else working_directory,
        scheduler=Place(host="") if scheduler is None else _place(scheduler, None),
        scheduler_touched=old is not None and old.scheduler_touched,
        scheduler_port=old.scheduler_port if old else 0,
        dashboard_port=old.dashboard_port if old else 0,
        scheduler_host=old.scheduler_host if old else "",
        hosts=tuple(hosts),
        leaving=_find_leaving(old, hosts) if old is not None else (),
    )


def _find_leaving(old: SshState, hosts: Iterable[HostState]) -> tuple[HostState, ...]:
    """The hosts of which something is to go: those that the spec has not any more, or has with other settings."""
    kept = {host.node for host in hosts if host.touched}
    gone = [host for host in old.hosts if host.touched and host.node not in kept]
    nodes = {host.node for host in gone}
    return (*gone, *(host for host in old.leaving if host.node not in nodes))


def _place(address: HostAddress, scratch: str | None) -> Place:
    extra = {"scratch": scratch} if scratch else {}
    return Place(host=address.host, user=address.user, port=address.port, **extra)


def _counts(entry: SshHost) -> dict[str, object]:
    """What may change on a host that runs: how many workers it has, and how the file names it."""
    return {"workers": entry.workers, "host": entry.host}


def find_refused_changes(old: SshState, new: SshState) -> list[str]:
    """What cannot be changed while clients and workers hold the scheduler's address."""
    refused = []
    if old.scheduler.address != new.scheduler.address:
        refused.append(
            f"scheduler.host: {old.scheduler.describe()} cannot become {new.scheduler.describe()}: a scheduler does "
            "not move; take the fleet down and up again"
        )
    asked = new.spec.scheduler
    for field, was, now in (
        ("scheduler.port", old.scheduler_port, asked.port),
        ("scheduler.dashboard_port", old.dashboard_port, asked.dashboard_port),
        ("scheduler.address", old.scheduler_host, asked.address or "auto"),
    ):
        if was and now not in ("auto", was):
            refused.append(
                f"{field}: {was} cannot become {now} while clients and workers hold the scheduler's address; take the "
                "fleet down and up again"
            )
    if old.spec.environment != new.spec.environment:
        refused.append(
            "environment: another one would not fit the scheduler and the workers that run; take the fleet down and up "
            "again"
        )
    return refused


def spread_workers(hosts: Iterable[HostState], count: int) -> dict[str, tuple[str, ...]]:
    """Names of the workers of each host's node, `count` in all: those that are there stay, as long as there is room.

    Each new one goes where there are fewest, each that goes leaves where there are most; hosts that are not in the
    fleet get none.
    """
    usable = [host for host in hosts if not host.problem]
    workers = {host.node: list(host.workers) for host in usable}
    order = {host.node: index for index, host in enumerate(usable)}
    if not usable:
        return {}
    while sum(map(len, workers.values())) > count:
        node = max(workers, key=lambda each: (len(workers[each]), order[each]))
        workers[node].pop()
    while sum(map(len, workers.values())) < count:
        node = min(workers, key=lambda each: (len(workers[each]), order[each]))
        workers[node] = list(choose_workers(node, len(workers[node]) + 1, tuple(workers[node])))
    return {node: tuple(names) for node, names in workers.items()}


def list_workers(state: SshState) -> dict[str, tuple[str, ...]]:
    """The wanted workers of each group."""
    return {group: tuple(worker for host in hosts for worker in host.workers) for group, hosts in state.groups.items()}


def render_spec(state: SshState) -> SshFleetSpec:
    """The spec with the counts that the fleet has now: each host by itself."""
    entries = tuple(
        host.asked.model_copy(
            update={
                "host": f"{host.place.user}@{host.place.host}" if host.place.user else host.place.host,
                "workers": host.asked.workers if host.sizes is None or host.problem else len(host.workers),
            }
        )
        for host in state.hosts
    )
    return state.spec.model_copy(update={"hosts": entries})
