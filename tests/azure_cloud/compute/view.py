"""What is told of a machine at this moment.

https://learn.microsoft.com/azure/virtual-machines/states-billing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure_cloud.compute.launching import find_scale_set
from azure_cloud.compute.profile import has_health_extension
from azure_cloud.store import FAILED, Record
from google_cloud.clock import render_time

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

Body = dict[str, Any]
WORDS = {
    "starting": "VM starting",
    "running": "VM running",
    "stopping": "VM stopping",
    "stopped": "VM stopped",
    "deallocating": "VM deallocating",
    "deallocated": "VM deallocated",
}


def describe_view(cloud: Cloud, machine: Record) -> Body:
    """The instance view."""
    power = machine.notes.get("power")
    word = machine.state.lower()
    provisioning: Body = {
        "code": f"ProvisioningState/{word}",
        "level": "Error" if machine.state == FAILED else "Info",
        "displayStatus": f"Provisioning {word}",
        "time": render_time(machine.changed),
    }
    if machine.error is not None:
        provisioning["code"] = f"ProvisioningState/failed/{machine.error['code']}"
        provisioning["message"] = machine.error["message"]
    statuses = [provisioning]
    if power:
        statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": WORDS[power]})
    view: Body = {
        "computerName": machine.properties["osProfile"]["computerName"],
        "hyperVGeneration": "V2",
        "statuses": statuses,
        "disks": [{"name": machine.properties["storageProfile"]["osDisk"]["name"]}],
    }
    if (health := find_health(cloud, machine)) is not None:
        view["vmHealth"] = {
            "status": {
                "code": f"HealthState/{health.lower()}",
                "level": "Info",
                "displayStatus": f"Health {health.lower()}",
            }
        }
    diagnostics = (machine.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
    if diagnostics.get("enabled"):
        view["bootDiagnostics"] = {}
    return view


def find_health(cloud: Cloud, machine: Record) -> str | None:
    """What the machine says of itself by its extension for health; `None` where there is none."""
    owner = find_scale_set(cloud, machine)
    if owner is None or not has_health_extension(list_extensions(owner)):
        return None
    if machine.notes.get("health"):
        return str(machine.notes["health"])
    return "Healthy" if machine.notes.get("power") == "running" else "Unknown"


def list_extensions(scale_set: Record) -> list[Body]:
    profile = scale_set.properties["virtualMachineProfile"].get("extensionProfile") or {}
    found: list[Body] = profile.get("extensions") or []
    return found


def describe_for_launcher(cloud: Cloud, machine: Record) -> Body:
    """All that whoever switches on a machine for it must know, told or not; see `control`."""
    properties = machine.properties
    owner = find_scale_set(cloud, machine)
    asked = machine.given["properties"]["osProfile"]
    linux = asked.get("linuxConfiguration") or {}
    interfaces = [describe_interface(cloud, each["id"]) for each in properties["networkProfile"]["networkInterfaces"]]
    return {
        "id": machine.id,
        "vmId": properties["vmId"],
        "name": machine.name,
        "computerName": properties["osProfile"]["computerName"],
        "group": machine.group,
        "power": machine.notes.get("power"),
        "state": machine.state,
        "evicted": bool(machine.notes.get("evicting")),
        "location": machine.location,
        "zone": (machine.body.get("zones") or [""])[0],
        "size": properties["hardwareProfile"]["vmSize"],
        "priority": properties.get("priority", "Regular"),
        "image": machine.notes.get("definition"),
        "imageVersion": machine.notes.get("version_id"),
        "tags": machine.body.get("tags") or {},
        "scaleSet": None if owner is None else owner.id,
        "customData": asked.get("customData"),
        "adminUsername": asked.get("adminUsername"),
        "publicKeys": [each["keyData"] for each in (linux.get("ssh") or {}).get("publicKeys") or []],
        "identities": [
            {"id": id_, **ids}
            for id_, ids in ((machine.body.get("identity") or {}).get("userAssignedIdentities") or {}).items()
        ],
        "interfaces": [each for each in interfaces if each is not None],
        "health": describe_health_check(owner),
        "terminateNotification": ((properties.get("scheduledEventsProfile") or {}).get("terminateNotificationProfile")),
        "created": machine.created,
    }


def describe_interface(cloud: Cloud, id_: str) -> Body | None:
    record = cloud.store.find(id_)
    if record is None:
        return None
    first = record.properties["ipConfigurations"][0]["properties"]
    public = cloud.store.find((first.get("publicIPAddress") or {}).get("id"))
    return {
        "id": record.id,
        "address": first["privateIPAddress"],
        "subnet": first["subnet"]["id"],
        "networkSecurityGroup": (record.properties.get("networkSecurityGroup") or {}).get("id"),
        "applicationSecurityGroups": [each["id"] for each in first.get("applicationSecurityGroups") or []],
        "publicAddress": None if public is None else public.properties["ipAddress"],
        "mac": record.properties["macAddress"],
    }


def describe_health_check(scale_set: Record | None) -> Body | None:
    """What the health extension asks: port, path and protocol, as its settings say."""
    if scale_set is None:
        return None
    for each in list_extensions(scale_set):
        if has_health_extension([each]):
            repairs = scale_set.properties.get("automaticRepairsPolicy") or {}
            return {"settings": each["properties"].get("settings") or {}, "repairs": repairs}
    return None
