"""Everything of a fleet in a subscription: what `down` looks for, whatever the stack's state says.

All of it is in one resource group, but for roles on data that is elsewhere, and the vault that Azure keeps when it is
deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daskfleet.azure import Azure, Refused, explain_azure_errors
from daskfleet.providers.stack.azure.grants import GRANT, list_outside
from daskfleet.providers.stack.azure.machines import read_scale_set
from daskfleet.providers.stack.azure.places import (
    ADDRESSES,
    DISKS,
    GROUP,
    INTERFACES,
    MACHINES,
    SCALE_SETS,
    Place,
    read_tag,
)
from daskfleet.providers.stack.cloud import Leftover

RESOURCE_GROUP, DELETED_VAULT = "resource group", "deleted vault"

KINDS = {
    SCALE_SETS: "scale set",
    MACHINES: "machine",
    INTERFACES: "network interface",
    DISKS: "disk",
    "Microsoft.Compute/proximityPlacementGroups": "placement group",
    "Microsoft.Network/networkSecurityGroups": "security group",
    "Microsoft.Network/applicationSecurityGroups": "application security group",
    "Microsoft.Network/virtualNetworks": "network",
    "Microsoft.Network/natGateways": "NAT gateway",
    ADDRESSES: "public address",
    "Microsoft.KeyVault/vaults": "vault",
    "Microsoft.Storage/storageAccounts": "storage account",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "identity",
}
"""Types of things in a fleet's resource group, as people say them, in the order in which they can be removed."""

MADE_BY_GROUPS = ("machine", "network interface", "disk", "public address")
"""What a scale set makes by itself."""

ORDER = (GRANT, *KINDS.values(), RESOURCE_GROUP, DELETED_VAULT)
ASKED = (MACHINES, INTERFACES, DISKS, ADDRESSES)
"""Types that say whose they are only when they are asked for themselves."""


def find_leftovers(azure: Azure, place: Place) -> list[Leftover]:
    """What there is of the fleet, in the order in which it can be removed."""
    azure.sign_in()
    with explain_azure_errors(), ThreadPoolExecutor(max_workers=8) as pool:
        deleted = pool.submit(list_deleted_vaults, azure, place)
        group = azure.find(place.id)
        if group is None:
            return deleted.result()
        grants = pool.submit(list_outside, azure, place)
        listings = [
            pool.submit(_list_here, azure, path) for path in (f"{place.id}/resources", *map(place.list_of, ASKED))
        ]
        resources, *asked = (each.result() for each in listings)
        found = [
            *read_resources(resources, dict(zip(ASKED, asked, strict=True))),
            Leftover(RESOURCE_GROUP, str(group["id"]), place.name, details=group),
            *grants.result(),
            *deleted.result(),
        ]
    return sorted(found, key=lambda each: (ORDER.index(each.kind), each.id))


def _list_here(azure: Azure, path: str) -> list[dict[str, Any]]:
    try:
        return list(azure.list(path))
    except Refused as error:
        if error.is_missing:  # It has gone meanwhile.
            return []
        raise


def read_resources(
    resources: Iterable[Mapping[str, Any]], asked: Mapping[str, Iterable[Mapping[str, Any]]]
) -> Iterator[Leftover]:
    """What a resource group holds, each with its worker group and its machine where it is of one. Pure.

    Args:
        asked: the things of the types of `ASKED`, by type.
    """
    kinds = {type_.lower(): kind for type_, kind in KINDS.items()}
    others = [each for each in resources if str(each["type"]).lower() not in {type_.lower() for type_ in ASKED}]
    groups = {str(each["id"]).lower(): read_tag(each, GROUP) for each in others}
    machines = {str(each["id"]).lower(): each for each in asked[MACHINES]}
    holders = {str(each["id"]).lower(): _find_holder(each) for each in asked[INTERFACES]}
    for each in others:
        kind = kinds.get(str(each["type"]).lower())
        if kind is not None:
            yield Leftover(kind, str(each["id"]), str(each["name"]), read_tag(each, GROUP), each)
    for type_, several in asked.items():
        for each in several:
            holder = "" if type_ == MACHINES else _find_holder(each)
            if type_ == ADDRESSES:
                holder = holders.get(holder.lower(), "")
            machine = each if type_ == MACHINES else machines.get(holder.lower(), {})
            group = groups.get(read_scale_set(machine).lower(), "")
            if holder and machine:  # A disk may spell its name otherwise.
                holder = str(machine["id"])
            yield Leftover(KINDS[type_], str(each["id"]), str(each["name"]), group, each, holder)


def _find_holder(item: Mapping[str, Any]) -> str:
    """What a thing is attached to: a disk or an interface to a machine, an address to an interface. Pure."""
    properties = item.get("properties") or {}
    machine = str(item.get("managedBy") or (properties.get("virtualMachine") or {}).get("id") or "")
    return machine or str((properties.get("ipConfiguration") or {}).get("id") or "").partition("/ipConfigurations/")[0]


def list_deleted_vaults(azure: Azure, place: Place) -> list[Leftover]:
    """The fleet's vaults that were deleted and keep their names for some days. A protected one goes by itself only."""
    found = azure.list(f"{azure.scope}/providers/Microsoft.KeyVault/deletedVaults")
    return [
        Leftover(DELETED_VAULT, str(each["id"]), str(each["name"]), details=each)
        for each in found
        if place.holds(str(each["properties"]["vaultId"])) and not each["properties"].get("purgeProtectionEnabled")
    ]
