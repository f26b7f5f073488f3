"""What AWS tells of instance types. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""AWS's names of the architectures that images are built for, and `uname -m`'s."""


@dataclass(frozen=True)
class TypeFacts:
    """One instance type."""

    name: str
    architectures: frozenset[str]
    gpus: int
    """NVIDIA GPUs."""
    placements: frozenset[str] = frozenset()
    """Strategies of placement groups that it may be in."""

    def describe(self) -> str:
        """`x86_64`, `aarch64 with 4 GPUs`."""
        text = " or ".join(sorted(self.architectures, reverse=True)) or "neither x86_64 nor aarch64"
        return f"{text} with {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else text


@dataclass(frozen=True)
class Kind:
    """What several types have in common."""

    architecture: str
    gpus: int


def parse_type(answer: Mapping[str, Any]) -> TypeFacts:
    """One of EC2's descriptions."""
    architectures = answer.get("ProcessorInfo", {}).get("SupportedArchitectures", ())
    gpus = sum(
        int(each.get("Count", 0))
        for each in answer.get("GpuInfo", {}).get("Gpus", ())
        if str(each.get("Manufacturer", "")).lower() == "nvidia"
    )
    return TypeFacts(
        answer["InstanceType"],
        frozenset(ARCHITECTURES[each] for each in architectures if each in ARCHITECTURES),
        gpus,
        frozenset(answer.get("PlacementGroupInfo", {}).get("SupportedStrategies", ())),
    )


def combine(facts: Sequence[TypeFacts]) -> Kind | None:
    """What the types have in common; `None` where one image cannot boot on all of them."""
    if not facts:
        return None
    common = frozenset.intersection(*(each.architectures for each in facts))
    if not common or len({each.gpus > 0 for each in facts}) > 1:
        return None
    return Kind("x86_64" if "x86_64" in common else "aarch64", min(each.gpus for each in facts))
