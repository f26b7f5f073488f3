"""What daskfleet remembers of a local fleet, and how it follows from the spec. Pure, but for reading the file."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ByteSize, ConfigDict

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.providers.sizing import choose_workers, fill_machine
from daskfleet.providers.state_file import read_state_file
from daskfleet_stacks.spec import LocalFleetSpec
from daskfleet_stacks.spec.local import LocalWorkerGroup


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupState(_Model):
    """One worker group, with everything decided that the spec leaves open."""

    name: str
    workers: tuple[str, ...]
    """Names of the wanted workers."""
    threads: int
    memory_limit: int | Literal["auto"]
    resources: dict[str, float]


class LocalState(_Model):
    """A local fleet as it is wanted; written before it is made true."""

    version: Literal[1] = 1
    provider: Literal["local"] = "local"
    spec: LocalFleetSpec
    """The spec, as given."""
    scheduler_port: int
    dashboard_port: int
    groups: tuple[GroupState, ...]
    created: float
    """Seconds since the epoch."""
    working_directory: str
    """Where `up` was called: relative paths in tasks start there."""

    @property
    def scheduler_address(self) -> str:
        return f"tls://127.0.0.1:{self.scheduler_port}"

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}/status"

    def find_group(self, name: str) -> GroupState:
        """The group of that name.

        Raises:
            FleetError: there is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        there = ", ".join(group.name for group in self.groups)
        raise FleetError(f"fleet '{self.spec.name}' has no worker group '{name}'; it has: {there}.")


def read_state(paths: FleetPaths) -> LocalState | None:
    """The state in the fleet's folder; `None` if there is none.

    Raises:
        StateDamaged: the file is there and cannot be read as a state.
    """
    return read_state_file(paths, LocalState)


def size_groups(
    spec: LocalFleetSpec, count_cpus: Callable[[], int], current: tuple[GroupState, ...] = ()
) -> tuple[GroupState, ...]:
    """Decide what the spec leaves to the machine, and name the workers.

    The cores are only counted if the answer depends on them: that imports Dask.
    Workers that are there keep their names and, where the spec says `auto`, their threads, so that asking again for
    the same fleet changes nothing.
    """
    known = {group.name: group for group in current}
    total = sum(group.count for group in spec.workers if group.count != "auto")
    open_questions = any("auto" in (group.count, group.threads) for group in spec.workers)
    cpus = count_cpus() if open_questions else 1
    return tuple(_size_group(group, cpus, total, known.get(group.name)) for group in spec.workers)


def _size_group(group: LocalWorkerGroup, cpus: int, total: int, current: GroupState | None) -> GroupState:
    if group.count == "auto":
        count, threads = fill_machine(cpus)
        if group.threads != "auto":
            count = max(1, cpus // group.threads)
    else:
        count, threads = group.count, max(1, math.ceil(cpus / total) if total else cpus)
    if group.threads != "auto":
        threads = group.threads
    elif current is not None:
        threads = current.threads
    return GroupState(
        name=group.name,
        workers=choose_workers(group.name, count, current.workers if current else ()),
        threads=threads,
        memory_limit=group.memory_limit,
        resources=group.resources,
    )


def change_workers(state: LocalState, workers: dict[str, tuple[str, ...]]) -> LocalState:
    """The state with other wanted workers in some groups; the spec's counts follow, so that mending keeps them."""
    groups = tuple(
        group.model_copy(update={"workers": workers.get(group.name, group.workers)}) for group in state.groups
    )
    spec_groups = tuple(
        spec_group.model_copy(update={"count": len(workers[spec_group.name])})
        if spec_group.name in workers
        else spec_group
        for spec_group in state.spec.workers
    )
    spec = state.spec.model_copy(update={"workers": spec_groups})
    return state.model_copy(update={"groups": groups, "spec": spec})


def find_refused_changes(old: LocalState, new: LocalState) -> list[str]:
    """What `new` asks for that cannot be changed while the fleet runs, each with the reason and the remedy."""
    refused = []
    for field, was, now in (
        ("scheduler.port", old.scheduler_port, new.scheduler_port),
        ("scheduler.dashboard_port", old.dashboard_port, new.dashboard_port),
    ):
        if was != now:
            refused.append(
                f"{field}: {was} cannot become {now} while clients and workers hold the scheduler's address; take the "
                "fleet down and up again"
            )
    for group in new.groups:
        before = next((each for each in old.groups if each.name == group.name), None)
        if before is None:
            continue
        for key in ("threads", "memory_limit", "resources"):
            if getattr(before, key) != getattr(group, key):
                before_text, after_text = (_render(key, getattr(each, key)) for each in (before, group))
                refused.append(
                    f"workers '{group.name}'.{key}: {before_text} cannot become {after_text} in "
                    "running workers; give the group another name, so that new workers take over the data of the old"
                )
    return refused


def _render(key: str, value: object) -> str:
    """A setting as a person writes it."""
    return ByteSize(value).human_readable() if key == "memory_limit" and isinstance(value, int) else str(value)


def describe_changes(old: LocalState, new: LocalState) -> list[str]:
    """What changes from `old` to `new`, a line for each worker group."""
    before = {group.name: group for group in old.groups}
    after = {group.name: group for group in new.groups}
    lines = [f"add group {name}: {len(group.workers)} workers" for name, group in after.items() if name not in before]
    for name, group in after.items():
        if name in before and len(before[name].workers) != len(group.workers):
            lines.append(f"resize group {name}: {len(before[name].workers)} to {len(group.workers)} workers")
    lines += [
        f"remove group {name}: {len(group.workers)} workers" for name, group in before.items() if name not in after
    ]
    return lines
