"""What machines may be: checks that are the same for a machine and for a scale set."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from azure_cloud.compute.catalog import Size
from azure_cloud.compute.galleries import find_image
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.ids import is_same

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud
    from azure_cloud.store import Record

Body = dict[str, Any]

MOST_CUSTOM_DATA = 64 * 1024
RESERVED_USERS = frozenset(
    {"admin", "administrator", "root", "user", "test", "guest", "owner", "server", "backup", "sys"}
)
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
KEY = re.compile(r"(?:ssh-rsa|ssh-ed25519|ecdsa-sha2-\S+) \S+(?: .*)?")
HEALTH_EXTENSION = "ApplicationHealthLinux"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"


def check_os(profile: Body, where: str) -> None:
    """`osProfile`, but for the machine's name."""
    if not profile:
        raise invalid(f"Required parameter '{where}' is missing (null).")
    name = profile.get("adminUsername") or ""
    if not USER.fullmatch(name) or name in RESERVED_USERS:
        message = (
            f"The Admin Username specified is not allowed: {name!r}. It must be a user of Linux's, and not reserved."
        )
        raise invalid(message)
    linux = profile.get("linuxConfiguration") or {}
    keys = (linux.get("ssh") or {}).get("publicKeys") or []
    if not profile.get("adminPassword") and not linux.get("disablePasswordAuthentication"):
        raise invalid(f"Required parameter '{where}.adminPassword' is missing (null).")
    if linux.get("disablePasswordAuthentication") and not keys:
        message = (
            "Authentication using either SSH or by user name and password must be enabled in Linux "
            f"profile: '{where}.linuxConfiguration.ssh.publicKeys' is missing."
        )
        raise invalid(message)
    for key in keys:
        path = f"/home/{name}/.ssh/authorized_keys"
        if key.get("path") != path:
            message = (
                f"Destination path for SSH public keys is currently limited to its default value {path} due to a known "
                "issue in Linux provisioning agent."
            )
            raise invalid(message)
        if not KEY.fullmatch((key.get("keyData") or "").strip()):
            raise invalid(f"The value of parameter '{where}.linuxConfiguration.ssh.publicKeys.keyData' is invalid.")
    check_base64(profile.get("customData"), f"{where}.customData")


def check_base64(text: str | None, where: str) -> None:
    if text is None:
        return
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        data = None
    if data is None or len(data) > MOST_CUSTOM_DATA:
        message = "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters"
        raise invalid(f"{message} ({where}).")


def check_priority(properties: Body, where: str) -> None:
    """Priority, what happens on eviction, and the price."""
    is_spot = properties.get("priority") in ("Spot", "Low")
    if properties.get("priority") == "Low":
        raise invalid("The priority Low is not supported any more; use Spot.")
    if properties.get("evictionPolicy") and not is_spot:
        message = f"Eviction policy can be set only on Azure Spot Virtual Machines ({where})."
        raise AzureError(409, "OperationNotAllowed", message)
    price = (properties.get("billingProfile") or {}).get("maxPrice")
    if price is not None and not is_spot:
        message = f"Max price can be set only for Azure Spot Virtual Machines ({where})."
        raise AzureError(409, "OperationNotAllowed", message)
    if price is not None and price != -1 and price <= 0:
        raise invalid("The value of 'billingProfile.maxPrice' must be greater than 0, or -1.")


def check_disk(disk: Body, sizes: list[Size], where: str) -> None:
    if not disk:
        raise invalid(f"Required parameter '{where}' is missing (null).")
    if disk["createOption"] != "FromImage":
        raise invalid(f"'{where}.createOption' must be FromImage here.", "NotSupported")
    kind = (disk.get("managedDisk") or {}).get("storageAccountType", "Standard_LRS")
    for size in sizes:
        if kind.startswith("Premium") and not size.has_premium:
            message = (
                f"Requested operation cannot be performed because the VM size {size.name} does not support the storage "
                f"account type {kind} of disk '{where}'. Consider updating the VM to a size that supports Premium "
                "storage."
            )
            raise invalid(message)
    if disk.get("diskSizeGB") is not None and not DISK_GB[0] <= disk["diskSizeGB"] <= DISK_GB[1]:
        raise invalid(f"The value {disk['diskSizeGB']} of '{where}.diskSizeGB' is out of range.")


