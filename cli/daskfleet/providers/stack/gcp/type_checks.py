"""Whether a region offers the machine types and GPUs that a fleet names, and whether they fit one another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from daskfleet.google import Google, explain_google_errors, find_name
from daskfleet.providers.stack.cloud import Check
from daskfleet.providers.stack.gcp.machine_types import EXTENSIBLE, SPREAD_ONLY, TypeFacts, find_mismatch, parse_types
from daskfleet.providers.stack.gcp.quotas import SCHEDULER
from daskfleet_stacks.spec.gcp import GcpAccelerator


def read_types(google: Google, names: Iterable[str], zones: Iterable[str]) -> dict[str, TypeFacts]:
    """What Google tells of those of the machine types that the zones have."""
    question = " OR ".join(f'(name = "{name}")' for name in sorted(set(names)))
    with explain_google_errors():
        path = google.compute("aggregated/machineTypes")
        query = {"filter": question}
        return parse_types(google.list("compute", path, "items", query), zones)


def list_known(names: Iterable[str], facts: Mapping[str, TypeFacts]) -> list[TypeFacts]:
    """Those of the types of which something is known. Pure."""
    return [facts[name] for name in names if name in facts]


def check_types(wanted: Mapping[str, tuple[str, ...]], facts: Mapping[str, TypeFacts], region: str) -> list[Check]:
    """Whether each machine's types are offered and fit one another. Pure."""
    checks = []
    for index, (group, names) in enumerate(wanted.items()):
        place = "scheduler.instance_type" if group == SCHEDULER else f"workers[{index - 1}].instance_types"
        problems = [
            f"{place}{'' if group == SCHEDULER else f'[{position}]'}: '{name}' is not offered in {region}; choose "
            "another type, or another region"
            for position, name in enumerate(names)
            if name not in facts
        ]
        known = list_known(names, facts)
        if not problems and (mismatch := find_mismatch(known)):
            problems.append(f"{place}: {mismatch}")
        found = ", ".join(f"{each.name} ({each.describe()})" for each in known)
        checks.append(Check(f"machine types of {group}", "; ".join(problems), found))
    return checks


def check_placements(wanted: Mapping[str, tuple[str, ...]], facts: Mapping[str, TypeFacts]) -> list[Check]:
    """Whether machine types may be in a compact placement policy. Pure."""
    checks = []
    for group, names in wanted.items():
        wrong = [each.name for each in list_known(names, facts) if each.series in SPREAD_ONLY]
        problem = (
            f"placement: 'cluster': machines of {', '.join(wrong)} cannot be close together; choose other types, or "
            "leave it out"
        )
        checks.append(Check(f"placement of {group}", problem if wrong else "", "close together, in one zone"))
    return checks


def check_accelerator(
    google: Google, name: str, place: str, accelerator: GcpAccelerator, types: Collection[TypeFacts]
) -> Check:
    """Whether GPUs of a type can be added to the machines of a group, in the zones that these are in."""
    wrong = [each.name for each in types if each.series not in EXTENSIBLE]
    if wrong:
        return Check(
            name,
            f"{place}: GPUs cannot be added to {', '.join(wrong)}; choose types of N1, or types that come with "
            "GPUs and leave it out",
        )
    if not types:
        return Check(name, found="not looked at: nothing is known of the machine types")
    zones = frozenset.intersection(*(each.zones for each in types))
    query = {"filter": f'name = "{accelerator.type}"'}
    with explain_google_errors():
        offers = list(google.list("compute", google.compute("aggregated/acceleratorTypes"), "items", query))
    return judge_accelerator(name, place, accelerator, [each for each in offers if _find_zone(each) in zones], zones)


def judge_accelerator(
    name: str, place: str, accelerator: GcpAccelerator, offers: Iterable[Mapping[str, Any]], zones: Collection[str]
) -> Check:
    """What the offers of a type of GPUs say, in the zones that matter. Pure."""
    offers = list(offers)
    there = {_find_zone(each) for each in offers}
    elsewhere = sorted(set(zones) - there)
    most = max((int(each.get("maximumCardsPerInstance", 0)) for each in offers), default=0)
    if not there:
        problem = (
            f"{place}.type: '{accelerator.type}' is not offered in {', '.join(sorted(zones))}; choose another type"
        )
    elif elsewhere:
        problem = (
            f"{place}.type: '{accelerator.type}' is not offered in {', '.join(elsewhere)}, where machines of the group "
            f"may be; give the fleet zones: [{', '.join(sorted(there))}]"
        )
    elif accelerator.count > most:
        problem = f"{place}.count: {accelerator.count}: a machine has at most {most} of {accelerator.type}; give fewer"
    else:
        problem = ""
    return Check(name, problem, f"{accelerator.count} of {accelerator.type}, in {', '.join(sorted(there))}")


def _find_zone(item: Mapping[str, Any]) -> str:
    return find_name(str(item.get("zone")))
