"""Where a managed group makes an instance, and of which type.

https://cloud.google.com/compute/docs/instance-groups/about-instance-flexibility
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from google_cloud.compute import catalog
from google_cloud.compute.members import Members
from google_cloud.compute.properties import is_spot_vm
from google_cloud.compute.store import Record
from google_cloud.market import Market

Place = tuple[str, str]
"""Zone and machine type."""


def choose_place(
    group: Record, members: Members, properties: Mapping[str, Any], market: Market, zone: str = ""
) -> Place:
    """The best place that has capacity; where there is none, the best one.

    Args:
        zone: where it is to be, if that is settled.
    """
    places = [place for place in list_places(group, members, properties) if zone in ("", place[0])]
    if not places:
        places = [(zone, list_types(group, properties)[0])]
    is_spot = is_spot_vm(properties)
    return next((place for place in places if market.has(place[1], is_spot=is_spot)), places[0])


def list_places(group: Record, members: Members, properties: Mapping[str, Any]) -> Iterator[Place]:
    """Places in the order in which they are wanted."""
    types = list_types(group, properties)
    zones = list_zones(group, members)
    found = [(zone, name) for name in types for zone in zones if catalog.MACHINE_TYPES[name].is_in(zone)]
    yield from found or [(zones[0], types[0])]


def list_types(group: Record, properties: Mapping[str, Any]) -> list[str]:
    """Types by rank, those of a rank as they are given."""
    policy = group.body.get("instanceFlexibilityPolicy") or {}
    selections = policy.get("instanceSelections") or {}
    ordered = sorted(selections.items(), key=lambda item: (int(item[1].get("rank") or 0), item[0]))
    types = [name for _, selection in ordered for name in selection.get("machineTypes") or []]
    return types or [properties["machineType"]]


def list_zones(group: Record, members: Members) -> list[str]:
    """Zones by how much one more is wanted there."""
    policy = group.body["distributionPolicy"]
    zones = [item["zone"].rpartition("/")[2] for item in policy["zones"]]
    count = Counter(member.zone for member in members.lasting)
    if policy["targetShape"] == "ANY_SINGLE_ZONE" and count:
        return [count.most_common(1)[0][0]]
    by_count = sorted(zones, key=lambda zone: (count[zone], zone))
    return by_count[:1] if policy["targetShape"] == "EVEN" else by_count
