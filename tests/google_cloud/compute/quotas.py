"""How much a project may have in a region, and has.

https://cloud.google.com/compute/resource-usage
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from google_cloud.compute import catalog
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.properties import is_spot_vm
from google_cloud.compute.store import Record, region_of
from google_cloud.errors import ApiError

OWN_CPUS = {"n2": "N2_CPUS", "n2d": "N2D_CPUS", "c3": "C3_CPUS"}
"""Series that do not count as CPUS."""

LIMITS: Mapping[str, float] = {
    "CPUS": 24000.0,
    "N2_CPUS": 24000.0,
    "N2D_CPUS": 24000.0,
    "C3_CPUS": 2400.0,
    "PREEMPTIBLE_CPUS": 24000.0,
    "INSTANCES": 24000.0,
    "DISKS_TOTAL_GB": 4096000.0,
    "SSD_TOTAL_GB": 4096000.0,
    "IN_USE_ADDRESSES": 575.0,
    "STATIC_ADDRESSES": 575.0,
    "INSTANCE_GROUP_MANAGERS": 100.0,
    **{each.quota: 64.0 for each in catalog.ACCELERATORS},
    **{f"PREEMPTIBLE_{each.quota}": 64.0 for each in catalog.ACCELERATORS},
}
"""Of each region, where a test does not say otherwise."""


def describe_quotas(engine: Engine, project: str, region: str) -> list[dict[str, Any]]:
    """As a region tells them."""
    usage = count_usage(engine, project, region)
    limits = {**LIMITS, **engine.market.limits}
    return [{"metric": name, "limit": limits[name], "usage": float(usage[name])} for name in sorted(limits)]


def count_usage(engine: Engine, project: str, region: str) -> Counter[str]:
    """By metric."""
    usage: Counter[str] = Counter()
    for record in engine.store:
        if record.project == project and region_of(record.place) == region:
            usage.update(dict(_count(record)))
    return usage


def _count(record: Record) -> Iterator[tuple[str, int]]:
    match record.collection:
        case "instances" if record.body["status"] != "TERMINATED":
            yield from need(record.body["machineType"].rpartition("/")[2], record.body).items()
        case "disks":
            size = int(record.body["sizeGb"])
            yield ("DISKS_TOTAL_GB" if record.body["type"].endswith("pd-standard") else "SSD_TOTAL_GB"), size
        case "instanceGroupManagers":
            yield "INSTANCE_GROUP_MANAGERS", 1
        case "addresses" if record.body["addressType"] == "EXTERNAL":
            yield "STATIC_ADDRESSES", 1


def need(machine_type: str, properties: Mapping[str, Any]) -> Counter[str]:
    """What a machine counts, by metric."""
    kind = catalog.MACHINE_TYPES[machine_type]
    is_spot = is_spot_vm(properties)
    usage: Counter[str] = Counter({"INSTANCES": 1})
    usage["PREEMPTIBLE_CPUS" if is_spot else OWN_CPUS.get(kind.family.name, "CPUS")] += kind.cpus
    cards = Counter({kind.accelerator[0].name: kind.accelerator[1]} if kind.accelerator else {})
    if not kind.accelerator:
        for each in properties.get("guestAccelerators") or []:
            cards[each["acceleratorType"].rpartition("/")[2]] += each["acceleratorCount"]
    quotas = {each.name: each.quota for each in catalog.ACCELERATORS}
    for name, count in cards.items():
        usage[("PREEMPTIBLE_" if is_spot else "") + quotas[name]] += count
    interfaces = properties.get("networkInterfaces") or []
    usage["IN_USE_ADDRESSES"] += sum(len(each.get("accessConfigs") or []) for each in interfaces)
    return usage


def check_quota(engine: Engine, project: str, region: str, wanted: Counter[str]) -> None:
    """Refuse what the quotas do not allow."""
    limits, usage = {**LIMITS, **engine.market.limits}, count_usage(engine, project, region)
    for metric, count in sorted(wanted.items()):
        if count and usage[metric] + count > limits.get(metric, float("inf")):
            message = f"Quota '{metric}' exceeded.  Limit: {limits[metric]} in region {region}."
            raise ApiError(403, message, "quotaExceeded", "PERMISSION_DENIED", "QUOTA_EXCEEDED")
