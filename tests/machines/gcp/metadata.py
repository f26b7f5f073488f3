"""What the metadata service of Google Cloud says of an instance.

https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machines.gcp.instances import GcpInstance
from machines.metadata_service import METADATA_ADDRESS
from machines.network import render_mac

PROJECT_NUMBER = 123456789012
METADATA_HOST = "metadata.google.internal"


def render_tree(
    instance: GcpInstance,
    project: str,
    gateway: str,
    notices: Mapping[str, str],
) -> dict[str, Any]:
    """Everything below `computeMetadata/v1`: folders are objects, numbered folders lists.

    Args:
        gateway: address of the network's gateway.
        notices: texts that are otherwise than usual, by their paths below `instance`: `preempted`.
    """
    scheduling = instance.scheduling
    account = {
        "aliases": ["default"],
        "email": instance.account,
        "scopes": list(instance.scopes),
    }
    interface = {
        "ip": instance.address,
        "mac": render_mac(str(instance.address)),
        "network": f"projects/{PROJECT_NUMBER}/networks/{instance.network}",
        "gateway": gateway,
        "dns-servers": [METADATA_ADDRESS],
        "mtu": 1460,
        "access-configs": [],
        "forwarded-ips": [],
    }
    return {
        "instance": {
            "attributes": dict(instance.metadata),
            "cpu-platform": "Intel Skylake",
            "description": "",
            "disks": [{"device-name": "boot", "index": 0, "mode": "READ_WRITE", "type": "PERSISTENT-BALANCED"}],
            "hostname": f"{instance.name}.{instance.zone}.c.{project}.internal",
            "id": int(instance.id),
            "image": f"projects/{project}/global/images/{instance.image}",
            "machine-type": f"projects/{PROJECT_NUMBER}/machineTypes/{instance.type}",
            "maintenance-event": "NONE",
            "name": instance.name,
            "network-interfaces": [interface],
            "preempted": "FALSE",
            "scheduling": {
                "automatic-restart": str(scheduling.get("automaticRestart", True)).upper(),
                "on-host-maintenance": scheduling.get("onHostMaintenance", "MIGRATE"),
                "preemptible": str(scheduling.get("preemptible", False)).upper(),
            },
            "service-accounts": {} if instance.account is None else {"default": account, instance.account: account},
            "tags": list(instance.tags),
            "zone": f"projects/{PROJECT_NUMBER}/zones/{instance.zone}",
            **notices,
        },
        "project": {
            "attributes": {},
            "numeric-project-id": PROJECT_NUMBER,
            "project-id": project,
        },
    }


def render_hosts() -> str:
    """The file /etc/hosts, as Google's own images have it."""
    return (
        f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{METADATA_ADDRESS} {METADATA_HOST} metadata\n"
    )