DISK_GB = (30, 4095)


def check_image(cloud: Cloud, reference: Body | None, location: str, sizes: list[Size]) -> tuple[Record, Record]:
    """The image that is booted: definition and version."""
    id_ = (reference or {}).get("id")
    if not id_:
        raise invalid("Only images of galleries are supported here: 'imageReference.id' is missing.", "NotSupported")
    definition, version = find_image(cloud, id_, location)
    for size in sizes:
        architecture, generation = (definition.properties[name] for name in ("architecture", "hyperVGeneration"))
        if size.architecture != architecture:
            message = (
                f"Cannot create a VM of size '{size.name}' because this VM size only supports a CPU Architecture of "
                f"'{size.architecture}', but an image or disk with CPU Architecture '{architecture}' was given. Please "
                "check that the CPU Architecture of the image or disk is compatible with that of the VM size."
            )
            raise AzureError(400, "BadRequest", message)
        if generation not in size.generations.split(","):
            message = (
                f"The selected VM size '{size.name}' cannot boot Hypervisor Generation '{generation[1:]}'. If this was "
                f"a Create operation please check that the Hypervisor Generation of the Image matches the Hypervisor "
                "Generation of the selected VM Size."
            )
            raise AzureError(400, "BadRequest", message)
    return definition, version


def check_restricted(cloud: Cloud, sizes: list[Size], location: str) -> None:
    for size in sizes:
        if size.name in cloud.market.restricted:
            message = (
                f"The requested size for resource is currently not available in location '{location}' zones '' for "
                f"subscription: {size.name}. Please try another size or deploy to a different location or zones. See "
                "https://aka.ms/azureskunotavailable for details."
            )
            raise conflict("SkuNotAvailable", message)


def describe_identity(cloud: Cloud, identity: Body | None, location: str) -> Body | None:
    """An identity as answers have it: with the principals of those that are assigned."""
    if not identity:
        return None
    kind, assigned = identity.get("type", "None"), identity.get("userAssignedIdentities") or {}
    if ("UserAssigned" in kind) != bool(assigned):
        message = "The identity type and userAssignedIdentities do not fit together."
        raise AzureError(400, "InvalidIdentityValues", message)
    if "SystemAssigned" in kind:
        raise invalid("Identities of the system's are not supported here.", "NotSupported")
    told = {}
    for id_ in assigned:
        record = cloud.store.find(id_, IDENTITY)
        if record is None:
            message = f"The Identity(s) {id_} could not be found. Please check identity(s) in the request."
            raise AzureError(400, "FailedIdentityOperation", message)
        told[id_] = {name: record.properties[name] for name in ("principalId", "clientId")}
    return {"type": kind, "userAssignedIdentities": told}


def strip_secrets(profile: Body) -> Body:
    """`osProfile` as it is told: without what is only written."""
    return {key: value for key, value in profile.items() if key not in ("customData", "adminPassword")}


def has_health_extension(extensions: list[Body]) -> bool:
    return any((each.get("properties") or {}).get("type") == HEALTH_EXTENSION for each in extensions)


def check_frozen(old: Body, new: Body, names: tuple[str, ...], where: str) -> None:
    """Refuse a change of what cannot be changed; what is left out is not changed."""
    for name in names:
        if name in new and name in old and new[name] != old[name] and not is_same(new[name], old[name]):
            raise conflict("PropertyChangeNotAllowed", f"Changing property '{where}{name}' is not allowed.")
