"""What the machine types of a group have in common, and which zones offer them, as Google tells it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.gcp.place import Place
from daskfleet_components.kinds import InstanceKind, TypeFacts, combine

ARCHITECTURES = {"ARM64": "aarch64", "X86_64": "x86_64", "": "x86_64", "ARCHITECTURE_UNSPECIFIED": "x86_64"}
"""Google's names of the architectures that images are built for, and `uname -m`'s; it names none for older types."""

HYPERDISK_ONLY = frozenset({"a4", "a4x", "c4", "c4a", "c4d", "h4d", "m4", "n4", "n4a", "n4d", "x4"})
"""Machine series that boot from no other disks: https://cloud.google.com/compute/docs/disks/hyperdisks."""

HYPERDISK, PERSISTENT_DISK = "hyperdisk-balanced", "pd-balanced"


@dataclass(frozen=True)
class Offer:
    """What a region offers of the types that were asked for."""

    facts: Mapping[str, TypeFacts]
    zones: Mapping[str, frozenset[str]]
    """By type, the zones that have it."""


def read_offer(names: Iterable[str], place: Place, zones: Iterable[str], opts: pulumi.InvokeOptions) -> Offer:
    """What the zones offer of these types. One question for each zone."""
    wanted = sorted(set(names))
    question = " OR ".join(f'(name = "{name}")' for name in wanted)
    facts: dict[str, TypeFacts] = {}
    there: dict[str, set[str]] = {name: set() for name in wanted}
    for zone in zones:
        answer = gcp.compute.get_machine_types(filter=question, project=place.project, zone=zone, opts=opts)
        for each in answer.machine_types:
            if each.name not in there:
                continue
            gpus = sum(
                one.guest_accelerator_count
                for one in each.accelerators or []
                if one.guest_accelerator_type.startswith("nvidia")
            )
            architecture = ARCHITECTURES.get(each.architecture or "")
            facts[each.name] = TypeFacts(each.name, frozenset({architecture} if architecture else ()), gpus)
            there[each.name].add(zone)
    return Offer(facts, {name: frozenset(found) for name, found in there.items()})


def describe_kind(offer: Offer, names: list[str], region: str, accelerators: int = 0) -> InstanceKind:
    """What machines of any of these types have in common.

    Args:
        accelerators: GPUs that are added to each machine, beside those that come with its type.

    Raises:
        pulumi.RunError: the region has no such type, or they do not fit one another.
    """
    missing = [name for name in names if name not in offer.facts]
    if missing:
        raise pulumi.RunError(
            f"instance_types: {', '.join(missing)}: not offered in {region}; choose other types, or another region."
        )
    kind = combine([offer.facts[name] for name in names])
    if accelerators and kind.gpus:
        raise pulumi.RunError(
            f"instance_types: {', '.join(names)}: these have GPUs of their own; leave out accelerator."
        )
    return InstanceKind(kind.architecture, kind.gpus + accelerators)


def choose_zones(offer: Offer, names: list[str], region: str) -> list[str]:
    """The zones that have all of these types. Pure.

    Raises:
        pulumi.RunError: none has.
    """
    common = frozenset.intersection(*(offer.zones[name] for name in names))
    if not common:
        told = "; ".join(f"{name}: {', '.join(sorted(offer.zones[name]))}" for name in names)
        raise pulumi.RunError(
            f"instance_types: no zone of {region} has all of them ({told}); put them into groups of their own."
        )
    return sorted(common)


def choose_disk_type(names: list[str]) -> str:
    """The kind of disk that machines of these types boot from. Pure.

    Raises:
        pulumi.RunError: there is none for all of them.
    """
    only = [name for name in names if name.partition("-")[0] in HYPERDISK_ONLY]
    if not only:
        return PERSISTENT_DISK
    others = [name for name in names if name not in only and name.partition("-")[0] != "c3"]
    if others:
        raise pulumi.RunError(
            f"instance_types: {', '.join(only)} boot from Hyperdisk, and {', '.join(others)} from persistent disks; "
            "put them into groups of their own."
        )
    return HYPERDISK
