"""The permissions that the docs give: they allow every call that a fleet makes in its life, and none needlessly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clouds.fleets import live_through
from gcp.region import Region
from machines.gcp.google import PROJECT

PERMISSIONS = Path(__file__).parents[2] / "docs/_data/gcp-permissions.json"

VERBS = {"insert": "create", "aggregatedList": "list", "patch": "update", "wait": "get"}
"""Permissions are called otherwise than the methods that need them."""

OPERATIONS = [f"compute.{scope}Operations.get" for scope in ("global", "region", "zone")]

OTHERWISE: dict[str, list[str]] = {
    "cloudresourcemanager.projects.get": ["resourcemanager.projects.get"],
    "cloudresourcemanager.projects.getIamPolicy": ["resourcemanager.projects.getIamPolicy"],
    "cloudresourcemanager.projects.setIamPolicy": ["resourcemanager.projects.setIamPolicy"],
    "compute.instanceGroupManagers.deleteInstances": ["compute.instanceGroupManagers.update"],
    "compute.instanceGroupManagers.listErrors": ["compute.instanceGroupManagers.get"],
    "compute.instanceGroupManagers.listManagedInstances": ["compute.instanceGroupManagers.get"],
    "compute.instanceGroupManagers.resize": ["compute.instanceGroupManagers.update"],
    "compute.instances.serialPort": ["compute.instances.getSerialPortOutput"],
    "compute.operations.get": OPERATIONS,
    "compute.operations.wait": OPERATIONS,
    "compute.projects.getXpnHost": ["compute.projects.get"],
    "logging.entries.list": ["logging.logEntries.list"],
    "oauth2.token": [],
    "secretmanager.secrets.addVersion": ["secretmanager.versions.add"],
}
"""What a method needs where its name does not say it."""

BESIDES = {
    "compute.addresses.use": "the scheduler has a reserved public address",
    "compute.addresses.useInternal": "the scheduler has a reserved address",
    "compute.disks.create": "machines have disks",
    "compute.disks.setLabels": "disks have labels",
    "compute.images.useReadOnly": "machines boot an image",
    "compute.instanceTemplates.useReadOnly": "managed groups make machines of a template",
    "compute.instances.setLabels": "machines have labels",
    "compute.instances.setMetadata": "machines have user-data",
    "compute.instances.setServiceAccount": "machines have an identity",
    "compute.networks.updatePolicy": "firewall rules are part of a network",
    "compute.networks.use": "managed groups and routers are in a network",
    "compute.regionHealthChecks.useReadOnly": "managed groups look whether machines are well",
    "compute.resourcePolicies.use": "machines are close together",
    "compute.subnetworks.use": "machines are in a subnet",
    "compute.subnetworks.useExternalIp": "the scheduler's machine may have a public address",
    "iam.serviceAccounts.actAs": "machines are given an identity",
}
"""What Google asks for besides the methods, and why."""

UNSEEN = {
    "compute.acceleratorTypes.list": "GPUs are added to machines",
    "compute.firewalls.update": "the networks that are let in are changed",
    "compute.instanceGroupManagers.update": "a group gets another number of machines, or another template",
    "compute.instances.getSerialPortOutput": "a machine does not come up",
    "compute.instances.update": "a machine is changed in place",
    "iam.serviceAccounts.update": "an identity is changed in place",
    "secretmanager.secrets.update": "a label is changed in the fleet file",
    "storage.buckets.get": "machines use part of a bucket",
}
"""What the life below may not call, and why it is allowed all the same."""


@pytest.mark.slow
def test_the_permissions_allow_what_a_fleets_life_needs_and_nothing_without_a_reason(region: Region) -> None:
    bucket = {"name": "era5", "location": "EU", "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    region.client.call("POST", "/storage/v1/b", bucket, project=PROJECT)
    live_through(region, data='{read: ["gs://era5/daily"]}')
    needed = {permission for call in region.proxy.names() for permission in translate(call)}
    wanted = sorted({*needed, *BESIDES, *UNSEEN})
    if os.environ.get("DASKFLEET_UPDATE_GOLDEN") == "1":
        PERMISSIONS.write_text(json.dumps(wanted, indent=2) + "\n")
    assert json.loads(PERMISSIONS.read_text()) == wanted


def translate(method: str) -> list[str]:
    """The permissions that a method needs."""
    if method in OTHERWISE:
        return OTHERWISE[method]
    service, kind, verb = method.split(".")
    if kind == "healthChecks":
        kind = "regionHealthChecks"
    return [f"{service}.{kind}.{VERBS.get(verb, verb)}"]


def test_no_permission_is_a_whole_role() -> None:
    for permission in json.loads(PERMISSIONS.read_text()):
        assert len(permission.split(".")) == 3
        assert "*" not in permission
