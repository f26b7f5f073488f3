"""AWS, as the stack provider asks it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from daskfleet.providers.stack.aws import checks, connections, leftovers, logs, machines, openings, parts
from daskfleet.providers.stack.aws.clients import Clients
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
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec


class AwsCloud(Cloud):
    """One region of AWS."""

    name: ClassVar[str] = "aws"
    group_type: ClassVar[str] = "aws:autoscaling/group:Group"
    id_keys: ClassVar[tuple[str, ...]] = ("arn", "name", "keyPairId", "allocationId")
    made_by_groups: ClassVar[tuple[str, ...]] = ("instance", "volume", "network interface")

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self._clients = Clients(region)

    def check(self, spec: FleetSpec) -> list[Check]:
        return checks.check_fleet(self._clients, spec)

    def find_strangers(self, fleet: str) -> list[str]:
        return [f"secret {each['Name']}" for each in connections.list_secrets(self._clients, fleet)]

    def read_resources(self, data: Mapping[str, Any]) -> Resources:
        try:
            return Resources(
                region=str(data["region"]),
                log_group=str(data["log_group"]),
                scheduler_machine=str(data["scheduler_instance"]),
                groups=tuple(
                    GroupResources(str(name), str(group["auto_scaling_group"]), int(group["workers_per_instance"]))
                    for name, group in data["groups"].items()
                ),
            )
        except NOT_READABLE as error:
            raise describe_other_version(error) from None

    def count_machines(self, groups: Sequence[GroupResources]) -> dict[str, int]:
        return machines.count_machines(self._clients, groups)

    def set_count(self, group: GroupResources, count: int) -> None:
        machines.set_count(self._clients, group, count)

    def remove_machines(self, removed: Collection[Machine]) -> None:
        machines.remove_machines(self._clients, removed)

    def list_machines(self, fleet: str) -> list[Machine]:
        return machines.list_machines(self._clients, fleet)

    def explain_shortages(self, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
        return machines.explain_shortages(self._clients, groups)

    def take_on_demand(self, group: GroupResources) -> None:
        machines.take_on_demand(self._clients, group)

    def read_console(self, machine: Machine) -> list[str]:
        return machines.read_console(self._clients, machine)

    def read_marks(self, log_group: str, since: float) -> list[LogEvent]:
        return logs.read_marks(self._clients, log_group, since)

    def read_log(self, log_group: str, since: float, *, prefix: str = "") -> list[LogEvent]:
        return logs.read_log(self._clients, log_group, since, prefix)

    def list_logs(self, log_group: str) -> list[tuple[str, str]]:
        return logs.list_logs(self._clients, log_group)

    def read_tail(self, log_group: str, group: str, node: str, lines: int) -> list[LogEvent]:
        return logs.read_tail(self._clients, log_group, f"{group}/{node}", lines)

    def find_leftovers(self, fleet: str) -> list[Leftover]:
        return leftovers.find_leftovers(self._clients, fleet)

    def find_parts(self, fleet: str) -> list[Leftover]:
        return parts.find_parts(self._clients, fleet)

    def remove_leftovers(self, fleet: str, left: Sequence[Leftover]) -> None:
        from daskfleet.providers.stack.aws.removal import remove_leftovers

        remove_leftovers(self._clients, left)

    def find_openings(self, fleet: str) -> list[Leftover]:
        return openings.find_openings(self._clients, fleet)

    def list_connections(self, fleet: str) -> list[StoredConnection]:
        return connections.list_connections(self._clients, fleet)

    def read_connection(self, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
        return connections.read_connection(self._clients, stored)
