"""VM sizes and quotas: a part of what Azure has, in its figures.

https://learn.microsoft.com/azure/virtual-machines/sizes/overview
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure_cloud import pages
from azure_cloud.arm import Body, Call
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.places import LOCATIONS, check_location, normalise

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

MACHINES = "Microsoft.Compute/virtualMachines"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
DISKS = "Microsoft.Compute/disks"
USUAL_LIMIT = 1000
LIMITS = {"virtualMachines": 25_000, "virtualMachineScaleSets": 2500, "cores": 10_000, "lowPriorityCores": 10_000}


@dataclass(frozen=True)
class Size:
    """A VM size."""

    name: str
    family: str
    """Name of its quota."""
    cores: int
    memory_gb: float
    architecture: str = "x64"
    gpus: int = 0
    has_premium: bool = True
    generations: str = "V1,V2"
    can_be_spot: bool = True
    locations: frozenset[str] = frozenset(LOCATIONS)
    zones: tuple[str, ...] = ("1", "2", "3")

    def find_zones(self, location: str) -> list[str]:
        return [zone for zone in LOCATIONS[location][1] if zone in self.zones]


def _list_sizes() -> Iterator[Size]:
    for cores in (2, 4, 8, 16, 32):
        yield Size(f"Standard_D{cores}s_v5", "standardDSv5Family", cores, cores * 4)
        yield Size(f"Standard_D{cores}as_v5", "standardDASv5Family", cores, cores * 4)
        yield Size(f"Standard_D{cores}ds_v5", "standardDDSv5Family", cores, cores * 4)
        yield Size(f"Standard_D{cores}s_v6", "StandardDsv6Family", cores, cores * 4, generations="V2")
        yield Size(f"Standard_D{cores}s_v4", "standardDSv4Family", cores, cores * 4)
        yield Size(f"Standard_D{cores}as_v4", "standardDASv4Family", cores, cores * 4)
        yield Size(f"Standard_D{cores}_v5", "standardDv5Family", cores, cores * 4, has_premium=False)
        yield Size(f"Standard_E{cores}s_v5", "standardESv5Family", cores, cores * 8)
        yield Size(f"Standard_E{cores}as_v5", "standardEASv5Family", cores, cores * 8)
        yield Size(f"Standard_F{cores}s_v2", "standardFSv2Family", cores, cores * 2)
        yield Size(f"Standard_D{cores}ps_v5", "standardDPSv5Family", cores, cores * 4, "Arm64", generations="V2")
        yield Size(f"Standard_D{cores}pds_v5", "standardDPDSv5Family", cores, cores * 4, "Arm64", generations="V2")
        yield Size(f"Standard_E{cores}ps_v5", "standardEPSv5Family", cores, cores * 8, "Arm64", generations="V2")
    for name, cores, memory in (("B1s", 1, 1), ("B2s", 2, 4), ("B2ms", 2, 8), ("B4ms", 4, 16)):
        yield Size(f"Standard_{name}", "standardBSFamily", cores, memory, can_be_spot=False)
    yield Size("Standard_B2ts_v2", "standardBsv2Family", 2, 1, can_be_spot=False)
    for cores, gpus in ((4, 1), (8, 1), (16, 1), (64, 4)):
        yield Size(
            f"Standard_NC{cores}as_T4_v3", "Standard NCASv3_T4 Family", cores, cores * 7, gpus=gpus, zones=("1", "2")
        )
    for cores, gpus in ((24, 1), (48, 2), (96, 4)):
        yield Size(
            f"Standard_NC{cores}ads_A100_v4",
            "StandardNCADSA100v4Family",
            cores,
            cores * 9,
            gpus=gpus,
            generations="V2",
            locations=frozenset({"westeurope", "eastus", "eastus2", "swedencentral"}),
        )


SIZES: Mapping[str, Size] = {each.name.lower(): each for each in _list_sizes()}


def find_size(name: str, location: str) -> Size:
    """A size that a location has."""
    found = SIZES.get(name.lower())
    if found is None or location not in found.locations:
        message = (
            f"The requested VM size {name} is not available in the current region. The sizes available in the current "
            f"region are: {', '.join(each.name for each in SIZES.values() if location in each.locations)}."
        )
        raise invalid(message)
    return found


# Quotas


@dataclass
class Budget:
    """What quotas allow in a location, while machines are made."""

    cloud: Cloud
    location: str
    used: dict[str, int]

    def take(self, size: Size, *, is_spot: bool) -> None:
        """Count one machine more; refuse it as Azure does, if that is too many."""
        needed = dict.fromkeys(list_quotas(size, is_spot=is_spot), size.cores) | {"virtualMachines": 1}
        for name, more in needed.items():
            there, limit = self.used.get(name, 0), find_limit(self.cloud, name)
            if there + more > limit:
                raise exceeded(name, self.location, limit, there, more)
        for name, more in needed.items():
            self.used[name] = self.used.get(name, 0) + more


def list_quotas(size: Size, *, is_spot: bool) -> tuple[str, ...]:
    """The quotas that a machine's cores count for."""
    return ("lowPriorityCores",) if is_spot else ("cores", size.family)


