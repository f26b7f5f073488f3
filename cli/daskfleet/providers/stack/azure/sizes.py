"""What Azure tells of VM sizes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daskfleet.providers.stack.azure.places import is_same
from daskfleet_images.gpu_sizes import AZURE_GPUS

ARCHITECTURES = {"x64": "x86_64", "arm64": "aarch64"}
"""Azure's names of the architectures that images are built for, and `uname -m`'s."""

WITH_DRIVER = frozenset(AZURE_GPUS)
"""Sizes with GPUs that the image has a driver for."""


@dataclass(frozen=True)
class SizeFacts:
    """One VM size in a region."""

    name: str
    architecture: str
    gpus: int
    cpus: int
    family: str
    """The quota that its processors count for."""
    zones: frozenset[str]
    """Zones in which the subscription may have it."""
    refused: str = ""
    """Why the subscription may not have it in the region, in Azure's word."""
    can_be_spot: bool = True
    is_modern: bool = True
    """Whether it boots images of the second generation, as daskfleet's are."""

    @property
    def needs_driver(self) -> bool:
        """Whether it has GPUs that the image has no driver for."""
        return self.gpus > 0 and self.name not in WITH_DRIVER

    def describe(self) -> str:
        """`x86_64`, `x86_64 with 4 GPUs`."""
        text = self.architecture or "neither x86_64 nor aarch64"
        return f"{text} with {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else text


def parse_sizes(answers: Iterable[Mapping[str, Any]], names: Iterable[str], region: str) -> dict[str, SizeFacts]:
    """Those of the sizes that the region has, among all that Azure tells of it, by the names that were asked for."""
    wanted = {name.lower(): name for name in names}
    found = {}
    for answer in answers:
        name = wanted.get(str(answer.get("name")).lower())
        is_machine = answer.get("resourceType") == "virtualMachines"
        if name is not None and is_machine and any(is_same(each, region) for each in answer.get("locations") or ()):
            found[name] = _parse_size(name, answer, region)
    return found


def _parse_size(name: str, answer: Mapping[str, Any], region: str) -> SizeFacts:
    can = {str(each["name"]): str(each.get("value") or "") for each in answer.get("capabilities") or ()}
    infos = answer.get("locationInfo") or ()
    zones = {str(zone) for each in infos if is_same(str(each["location"]), region) for zone in each.get("zones") or ()}
    refused = ""
    for restriction in answer.get("restrictions") or ():
        info = restriction.get("restrictionInfo") or {}
        places = info.get("locations") or restriction.get("values") or ()
        if not any(is_same(str(each), region) for each in places):
            continue
        if restriction.get("type") == "Zone":
            zones -= {str(zone) for zone in info.get("zones") or ()}
        else:
            refused = str(restriction.get("reasonCode") or "restricted")
    return SizeFacts(
        name=name,
        architecture=ARCHITECTURES.get(can.get("CpuArchitectureType", "x64").lower(), ""),
        gpus=int(can.get("GPUs") or 0),
        cpus=int(can.get("vCPUsAvailable") or can.get("vCPUs") or 0),
        family=str(answer.get("family") or ""),
        zones=frozenset(zones),
        refused=refused,
        can_be_spot=can.get("LowPriorityCapable", "True").lower() == "true",
        is_modern="V2" in can.get("HyperVGenerations", "V2"),
    )


def list_known(names: Iterable[str], facts: Mapping[str, SizeFacts]) -> list[SizeFacts]:
    """Those of the sizes of which something is known."""
    return [facts[name] for name in names if name in facts]


def find_mismatch(facts: Sequence[SizeFacts]) -> str:
    """Why the sizes cannot be in one group; empty where they can."""
    if len({(each.architecture, each.gpus > 0) for each in facts}) > 1 or not facts[0].architecture:
        told = "; ".join(f"{each.name} is {each.describe()}" for each in facts)
        return f"one image cannot boot on all of them ({told}); put them into groups of their own"
    return ""
