"""What the metadata service of Azure says of a virtual machine.

https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from machines.azure.instances import AzureInstance

PREEMPT, TERMINATE = "Preempt", "Terminate"


def render_metadata(
    instance: AzureInstance, location: str, subscription: str, events: Mapping[str, str]
) -> dict[str, Any]:
    """All that it says: the tree below `instance`, the identities, and what is scheduled.

    Args:
        events: when each begins, by their types.
    """
    compute = {
        "azEnvironment": "AzurePublicCloud",
        "customData": "",
        "evictionPolicy": "Delete" if instance.priority == "Spot" else "",
        "location": location,
        "name": instance.vm,
        "osProfile": {
            "adminUsername": instance.user,
            "computerName": instance.name,
            "disablePasswordAuthentication": "true",
        },
        "osType": "Linux",
        "priority": instance.priority,
        "publicKeys": [
            {"keyData": key, "path": f"/home/{instance.user}/.ssh/authorized_keys"} for key in instance.public_keys
        ],
        "resourceGroupName": instance.resource_group,
        "resourceId": instance.resource,
        "subscriptionId": subscription,
        "tagsList": [{"name": name, "value": value} for name, value in instance.tags.items()],
        "userData": "",
        "vmId": instance.id,
        "vmScaleSetName": instance.scale_set or "",
        "vmSize": instance.type,
        "zone": instance.zone,
    }
    addresses = {"ipAddress": [{"privateIpAddress": instance.address, "publicIpAddress": ""}]}
    interface = {"ipv4": addresses, "ipv6": {"ipAddress": []}, "macAddress": instance.mac.replace("-", "")}
    return {
        "instance": {"compute": compute, "network": {"interface": [interface]}},
        "clients": list(instance.clients),
        "events": [render_event(instance, kind, begin) for kind, begin in events.items()],
    }


def render_event(instance: AzureInstance, kind: str, begin: str) -> dict[str, Any]:
    """An event that is scheduled for one machine.

    https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events
    """
    return {
        "EventId": str(uuid.uuid5(uuid.UUID(instance.id), kind)).upper(),
        "EventStatus": "Scheduled",
        "EventType": kind,
        "ResourceType": "VirtualMachine",
        "Resources": [instance.vm],
        "NotBefore": begin,
        "Description": "",
        "EventSource": "Platform" if kind == PREEMPT else "User",
        "DurationInSeconds": -1,
    }