def exceeded(name: str, location: str, limit: int, there: int, more: int) -> AzureError:
    word = {"cores": "Total Regional Cores", "lowPriorityCores": "LowPriorityCores"}.get(name, f"{name} Cores")
    message = (
        f"Operation could not be completed as it results in exceeding approved {word} quota. Additional details - "
        f"Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {there}, "
        f"Additional Required: {more}, (Minimum) New Limit Required: {there + more}."
    )
    return conflict("OperationNotAllowed", message)


def open_budget(cloud: Cloud, location: str) -> Budget:
    return Budget(cloud, location, count_use(cloud, location))


def count_use(cloud: Cloud, location: str) -> dict[str, int]:
    """What there is in a location, by the names of quotas."""
    used: dict[str, int] = {}
    for machine in cloud.store.select(MACHINES):
        if machine.location != location or machine.notes.get("power") in (None, "deallocated"):
            continue
        size = SIZES[machine.properties["hardwareProfile"]["vmSize"].lower()]
        for name in list_quotas(size, is_spot=machine.properties.get("priority") == "Spot"):
            used[name] = used.get(name, 0) + size.cores
        used["virtualMachines"] = used.get("virtualMachines", 0) + 1
    sets = [each for each in cloud.store.select(SCALE_SETS) if each.location == location]
    return {**used, "virtualMachineScaleSets": len(sets)}


def find_limit(cloud: Cloud, name: str) -> int:
    return cloud.market.limits.get(name, LIMITS.get(name, USUAL_LIMIT))


def list_usages(call: Call) -> Body:
    location = check_location(call.location, "usages")
    used = count_use(call.cloud, location)
    families = dict.fromkeys(each.family for each in SIZES.values())
    items = [
        {
            "unit": "Count",
            "currentValue": used.get(name, 0),
            "limit": find_limit(call.cloud, name),
            "name": {"value": name, "localizedValue": name},
        }
        for name in (*LIMITS, *families)
    ]
    return pages.render(call, items)


# Sizes


def list_skus(call: Call) -> Body:
    """Sizes, and who may have them where; a filter chooses a location."""
    text = call.query.get("$filter", "")
    wanted = ""
    if text:
        before, _, rest = text.partition(" eq ")
        if before.strip() != "location":
            raise invalid("Only a filter by location is supported.", "InvalidFilter")
        wanted = normalise(rest.strip().strip("'"))
    items = [
        describe_size(call.cloud, size, location)
        for location in LOCATIONS
        for size in SIZES.values()
        if location in size.locations and wanted in ("", location)
    ]
    return {"value": items}


def describe_size(cloud: Cloud, size: Size, location: str) -> dict[str, Any]:
    capabilities = {
        "vCPUs": size.cores,
        "vCPUsAvailable": size.cores,
        "MemoryGB": f"{size.memory_gb:g}",
        "CpuArchitectureType": size.architecture,
        "HyperVGenerations": size.generations,
        "PremiumIO": size.has_premium,
        "LowPriorityCapable": size.can_be_spot,
        "AcceleratedNetworkingEnabled": True,
        **({"GPUs": size.gpus} if size.gpus else {}),
    }
    zones = size.find_zones(location)
    restrictions = []
    if size.name in cloud.market.restricted:
        restrictions = [
            {
                "type": "Location",
                "values": [location],
                "restrictionInfo": {"locations": [location]},
                "reasonCode": "NotAvailableForSubscription",
            },
            {
                "type": "Zone",
                "values": [location],
                "restrictionInfo": {"locations": [location], "zones": zones},
                "reasonCode": "NotAvailableForSubscription",
            },
        ]
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.partition("_")[2],
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": zones, "zoneDetails": []}],
        "capabilities": [{"name": name, "value": str(value)} for name, value in capabilities.items()],
        "restrictions": restrictions,
    }
