"""Azure, as the stack provider asks it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from daskfleet.azure import Azure, explain_azure_errors
from daskfleet.providers.stack.azure import (
    checks,
    connections,
    listing,
    logs,
    machines,
    openings,
    parts,
    scale_sets,
)
from daskfleet.providers.stack.azure.places import Place
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
from daskfleet_stacks.spec import AzureFleetSpec, FleetSpec


class AzureCloud(Cloud):
    """One region of a subscription of Azure's."""

    name: ClassVar[str] = "azure"
    group_type: ClassVar[str] = "azure-native:compute:VirtualMachineScaleSet"
    id_keys: ClassVar[tuple[str, ...]] = ()
    made_by_groups: ClassVar[tuple[str, ...]] = listing.MADE_BY_GROUPS
    makes_groups_whole: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 6.0
    """A subscription may list machines 30 times a minute in a region, whoever asks, and a look lists each group's:
    https://learn.microsoft.com/azure/virtual-machines/compute-throttling-limits."""

    def __init__(self, region: str, subscription: str = "") -> None:
        super().__init__(region)
        self._azure = Azure(subscription)
        self._reader = logs.LogReader(self._azure)
        self._changes = scale_sets.Changes(self._azure)

    @property
    def account(self) -> str:
        return self._azure.subscription

    @property
    def place(self) -> str:
        return f"{self.name} {self.region} {self.account}"

    @property
    def options(self) -> str:
        return f"{super().options} --subscription {self.account}"

    def settle(self, spec: FleetSpec) -> FleetSpec:
        assert isinstance(spec, AzureFleetSpec)
        return spec.model_copy(update={"subscription": self.account})

    def _find_place(self, fleet: str) -> Place:
        return Place(self.account, fleet, self.region)

    def check(self, spec: FleetSpec) -> list[Check]:
        return checks.check_fleet(self._azure, spec)

    def find_strangers(self, fleet: str) -> list[str]:
        place = self._find_place(fleet)
        with explain_azure_errors():
            return [] if self._azure.find(place.id) is None else [f"resource group {place.name}"]

    def read_resources(self, data: Mapping[str, Any]) -> Resources:
        try:
            return Resources(
                region=str(data["region"]),
                account=str(data["subscription"]),
                log_group=str(data["log"]),
                scheduler_machine=str(data["scheduler_instance"]),
                groups=tuple(
                    GroupResources(str(name), str(group["scale_set"]), int(group["workers_per_instance"]))
                    for name, group in data["groups"].items()
                ),
            )
        except NOT_READABLE as error:
            raise describe_other_version(error) from None

    def count_machines(self, groups: Sequence[GroupResources]) -> dict[str, int]:
        return scale_sets.count_machines(self._azure, groups)

    def set_count(self, group: GroupResources, count: int) -> None:
        scale_sets.set_count(self._azure, self._changes, group, count)

    def remove_machines(self, removed: Collection[Machine]) -> None:
        scale_sets.remove_machines(self._azure, removed)

    def list_machines(self, fleet: str) -> list[Machine]:
        return machines.list_machines(self._azure, self._find_place(fleet))

    def explain_shortages(self, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
        return scale_sets.explain_shortages(self._azure, self._changes, groups)

    def take_on_demand(self, group: GroupResources) -> None:
        scale_sets.take_on_demand(self._azure, self._changes, group)

    def try_again(self, groups: Iterable[GroupResources]) -> None:
        scale_sets.try_again(self._azure, self._changes, groups)

    def read_console(self, machine: Machine) -> list[str]:
        return machines.read_console(self._azure, machine)

    def read_marks(self, log_group: str, since: float) -> list[LogEvent]:
        return logs.read_marks(self._azure, log_group, since)

    def read_log(self, log_group: str, since: float, *, prefix: str = "") -> list[LogEvent]:
        return self._reader.read(log_group, since, prefix)

    def list_logs(self, log_group: str) -> list[tuple[str, str]]:
        return logs.list_logs(self._azure, log_group)

    def read_tail(self, log_group: str, group: str, node: str, lines: int) -> list[LogEvent]:
        return logs.read_tail(self._azure, log_group, group, node, lines)

    def find_leftovers(self, fleet: str) -> list[Leftover]:
        return listing.find_leftovers(self._azure, self._find_place(fleet))

    def find_parts(self, fleet: str) -> list[Leftover]:
        return parts.find_parts(self._azure, self._find_place(fleet))

    def remove_leftovers(self, fleet: str, leftovers: Sequence[Leftover]) -> None:
        from daskfleet.providers.stack.azure.removal import remove_leftovers

        remove_leftovers(self._azure, self._find_place(fleet), leftovers)

    def find_openings(self, fleet: str) -> list[Leftover]:
        return openings.find_openings(self._azure, self._find_place(fleet))

    def list_connections(self, fleet: str) -> list[StoredConnection]:
        return connections.list_connections(self._azure, self._find_place(fleet))

    def read_connection(self, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
        return connections.read_connection(self._azure, stored)
