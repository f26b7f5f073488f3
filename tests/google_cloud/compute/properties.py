"""What instances are made of: judged for an instance, and, as far as that goes, for a template.

https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google_cloud.compute import catalog
from google_cloud.compute.catalog import MachineType
from google_cloud.errors import ApiError, invalid, required
from google_cloud.validation import check_labels, check_name

Body = dict[str, Any]

KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
MOST_METADATA = 512 * 1024
MOST_VALUE = 256 * 1024
SCOPE = re.compile(r"https://www\.googleapis\.com/auth/[a-z._-]+")


def check_properties(properties: Mapping[str, Any], where: str) -> None:
    """Refuse what no machine can have, whatever its type and zone."""
    check_labels(properties.get("labels"), f"{where}.labels")
    check_metadata(properties.get("metadata") or {}, f"{where}.metadata")
    for index, tag in enumerate((properties.get("tags") or {}).get("items") or []):
        check_name(tag, f"{where}.tags.items[{index}]")
    check_accounts(properties.get("serviceAccounts") or [], f"{where}.serviceAccounts")
    check_scheduling(properties, where)
    check_disks(properties.get("disks") or [], f"{where}.disks")
    if not properties.get("networkInterfaces"):
        raise required(f"{where}.networkInterfaces")
    for index, interface in enumerate(properties["networkInterfaces"]):
        if not interface.get("network") and not interface.get("subnetwork"):
            raise required(f"{where}.networkInterfaces[{index}].subnetwork")


def check_metadata(metadata: Mapping[str, Any], where: str) -> None:
    items = metadata.get("items") or []
    keys = [item.get("key", "") for item in items]
    for key in keys:
        if not KEY.fullmatch(key):
            raise invalid(f"{where}.items", key, f"Keys must be a match of regex '{KEY.pattern}'")
        if keys.count(key) > 1:
            raise invalid(f"{where}.items", key, "Keys must be unique.")
    sizes = [len(item.get("value", "").encode()) for item in items]
    if any(size > MOST_VALUE for size in sizes) or sum(sizes) > MOST_METADATA:
        raise invalid(f"{where}.items", sum(sizes), "A value has at most 256 KB, and all of them 512 KB.")
    if any("value" not in item for item in items):
        raise required(f"{where}.items.value")


def check_accounts(accounts: list[Body], where: str) -> None:
    if len(accounts) > 1:
        raise invalid(where, len(accounts), "At most one service account is allowed.")
    for each in accounts:
        if not each.get("email"):
            raise required(f"{where}[0].email")
        for scope in each.get("scopes") or []:
            if not SCOPE.fullmatch(scope):
                raise invalid(f"{where}[0].scopes", scope, "The scope is not valid.")


def check_scheduling(properties: Mapping[str, Any], where: str) -> None:
    scheduling = properties.get("scheduling") or {}
    field = f"{where}.scheduling"
    is_spot = is_spot_vm(properties)
    model = scheduling.get("provisioningModel")
    if model == "STANDARD" and scheduling.get("preemptible"):
        raise invalid(f"{field}.provisioningModel", model, "A preemptible instance is not of the STANDARD model.")
    if is_spot and scheduling.get("automaticRestart", False):
        raise invalid(f"{field}.automaticRestart", True, "Preemptible VMs cannot be automatically restarted.")
    if is_spot and scheduling.get("onHostMaintenance") == "MIGRATE":
        raise invalid(f"{field}.onHostMaintenance", "MIGRATE", "Preemptible VMs cannot be live migrated.")
    if scheduling.get("instanceTerminationAction") and model != "SPOT" and not scheduling.get("maxRunDuration"):
        action = scheduling["instanceTerminationAction"]
        raise invalid(f"{field}.instanceTerminationAction", action, "It is for Spot VMs, and for a limited run time.")


def is_spot_vm(properties: Mapping[str, Any]) -> bool:
    scheduling = properties.get("scheduling") or {}
    return scheduling.get("provisioningModel") == "SPOT" or bool(scheduling.get("preemptible"))


def check_disks(disks: list[Body], where: str) -> None:
    if not disks:
        raise required(where)
    for index, disk in enumerate(disks):
        if not disk.get("source") and not disk.get("initializeParams"):
            raise required(f"{where}[{index}].initializeParams")
        if disk.get("source") and disk.get("initializeParams"):
            raise invalid(f"{where}[{index}].source", disk["source"], "Cannot be combined with initializeParams.")
        check_labels((disk.get("initializeParams") or {}).get("labels"), f"{where}[{index}].initializeParams.labels")
    if sum(bool(disk.get("boot")) for disk in disks) != 1 or not disks[0].get("boot"):
        raise invalid(f"{where}[0].boot", False, "Exactly one disk is for booting, and it is the first.")
    if disks[0].get("initializeParams") is not None and not disks[0]["initializeParams"].get("sourceImage"):
        raise required(f"{where}[0].initializeParams.sourceImage")


def check_machine(kind: MachineType, properties: Mapping[str, Any], zone: str, where: str) -> None:
    """Refuse what a machine type does not do."""
    cards = properties.get("guestAccelerators") or []
    for index, each in enumerate(cards):
        check_accelerator(kind, each, zone, f"{where}.guestAccelerators[{index}]")
    cannot_move = bool(cards or kind.accelerator)
    if cannot_move and (properties.get("scheduling") or {}).get("onHostMaintenance") != "TERMINATE":
        raise ApiError(
            400,
            f"Invalid value for field '{where}.scheduling.onHostMaintenance': 'MIGRATE'. Instances with guest "
            "accelerators do not support live migration.",
            "unsupportedOperation",
        )
    for index, interface in enumerate(properties.get("networkInterfaces") or []):
        if interface.get("nicType") == "VIRTIO_NET" and kind.family.name in catalog.GVNIC_ONLY:
            raise invalid(f"{where}.networkInterfaces[{index}].nicType", "VIRTIO_NET", f"{kind.name} needs GVNIC.")


def check_accelerator(kind: MachineType, asked: Body, zone: str, where: str) -> None:
    name = str(asked.get("acceleratorType", "")).rpartition("/")[2]
    count = asked.get("acceleratorCount", 0)
    known = next((each for each in catalog.ACCELERATORS if each.name == name), None)
    if known is None or not known.is_in(zone):
        raise ApiError(404, f"The resource 'zones/{zone}/acceleratorTypes/{name}' was not found", "notFound")
    if kind.accelerator is not None:
        if kind.accelerator == (known, count):
            return
        raise invalid(where, name, f"Machine type {kind.name} has accelerators of its own.")
    if not kind.family.takes_accelerators or known not in catalog.ADDABLE:
        raise invalid(where, name, f"[{kind.name}, {name}] features are not compatible for creating instance.")
    if count not in {1, 2, 4, 8} or count > known.most:
        raise invalid(f"{where}.acceleratorCount", count, f"It must be a power of two, and at most {known.most}.")


def check_disk(kind: MachineType, disk_type: str) -> None:
    """Refuse a disk that the machine cannot boot from."""
    if disk_type not in kind.family.disks:
        family = f"VIRTUAL_MACHINE, family: {kind.family.name.upper()}"
        message = (
            f"[{disk_type}] features and [instance_type: {family}] features are not compatible for creating instance."
        )
        raise ApiError(400, message, "badRequest", code="BAD_REQUEST")


def check_architecture(kind: MachineType, architecture: str) -> None:
    """Refuse an image for another architecture."""
    if architecture not in ("", "ARCHITECTURE_UNSPECIFIED", kind.family.architecture):
        message = (
            f"Requested boot disk architecture ({architecture}) is not compatible with machine type architecture "
            f"({kind.family.architecture})."
        )
        raise ApiError(400, message, "badRequest", code="BAD_REQUEST")


def complete_scheduling(kind: MachineType, properties: Mapping[str, Any]) -> Body:
    """With what Google decides."""
    given = properties.get("scheduling") or {}
    is_spot = is_spot_vm(properties)
    cannot_move = is_spot or kind.accelerator is not None
    return {
        "onHostMaintenance": "TERMINATE" if cannot_move else "MIGRATE",
        "automaticRestart": not is_spot,
        "preemptible": is_spot,
        "provisioningModel": "STANDARD",
        **({"instanceTerminationAction": "STOP"} if given.get("provisioningModel") == "SPOT" else {}),
        **given,
    }
