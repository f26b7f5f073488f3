"""What Azure still has of a fleet, by another way than that of the command that says "nothing left".

The stand-in itself is asked for everything that it keeps, and that is looked through here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azure_cloud.client import AzureClient
from azure_cloud.identity.directory import PERSON

FLEET, ROLE, GROUP = "daskfleet:fleet", "daskfleet:role", "daskfleet:group"
"""Tags."""

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DELETED_VAULTS = "Microsoft.KeyVault/deletedVaults"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
PARTS = ("securityRules", "ipConfigurations", "serviceEndpoints")
"""What counts besides the things that it is of."""


@dataclass(frozen=True)
class Found:
    """One thing of a fleet."""

    kind: str
    """`Microsoft.Network/virtualNetworks`."""
    name: str


def find_tagged(client: AzureClient, scope: str, location: str, fleet: str) -> list[str]:
    """The names of everything that is marked as the fleet's, is in its resource group, or is of its identities."""
    return [each.name for each in audit(client, scope, location, fleet)]


def take_stock(client: AzureClient, scope: str, location: str, fleet: str) -> Counter[str]:
    """How many things of each kind there are, and of rules and what else they have in them."""
    stock = Counter(last_part(each.kind) for each in audit(client, scope, location, fleet))
    for each in list_everything(client):
        if is_of_fleet(each, scope, location, fleet):
            stock.update(list_parts(each.get("properties")))
    return stock


def audit(client: AzureClient, scope: str, location: str, fleet: str) -> list[Found]:
    """Everything, each thing once."""
    everything = list_everything(client)
    found = [
        Found(each["type"], last_part(each["id"]))
        for each in everything
        if is_of_fleet(each, scope, location, fleet) and each["type"] != ASSIGNMENTS
    ]
    found += [Found(ASSIGNMENTS, text) for text in list_grants(everything, scope, location, fleet)]
    for each in client.list(f"{scope}/providers/Microsoft.KeyVault/deletedVaults"):
        known = each["properties"]
        if is_of_fleet({**known, "id": known["vaultId"]}, scope, location, fleet):
            found.append(Found(DELETED_VAULTS, each["name"]))
    return sorted(found, key=lambda each: (each.kind, each.name))


def list_everything(client: AzureClient) -> list[dict[str, Any]]:
    """All resources, resource groups and role assignments that there are."""
    found: list[dict[str, Any]] = client.ask("GET", "/daskfleet/resources").check().json["resources"]
    return found


def list_grants(everything: list[dict[str, Any]], scope: str, location: str, fleet: str) -> Iterator[str]:
    """What the fleet's identities may do, and others with its things; and what identities could that are gone.

    Of these nothing tells any more whose they were, so they count for each fleet; but for those in another's group.
    """
    identities = [each for each in everything if each["type"] == IDENTITIES]
    living = {PERSON, *(each["properties"]["principalId"] for each in identities)}
    own = {each["properties"]["principalId"] for each in identities if is_of_fleet(each, scope, location, fleet)}
    for each in everything:
        if each["type"] == ASSIGNMENTS:
            principal, place = each["properties"]["principalId"], each["properties"]["scope"]
            is_orphan = principal not in living and "/resourcegroups/daskfleet-" not in place.lower()
            if principal in own or is_orphan or is_of_fleet(each, scope, location, fleet):
                yield f"{last_part(each['id'])} of {principal} at {place}"


def is_of_fleet(item: dict[str, Any], scope: str, location: str, fleet: str) -> bool:
    """Whether tags say so, or it is in the fleet's resource group."""
    group = f"{scope}/resourceGroups/{name_group(location, fleet)}".lower()
    is_marked = (item.get("tags") or {}).get(FLEET) == fleet and item.get("location") == location
    return is_marked or f"{item['id'].lower()}/".startswith(f"{group}/")


def name_group(location: str, fleet: str) -> str:
    """The fleet's resource group."""
    return f"daskfleet-{fleet}-{location}"


def list_parts(value: Any) -> Iterator[str]:
    """The names of all parts that a thing has, as often as it has them."""
    if isinstance(value, list):
        for item in value:
            yield from list_parts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in PARTS:
                yield from [name] * len(item)
            yield from list_parts(item)


def last_part(identifier: str) -> str:
    return identifier.rpartition("/")[2]
