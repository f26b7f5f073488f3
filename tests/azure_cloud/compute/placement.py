"""Proximity placement groups."""

from __future__ import annotations

from collections.abc import Iterator

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.cloud import Cloud
from azure_cloud.compute.catalog import MACHINES, SCALE_SETS
from azure_cloud.errors import AzureError, conflict
from azure_cloud.ids import is_same
from azure_cloud.places import check_zones
from azure_cloud.store import Record

PLACEMENT = "Microsoft.Compute/proximityPlacementGroups"


class ProximityPlacementGroups(Kind):
    type, model = PLACEMENT, "compute:ProximityPlacementGroup"
    patch_model = "compute:ProximityPlacementGroupUpdate"
    is_slow = deletes_slowly = tells_state = False

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        check_zones(given.get("zones") or [], given["location"])
        return {**given, "properties": {"proximityPlacementGroupType": "Standard", **(given.get("properties") or {})}}

    def render(self, cloud: Cloud, record: Record) -> Body:
        users = list(self.find_users(cloud, record))
        more = {
            "virtualMachines": [{"id": each.id} for each in users if each.type == MACHINES],
            "virtualMachineScaleSets": [{"id": each.id} for each in users if each.type == SCALE_SETS],
        }
        return {**record.body, "properties": {**record.properties, **more}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        for each in (*cloud.store.select(MACHINES), *cloud.store.select(SCALE_SETS)):
            if is_same((each.properties.get("proximityPlacementGroup") or {}).get("id"), record.id):
                yield each

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = (
            f"Proximity placement group {record.id} cannot be deleted as it is referenced by "
            f"{', '.join(each.id for each in users)}."
        )
        return conflict("OperationNotAllowed", message)
