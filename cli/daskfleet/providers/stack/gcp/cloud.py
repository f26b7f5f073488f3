"""Google Cloud, as the stack provider asks it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from daskfleet.google import Google, explain_google_errors, find_name
from daskfleet.providers.stack.cloud import (
    NOT_READABLE,
    Check,
    Cloud,
    GroupResources,
    Leftover,
    LogEvent,
    Machine,
    Resources,
    Shortage,
    StoredConnection,
    describe_other_version,
)
from daskfleet.providers.stack.gcp import checks, connections, grants, listing, logs, machines, openings, parts
from daskfleet.providers.stack.gcp.marks import Mark
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec, GcpFleetSpec


class GcpCloud(Cloud):
    """One region of a project of Google Cloud."""

    name: ClassVar[str] = "gcp"
    group_type: ClassVar[str] = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager"
    id_keys: ClassVar[tuple[str, ...]] = ("name",)
    made_by_groups: ClassVar[tuple[str, ...]] = ("instance", "disk")
    poll_seconds: ClassVar[float] = 4.0
    """A project may read its logs 60 times a minute, whoever it is."""

    def __init__(self, region: str, project: str = "") -> None:
        super().__init__(region)
        self._google = Google(project)
        self._deleted_logs: set[str] = set()
        """Google goes on to name a log for some time after it has taken the order to delete it."""
        self._buckets: set[str] = set()

    @property
    def account(self) -> str:
        return self._google.project

    @property
    def place(self) -> str:
        return f"{self.name} {self.region} {self.account}"

    @property
    def options(self) -> str:
        return f"{super().options} --project {self.account}"

    def settle(self, spec: FleetSpec) -> FleetSpec:
        assert isinstance(spec, GcpFleetSpec)
        return spec.model_copy(update={"project": self.account})

    def heed(self, spec: Mapping[str, Any]) -> None:
        data = spec.get("data") or {}
        self._buckets |= set(grants.find_buckets([*data.get("read", ()), *data.get("write", ())]))

    def _mark(self, fleet: str) -> Mark:
        return Mark(fleet, self.region)

    def check(self, spec: FleetSpec) -> list[Check]:
        return checks.check_fleet(self._google, spec)

    def find_strangers(self, fleet: str) -> list[str]:
        with explain_google_errors():
            found = connections.list_secrets(self._google, self._mark(fleet))
        return [f"secret {find_name(each['name'])}" for each in found]

    def read_resources(self, data: Mapping[str, Any]) -> Resources:
        try:
            return Resources(
                region=str(data["region"]),
                account=str(data["project"]),
                log_group=str(data["log"]),
                scheduler_machine=str(data["scheduler_instance"]),
                groups=tuple(
                    GroupResources(
                        str(name),
                        machines.join_managers(group["instance_group_managers"]),
                        int(group["workers_per_instance"]),
                    )
                    for name, group in data["groups"].items()
                ),
            )
        except NOT_READABLE as error:
            raise describe_other_version(error) from None

    def count_machines(self, groups: Sequence[GroupResources]) -> dict[str, int]:
        return machines.count_machines(self._google, self.region, groups)

    def set_count(self, group: GroupResources, count: int) -> None:
        machines.set_count(self._google, self.region, group, count)

    def remove_machines(self, removed: Collection[Machine]) -> None:
        machines.remove_machines(self._google, self.region, removed)

    def list_machines(self, fleet: str) -> list[Machine]:
        return machines.list_machines(self._google, self._mark(fleet))

    def explain_shortages(self, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
        return machines.explain_shortages(self._google, self.region, groups)

    def take_on_demand(self, group: GroupResources) -> None:
        machines.take_on_demand(self._google, self.region, group)

    def read_console(self, machine: Machine) -> list[str]:
        return machines.read_console(self._google, machine)

    def read_marks(self, log_group: str, since: float) -> list[LogEvent]:
        return logs.read_marks(self._google, log_group, since)

    def read_log(self, log_group: str, since: float, *, prefix: str = "") -> list[LogEvent]:
        return logs.read_log(self._google, log_group, since, prefix)

    def list_logs(self, log_group: str) -> list[tuple[str, str]]:
        return logs.list_logs(self._google, log_group)

    def read_tail(self, log_group: str, group: str, node: str, lines: int) -> list[LogEvent]:
        return logs.read_tail(self._google, log_group, group, node, lines)

    def find_leftovers(self, fleet: str) -> list[Leftover]:
        found = listing.find_leftovers(self._google, self._mark(fleet), self._buckets)
        return [each for each in found if each.id not in self._deleted_logs]

    def find_parts(self, fleet: str) -> list[Leftover]:
        return parts.find_parts(self._google, self._mark(fleet))

    def remove_leftovers(self, fleet: str, left: Sequence[Leftover]) -> None:
        from daskfleet.providers.stack.gcp.removal import remove_leftovers

        remove_leftovers(self._google, left)
        self._deleted_logs |= {each.id for each in left if each.kind == "log"}

    def find_openings(self, fleet: str) -> list[Leftover]:
        return openings.find_openings(self._google, self._mark(fleet))

    def list_connections(self, fleet: str) -> list[StoredConnection]:
        return connections.list_connections(self._google, self._mark(fleet))

    def read_connection(self, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
        return connections.read_connection(self._google, stored)
