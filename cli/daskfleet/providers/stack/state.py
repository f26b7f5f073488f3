"""What daskfleet remembers of a fleet that is a stack. Pure, but for reading the file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths
from daskfleet.providers.stack.cloud import GroupResources, Resources
from daskfleet.providers.state_file import read_state_file


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupState(_Model):
    """One worker group."""

    name: str
    count: int
    """Wanted machines."""
    id: str = ""
    """How the cloud calls it; empty until it exists."""
    workers_per_machine: int = 1

    @property
    def workers(self) -> int:
        """Wanted workers."""
        return self.count * self.workers_per_machine


class StackState(_Model):
    """A fleet as it is wanted; written before it is made true, and with what it became after."""

    version: Literal[1] = 1
    provider: str
    region: str
    account: str = ""
    """The project or the subscription that it is in, in a cloud that has them."""
    spec: dict[str, Any] | None
    """The spec, as given; `None` for a fleet that somebody else made."""
    created: float
    """Seconds since the epoch."""
    groups: tuple[GroupState, ...]
    log_group: str = ""
    scheduler_machine: str = ""
    complete: bool = False
    """Whether an `up` has made it, or a connection has told of it; otherwise one was stopped half-way."""

    def find_group(self, fleet: str, name: str) -> GroupState:
        """The group of that name.

        Raises:
            FleetError: there is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        there = ", ".join(group.name for group in self.groups)
        raise FleetError(f"fleet '{fleet}' has no worker group '{name}'; it has: {there}.")

    @property
    def fallback_groups(self) -> list[str]:
        """The groups that take on-demand machines for what the spot market has not."""
        return [str(each["name"]) for each in (self.spec or {}).get("workers", ()) if each.get("spot") == "fallback"]

    @property
    def resources(self) -> Resources:
        """What the cloud is asked about."""
        groups = tuple(GroupResources(each.name, each.id, each.workers_per_machine) for each in self.groups if each.id)
        return Resources(self.region, self.log_group, self.scheduler_machine, groups, self.account)


def read_state(paths: FleetPaths) -> StackState | None:
    """The state in the fleet's folder; `None` if there is none.

    Raises:
        StateDamaged: the file is there and cannot be read as a state.
    """
    return read_state_file(paths, StackState)


def change_counts(state: StackState, counts: dict[str, int]) -> StackState:
    """The state with other counts of machines, in the spec as well, so that `up NAME` keeps them."""
    groups = tuple(group.model_copy(update={"count": counts.get(group.name, group.count)}) for group in state.groups)
    spec = state.spec
    if spec is not None:
        workers = [{**each, "count": counts.get(each["name"], each.get("count"))} for each in spec.get("workers", [])]
        spec = {**spec, "workers": workers}
    return state.model_copy(update={"groups": groups, "spec": spec})


def apply_resources(state: StackState, resources: Resources) -> StackState:
    """The state with what its stack has become."""
    counts = {group.name: group.count for group in state.groups}
    groups = tuple(
        GroupState(
            name=each.name,
            count=counts.get(each.name, 0),
            id=each.id,
            workers_per_machine=each.workers_per_machine,
        )
        for each in resources.groups
    )
    return state.model_copy(
        update={
            "groups": groups,
            "region": resources.region,
            "account": resources.account,
            "log_group": resources.log_group,
            "scheduler_machine": resources.scheduler_machine,
            "complete": True,
        }
    )
