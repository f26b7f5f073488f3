"""What a project may have in a region, beside what a fleet wants. Pure.

What cannot be known for sure is not judged: a group that takes machines of one quota for want of those of another, and
the newest series, whose quotas a region does not tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from daskfleet.providers.stack.gcp.machine_types import TypeFacts
from daskfleet_stacks.spec import GcpFleetSpec

SCHEDULER = "scheduler"
SHARED_SERIES = frozenset({"e2", "f1", "g1", "n1"})
"""Machine series that the quota `CPUS` is of; each newer one has a quota of its own."""

ADDRESSES = "IN_USE_ADDRESSES"


@dataclass(frozen=True)
class Quota:
    """How much of something a project may have in a region."""

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
    types: Sequence[str]
    """Any of these."""
    is_spot: bool = False
    accelerator: str = ""
    """GPUs that are added to each."""
    accelerators: int = 0


def find_shortages(
    spec: GcpFleetSpec,
    facts: Mapping[str, TypeFacts],
    quotas: Iterable[Mapping[str, object]],
    there: Mapping[str, int],
) -> list[str]:
    """The quotas that the fleet would exceed.

    Args:
        quotas: as the region tells them.
        there: machines of the fleet that are there, by group; the scheduler's is in `SCHEDULER`. They are in the usage.
    """
    known = {
        str(each["metric"]): Quota(float(str(each.get("limit", 0))), float(str(each.get("usage", 0))))
        for each in quotas
    }
    wanted: dict[str, int] = defaultdict(int)
    for demand in list_demands(spec, there):
        for metric, amount in measure(demand, facts, known):
            wanted[metric] += amount
    if spec.network.egress == "public-ip":
        wanted[ADDRESSES] = sum(demand.count for demand in list_demands(spec, there))
    return [
        f"{metric}: the fleet wants {amount} more, and the project has {known[metric].left:g} left of "
        f"{known[metric].limit:g} in {spec.region}; ask for more in the console under IAM, Quotas, or want fewer"
        for metric, amount in wanted.items()
        if metric in known and known[metric].limit >= 0 and amount > known[metric].left
    ]


def list_demands(spec: GcpFleetSpec, there: Mapping[str, int]) -> Iterator[Demand]:
    """What each part of the fleet wants and has not."""
    yield Demand(max(0, 1 - there.get(SCHEDULER, 0)), (spec.scheduler.instance_type,))
    for group in spec.workers:
        if group.spot == "fallback":
            continue  # What one of its two markets has not, the other may have.
        count, added = max(0, group.count - there.get(group.name, 0)), group.accelerator
        yield Demand(
            count,
            group.instance_types,
            group.spot == "only",
            added.type if added is not None else "",
            added.count if added is not None else 0,
        )


def measure(demand: Demand, facts: Mapping[str, TypeFacts], known: Mapping[str, Quota]) -> Iterator[tuple[str, int]]:
    """How much of which quotas the machines take at least."""
    types = [facts[name] for name in demand.types if name in facts]
    if not types or not demand.count:
        return
    metrics = {name_processors(each.name) for each in types}
    if demand.is_spot and _is_given("PREEMPTIBLE_CPUS", known):
        metrics = {"PREEMPTIBLE_CPUS"}
    if len(metrics) == 1:
        yield metrics.pop(), demand.count * min(each.cpus for each in types)
    accelerators = {(each.accelerator, each.gpus) for each in types}
    if demand.accelerator:
        accelerators = {(demand.accelerator, demand.accelerators)}
    if len({kind for kind, _ in accelerators}) == 1 and all(kind for kind, _ in accelerators):
        metric = name_gpus(accelerators.copy().pop()[0])
        if demand.is_spot and _is_given(f"PREEMPTIBLE_{metric}", known):
            metric = f"PREEMPTIBLE_{metric}"
        yield metric, demand.count * min(gpus for _, gpus in accelerators)


def _is_given(metric: str, known: Mapping[str, Quota]) -> bool:
    """Whether a project has a quota of its own for spot machines; otherwise they count among the others."""
    return metric in known and known[metric].limit > 0


def name_processors(machine_type: str) -> str:
    """The quota that processors of a type count for."""
    series = machine_type.partition("-")[0]
    return "CPUS" if series in SHARED_SERIES else f"{series.upper()}_CPUS"


def name_gpus(accelerator: str) -> str:
    """The quota that GPUs count for: `NVIDIA_T4_GPUS` of `nvidia-tesla-t4`."""
    return f"{accelerator.replace('-tesla-', '-').replace('-', '_').upper()}_GPUS"
