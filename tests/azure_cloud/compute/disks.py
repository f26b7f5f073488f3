"""Disks: those of machines, which are made with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.cloud import Cloud
from azure_cloud.compute.catalog import DISKS
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.store import Record

DEFAULT_GB = 30


class Disks(Kind):
    type, model, patch_model = DISKS, "compute:Disk", "compute:DiskUpdate"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        if old is None and (asked.get("creationData") or {}).get("createOption") != "Empty":
            raise invalid("Only disks with the createOption Empty can be made without a machine here.", "NotSupported")
        usual = {"diskState": "Unattached", "timeCreated": None} if old is None else old.properties
        sku = given.get("sku") or {"name": "Standard_LRS"}
        return {**given, "sku": sku, "properties": {**usual, **asked}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        machine = cloud.store.find(record.body.get("managedBy"))
        if machine is not None:
            yield machine

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        return conflict("OperationNotAllowed", f"Disk {record.name} is attached to VM {users[0].id}.")


def add_disk(
    cloud: Cloud, id_: str, machine: str, location: str, zones: list[str], described: dict[str, Any]
) -> Record:
    """The disk that a machine boots from."""
    body: Body = {
        "location": location,
        "tags": {},
        "managedBy": machine,
        "sku": {"name": described["managedDisk"]["storageAccountType"]},
        "properties": {
            "osType": "Linux",
            "diskSizeGB": described["diskSizeGB"],
            "diskState": "Attached",
            "creationData": {"createOption": "FromImage", "galleryImageReference": {"id": described["image"]}},
        },
    }
    if zones:
        body["zones"] = zones
    record = Record(id_, DISKS, body, body, cloud.now)
    cloud.store.add(record)
    return record


def detach(disk: Record) -> None:
    disk.body.pop("managedBy", None)
    disk.properties["diskState"] = "Unattached"
