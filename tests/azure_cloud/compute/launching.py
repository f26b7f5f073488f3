"""Machines: how they come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azure_cloud.compute.catalog import MACHINES, SCALE_SETS, Budget, Size, find_size
from azure_cloud.compute.disks import DEFAULT_GB, add_disk, detach
from azure_cloud.compute.profile import strip_secrets
from azure_cloud.errors import AzureError, conflict
from azure_cloud.network.interfaces import MACHINE, NetworkInterfaces
from azure_cloud.network.types import names
from azure_cloud.store import CREATING, DELETING, FAILED, SUCCEEDED, UPDATING, Record
from google_cloud.clock import render_time

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

Body = dict[str, Any]

MEMBERS, KEEPS_CAPACITY = "members", "keeps_capacity"
"""Notes: the machines of a scale set, and that it does not want fewer when a machine goes."""
EVICTION_SECONDS = 30.0
"""https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events"""


def describe(
    cloud: Cloud, id_: str, given: Body, definition: Record, version: Record, identity: Body | None
) -> tuple[Body, Body]:
    """What is told of a machine that is made, and its disk."""
    asked = given["properties"]
    name = id_.rpartition("/")[2]
    disk = asked["storageProfile"]["osDisk"]
    group = id_.rpartition("/providers/")[0]
    disk_name = disk.get("name") or f"{name}_OsDisk_1_{cloud.make_guid().replace('-', '')}"
    disk_id = f"{group}/providers/Microsoft.Compute/disks/{disk_name}"
    kind = (disk.get("managedDisk") or {}).get("storageAccountType", "Standard_LRS")
    disk_told = {
        "caching": "ReadWrite",
        "deleteOption": "Detach",
        "diskSizeGB": DEFAULT_GB,
        **disk,
        "osType": "Linux",
        "name": disk_name,
        "managedDisk": {**(disk.get("managedDisk") or {}), "id": disk_id, "storageAccountType": kind},
        "image": version.id,
    }
    storage = {
        "imageReference": {**asked["storageProfile"]["imageReference"], "exactVersion": version.name},
        "osDisk": {key: value for key, value in disk_told.items() if key != "image"},
        "dataDisks": [],
    }
    properties = {
        **asked,
        "vmId": cloud.make_guid(),
        "storageProfile": storage,
        "osProfile": {
            "allowExtensionOperations": True,
            "requireGuestProvisionSignal": True,
            "secrets": [],
            **strip_secrets(asked["osProfile"]),
        },
        "networkProfile": {"networkInterfaces": describe_interfaces(asked)},
        "timeCreated": render_time(cloud.now),
    }
    told = {key: value for key, value in given.items() if key != "identity"} | {"properties": properties}
    if identity is not None:
        told["identity"] = identity
    return told, {**disk_told, "id": disk_id, "definition": definition.id}


def describe_interfaces(asked: Body) -> list[Body]:
    interfaces = asked["networkProfile"]["networkInterfaces"]
    return [
        {
            "id": each["id"],
            "properties": {"primary": index == 0, "deleteOption": "Detach", **(each.get("properties") or {})},
        }
        for index, each in enumerate(interfaces)
    ]


def add(cloud: Cloud, record: Record, disk: Body) -> None:
    """A machine that there was not, with its disk and its network interfaces; it does not run yet."""
    cloud.store.add(record)
    record.notes |= {"power": "starting", "definition": disk["definition"], "version_id": disk["image"], "console": ""}
    zones = record.body.get("zones") or []
    add_disk(cloud, disk["id"], record.id, record.location, zones, disk)
    for interface in list_interfaces(cloud, record):
        interface.notes[MACHINE] = record.id


def list_interfaces(cloud: Cloud, machine: Record) -> list[Record]:
    described = machine.properties["networkProfile"]["networkInterfaces"]
    found = (cloud.store.find(each["id"]) for each in described)
    return [each for each in found if each is not None]


def check_supply(cloud: Cloud, size: Size, location: str, zones: list[str], *, is_spot: bool) -> None:
    """Refuse a size that is not to be had, as Azure does."""
    if cloud.market.has(size.name, is_spot=is_spot):
        return
    where = f"zone {zones[0]} of region {location}" if zones else f"region {location}"
    spot = " as an Azure Spot Virtual Machine" if is_spot else ""
    message = (
        f"Allocation failed. We do not have sufficient capacity for the requested VM size {size.name}{spot} in {where}."
        " Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance"
    )
    raise conflict("ZonalAllocationFailed" if zones else "AllocationFailed", message)


def run(machine: Record) -> None:
    """Its machine is on."""
    if machine.state in (CREATING, UPDATING):
        machine.state = SUCCEEDED
    machine.notes["power"] = "running"


def fail(machine: Record, error: AzureError) -> None:
    machine.state, machine.error, machine.notes["power"] = FAILED, error.describe(), None


def allocate(cloud: Cloud, machine: Record, budget: Budget | None) -> None:
    """See that there is such a machine to be had."""
    size = find_size(machine.properties["hardwareProfile"]["vmSize"], machine.location)
    is_spot = machine.properties.get("priority") == "Spot"
    if budget is not None:
        budget.take(size, is_spot=is_spot)
    check_supply(cloud, size, machine.location, machine.body.get("zones") or [], is_spot=is_spot)


def clean_up(cloud: Cloud, machine: Record) -> None:
    """What is left of a machine that has gone: its scale set, its disk and its network interfaces."""
    leave(cloud, machine)
    described = machine.properties["storageProfile"]["osDisk"]
    disk = cloud.store.find(described["managedDisk"]["id"])
    if disk is not None:
        if described["deleteOption"] == "Delete":
            cloud.store.remove(disk.id)
        else:
            detach(disk)
    for interface in list_interfaces(cloud, machine):
        interface.notes.pop(MACHINE, None)
        options: Mapping[str, Any] = next(
            each["properties"]
            for each in machine.properties["networkProfile"]["networkInterfaces"]
            if names([each], interface.id)
        )
        if options["deleteOption"] == "Delete":
            remove_interface(cloud, interface)


def remove_interface(cloud: Cloud, interface: Record) -> None:
    NetworkInterfaces().remove(cloud, interface)


def leave(cloud: Cloud, machine: Record) -> None:
    """Its scale set wants one fewer, unless it is the scale set that lets it go."""
    owner = find_scale_set(cloud, machine)
    if owner is None:
        return
    members: dict[str, Record] = owner.notes[MEMBERS]
    members.pop(machine.id.lower(), None)
    if not machine.notes.get(KEEPS_CAPACITY):
        lower(owner)


def lower(scale_set: Record) -> None:
    for body in (scale_set.body, scale_set.given):
        if "sku" in body:
            body["sku"] = {**body["sku"], "capacity": max(int(body["sku"].get("capacity", 0)) - 1, 0)}


def find_scale_set(cloud: Cloud, machine: Record) -> Record | None:
    reference = machine.properties.get("virtualMachineScaleSet") or {}
    return cloud.store.find(reference.get("id"), SCALE_SETS)


def is_there(cloud: Cloud, machine: Record) -> bool:
    return cloud.store.find(machine.id, MACHINES) is machine and machine.state != DELETING
