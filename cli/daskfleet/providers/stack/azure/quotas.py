"""What a subscription may have in a region, beside what a fleet wants. Pure.

What cannot be known for sure is not judged: a group that takes machines of one quota for want of those of another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daskfleet.providers.stack.azure.size_checks import SCHEDULER
from daskfleet.providers.stack.azure.sizes import SizeFacts, list_known
from daskfleet_stacks.spec import AzureFleetSpec

CORES, SPOT_CORES, MACHINES = "cores", "lowPriorityCores", "virtualMachines"


@dataclass(frozen=True)
class Quota:
    """How much of something a subscription may have in a region."""

    name: str
    """For people."""
    limit: float
    usage: float

    @property
    def left(self) -> float:
        """What is not used."""
        return max(0.0, self.limit - self.usage)


@dataclass(frozen=True)
class Demand:
    """Machines of one kind that are not there yet."""

    count: int
    sizes: Sequence[str]
    """Any of these."""
    is_spot: bool = False


def parse_usages(usages: Iterable[Mapping[str, Any]]) -> dict[str, Quota]:
    """The quotas, by Azure's names for them in lower case."""
    return {
        str(each["name"]["value"]).lower(): Quota(
            str(each["name"].get("localizedValue") or each["name"]["value"]),
            float(each["limit"]),
            float(each["currentValue"]),
        )
        for each in usages
    }


def find_shortages(
    spec: AzureFleetSpec,
    facts: Mapping[str, SizeFacts],
    usages: Iterable[Mapping[str, Any]],
    there: Mapping[str, int],
) -> list[str]:
    """The quotas that the fleet would exceed.

    Args:
        usages: as the region tells them.
        there: machines of the fleet that are there, by group; the scheduler's is in `SCHEDULER`. They are in the usage.
    """
    known = parse_usages(usages)
    wanted: dict[str, int] = defaultdict(int)
    for demand in list_demands(spec, there):
        for quota, amount in measure(demand, facts):
            wanted[quota.lower()] += amount
    return [
        f"{known[quota].name}: the fleet wants {amount} more, and the subscription has {known[quota].left:g} left of "
        f"{known[quota].limit:g} in {spec.region}; ask for more in the portal under Usage + quotas, or want fewer"
        for quota, amount in wanted.items()
        if quota in known and known[quota].limit >= 0 and amount > known[quota].left
    ]


def list_demands(spec: AzureFleetSpec, there: Mapping[str, int]) -> Iterator[Demand]:
    """What each part of the fleet wants and has not."""
    yield Demand(max(0, 1 - there.get(SCHEDULER, 0)), (spec.scheduler.instance_type,))
    for group in spec.workers:
        if group.spot != "fallback":  # What one of its two markets has not, the other may have.
            count = max(0, group.count - there.get(group.name, 0))
            yield Demand(count, group.instance_types, group.spot == "only")


def measure(demand: Demand, facts: Mapping[str, SizeFacts]) -> Iterator[tuple[str, int]]:
    """How much of which quotas the machines take at least."""
    sizes = list_known(demand.sizes, facts)
    if not sizes or not demand.count:
        return
    least = demand.count * min(each.cpus for each in sizes)
    yield MACHINES, demand.count
    yield SPOT_CORES if demand.is_spot else CORES, least
    families = {each.family for each in sizes}
    if len(families) == 1 and not demand.is_spot:
        yield families.pop(), least
