"""Regions, zones, and what they offer: a part of what Google has, in its figures.

https://cloud.google.com/compute/docs/general-purpose-machines and its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google_cloud.errors import ApiError

REGIONS: Mapping[str, str] = {"europe-west1": "bcd", "europe-west4": "abc", "us-central1": "abc"}
"""The letters of their zones."""

EVERYWHERE = "abcd"


@dataclass(frozen=True)
class Accelerator:
    """A kind of GPU."""

    name: str
    description: str
    zones: Mapping[str, str]
    most: int
    """Cards of one instance."""
    quota: str

    def is_in(self, zone: str) -> bool:
        region, _, letter = zone.rpartition("-")
        return letter in self.zones.get(region, "")


T4 = Accelerator(
    "nvidia-tesla-t4",
    "NVIDIA T4",
    {"europe-west1": "bcd", "europe-west4": "abc", "us-central1": "abc"},
    4,
    "NVIDIA_T4_GPUS",
)
L4 = Accelerator(
    "nvidia-l4", "NVIDIA L4", {"europe-west1": "bc", "europe-west4": "abc", "us-central1": "abc"}, 8, "NVIDIA_L4_GPUS"
)
A100 = Accelerator(
    "nvidia-tesla-a100", "NVIDIA A100 40GB", {"europe-west4": "ab", "us-central1": "abc"}, 16, "NVIDIA_A100_GPUS"
)
ACCELERATORS = (T4, L4, A100)
ADDABLE = (T4,)
"""What can be added to machines."""

PERSISTENT = frozenset({"pd-standard", "pd-balanced", "pd-ssd"})
HYPERDISK = frozenset({"hyperdisk-balanced"})
DISK_TYPES = (*sorted(PERSISTENT), *sorted(HYPERDISK))


@dataclass(frozen=True)
class Family:
    """A machine series."""

    name: str
    zones: Mapping[str, str]
    disks: frozenset[str]
    architecture: str = "X86_64"
    can_be_close: bool = False
    """Whether compact placement policies take it."""
    takes_accelerators: bool = False


@dataclass(frozen=True)
class MachineType:
    """A machine type."""

    name: str
    family: Family
    cpus: int
    memory_mb: int
    accelerator: tuple[Accelerator, int] | None = None
    """GPUs that come with it."""
    is_shared: bool = False

    @property
    def zones(self) -> Mapping[str, str]:
        return self.accelerator[0].zones if self.accelerator else self.family.zones

    def is_in(self, zone: str) -> bool:
        region, _, letter = zone.rpartition("-")
        return letter in self.zones.get(region, "")


ALL = dict.fromkeys(REGIONS, EVERYWHERE)
E2 = Family("e2", ALL, PERSISTENT)
N1 = Family("n1", ALL, PERSISTENT, takes_accelerators=True)
N2 = Family("n2", ALL, PERSISTENT | HYPERDISK, can_be_close=True)
N2D = Family("n2d", ALL, PERSISTENT | HYPERDISK, can_be_close=True)
C3 = Family("c3", {**ALL, "europe-west4": "bc"}, frozenset({"pd-balanced", "pd-ssd"}) | HYPERDISK, can_be_close=True)
C4 = Family("c4", {**ALL, "us-central1": "ab"}, HYPERDISK)
C4A = Family("c4a", {"europe-west1": "bc", "europe-west4": "ab", "us-central1": "ab"}, HYPERDISK, architecture="ARM64")
G2 = Family("g2", L4.zones, frozenset({"pd-balanced", "pd-ssd"}) | HYPERDISK, can_be_close=True)
GVNIC_ONLY = frozenset({"c3", "c4", "c4a"})
"""Series whose machines have no other network interface."""

A2 = Family("a2", A100.zones, PERSISTENT, can_be_close=True)


def _standard(family: Family, cpus: tuple[int, ...], mb_per_cpu: int) -> Iterator[MachineType]:
    for count in cpus:
        yield MachineType(f"{family.name}-standard-{count}", family, count, count * mb_per_cpu)


def _list_types() -> Iterator[MachineType]:
    yield MachineType("e2-micro", E2, 2, 1024, is_shared=True)
    yield MachineType("e2-small", E2, 2, 2048, is_shared=True)
    yield MachineType("e2-medium", E2, 2, 4096, is_shared=True)
    yield from _standard(E2, (2, 4, 8, 16), 4096)
    yield from _standard(N1, (1, 2, 4, 8, 16), 3840)
    yield from _standard(N2, (2, 4, 8, 16), 4096)
    yield MachineType("n2-highmem-8", N2, 8, 65536)
    yield from _standard(N2D, (2, 4, 8, 16), 4096)
    yield from _standard(C3, (4, 8, 22), 4096)
    yield from _standard(C4, (2, 4, 8, 16), 3840)
    yield from _standard(C4A, (1, 2, 4, 8, 16), 4096)
    for cpus, cards in ((4, 1), (8, 1), (12, 1), (16, 1), (24, 2), (48, 4)):
        yield MachineType(f"g2-standard-{cpus}", G2, cpus, cpus * 4096, (L4, cards))
    yield MachineType("a2-highgpu-1g", A2, 12, 87040, (A100, 1))


MACHINE_TYPES: Mapping[str, MachineType] = {each.name: each for each in _list_types()}


def list_zones() -> Iterator[str]:
    for region, letters in REGIONS.items():
        yield from (f"{region}-{letter}" for letter in letters)


def zones_of(region: str) -> list[str]:
    return [f"{region}-{letter}" for letter in REGIONS[region]]


def check_place(kind: str, name: str) -> None:
    """Refuse a region or a zone that is not there."""
    if name not in (REGIONS if kind == "regions" else set(list_zones())):
        word = kind.removesuffix("s")
        raise ApiError(400, f"Invalid value for field '{word}': '{name}'. Unknown {word}.", "invalid")


def find_type(name: str, project: str, zone: str) -> MachineType:
    """A machine type that a zone offers."""
    found = MACHINE_TYPES.get(name)
    if found is None or not found.is_in(zone):
        path = f"projects/{project}/zones/{zone}/machineTypes/{name}"
        message = (
            f"Invalid value for field 'resource.machineType': 'zones/{zone}/machineTypes/{name}'. Machine type with "
            f"name '{name}' does not exist in zone '{zone}'."
        )
        raise ApiError(404, message if found is None else f"{message} The resource '{path}' was not found", "notFound")
    return found
