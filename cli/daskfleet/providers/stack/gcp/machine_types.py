"""What Google tells of machine types. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daskfleet.google import find_name

ARCHITECTURES = {"ARM64": "aarch64", "X86_64": "x86_64", "": "x86_64", "ARCHITECTURE_UNSPECIFIED": "x86_64"}
"""Google's names of the architectures that images are built for, and `uname -m`'s; it names none for older types."""


SPREAD_ONLY = frozenset({"e2", "f1", "g1", "n1", "n4", "n4a", "n4d", "t2a", "t2d"})
"""Machine series that no compact placement policy takes: https://cloud.google.com/compute/docs/instances/placement-policies-overview."""

EXTENSIBLE = frozenset({"n1"})
"""Machine series that GPUs can be added to."""


@dataclass(frozen=True)
class TypeFacts:
    """One machine type."""

    name: str
    architecture: str
    gpus: int
    """NVIDIA GPUs."""
    cpus: int
    zones: frozenset[str]
    """That have it."""
    accelerator: str = ""
    """The type of its GPUs."""

    @property
    def series(self) -> str:
        """`n2` of `n2-standard-8`."""
        return self.name.partition("-")[0]

    def describe(self) -> str:
        """`x86_64`, `aarch64 with 4 GPUs`."""
        text = self.architecture or "neither x86_64 nor aarch64"
        return f"{text} with {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else text


def parse_types(answers: Iterable[Mapping[str, Any]], zones: Iterable[str]) -> dict[str, TypeFacts]:
    """The types in Compute Engine's descriptions, of which there is one for each zone that has the type."""
    wanted = set(zones)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for answer in answers:
        if find_name(str(answer.get("zone"))) in wanted:
            found.setdefault(str(answer["name"]), []).append(answer)
    return {name: _combine_zones(name, several) for name, several in found.items()}


def _combine_zones(name: str, answers: Sequence[Mapping[str, Any]]) -> TypeFacts:
    first = answers[0]
    accelerators = [
        each for each in first.get("accelerators") or () if str(each.get("guestAcceleratorType")).startswith("nvidia")
    ]
    gpus = sum(int(each.get("guestAcceleratorCount", 0)) for each in accelerators)
    return TypeFacts(
        name,
        ARCHITECTURES.get(str(first.get("architecture") or ""), ""),
        gpus,
        int(first.get("guestCpus", 0)),
        frozenset(find_name(str(each.get("zone"))) for each in answers),
        str(accelerators[0]["guestAcceleratorType"]) if accelerators else "",
    )


def find_mismatch(facts: Sequence[TypeFacts]) -> str:
    """Why the types cannot be in one group; empty where they can."""
    told = "; ".join(f"{each.name} is {each.describe()}" for each in facts)
    if len({(each.architecture, each.gpus > 0) for each in facts}) > 1 or not facts[0].architecture:
        return f"one image cannot boot on all of them ({told}); put them into groups of their own"
    if not frozenset.intersection(*(each.zones for each in facts)):
        zones = "; ".join(f"{each.name}: {', '.join(sorted(each.zones))}" for each in facts)
        return f"no zone has all of them ({zones}); put them into groups of their own"
    return ""
