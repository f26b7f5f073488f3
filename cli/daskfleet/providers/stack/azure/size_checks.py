"""Whether a region offers the VM sizes that a fleet names, and whether they fit one another. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from daskfleet.providers.stack.azure.sizes import SizeFacts, find_mismatch, list_known
from daskfleet.providers.stack.cloud import Check
from daskfleet_stacks.spec import AzureFleetSpec

SCHEDULER = "scheduler"

MOST_MACHINES = 1000
"""Of one scale set: https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-orchestration-modes."""


def list_sizes(spec: AzureFleetSpec) -> dict[str, tuple[str, ...]]:
    """The sizes of the scheduler and of each group."""
    return {SCHEDULER: (spec.scheduler.instance_type,), **{each.name: each.instance_types for each in spec.workers}}


def check_sizes(spec: AzureFleetSpec, facts: Mapping[str, SizeFacts]) -> list[Check]:
    """Whether each machine's sizes may be had in the region and its zones, and fit one another."""
    spots = {each.name for each in spec.workers if each.spot != "never"}
    checks = []
    for index, (group, names) in enumerate(list_sizes(spec).items()):
        place = "scheduler.instance_type" if group == SCHEDULER else f"workers[{index - 1}].instance_types"
        zones = spec.zones[:1] if group == SCHEDULER else spec.zones
        problems = []
        for position, name in enumerate(names):
            where = place if group == SCHEDULER else f"{place}[{position}]"
            problems += [
                f"{where}: '{name}' {problem}"
                for problem in judge_size(facts.get(name), spec.region, is_spot=group in spots)
            ]
        known = list_known(names, facts)
        if not problems:
            problems = [f"{place}: {each}" for each in judge_together(known, zones, spec.region)]
        if group != SCHEDULER and spec.workers[index - 1].count > MOST_MACHINES:
            count = spec.workers[index - 1].count
            problems.append(
                f"workers[{index - 1}].count: {count}: a scale set has {MOST_MACHINES} machines at most; share them "
                "among several groups"
            )
        found = ", ".join(f"{each.name} ({each.describe()})" for each in known)
        checks.append(Check(f"VM sizes of {group}", "; ".join(problems), found))
    return checks


def judge_size(size: SizeFacts | None, region: str, *, is_spot: bool) -> Iterator[str]:
    """What is wrong with one size."""
    if size is None:
        yield f"is not offered in {region}; choose another size, or another region"
        return
    if size.refused:
        yield (
            f"is not open to your subscription in {region} ({size.refused}); ask Azure's support for it, or choose "
            "another size or region"
        )
    if size.needs_driver:
        yield "has accelerators that the image has no driver for; choose one of NC with T4, A100 or H100"
    if not size.is_modern:
        yield "boots images of the first generation only, and daskfleet's are of the second; choose another size"
    if is_spot and not size.can_be_spot:
        yield "is not to be had as a spot machine; choose another size, or say `spot: never`"


def judge_together(sizes: Sequence[SizeFacts], zones: Sequence[str], region: str) -> Iterator[str]:
    """What is wrong with sizes that are of one group."""
    if mismatch := find_mismatch(sizes):
        yield mismatch
        return
    offered = frozenset.union(*(each.zones for each in sizes))
    missing = [zone for zone in zones if zone not in offered]
    if missing:
        told = "; ".join(f"{each.name}: {', '.join(sorted(each.zones)) or 'none'}" for each in sizes)
        yield (
            f"none of them is to be had in zone {', '.join(missing)} of {region} ({told}); give other zones, or leave "
            "them out"
        )
