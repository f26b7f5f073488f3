"""What somebody does to a fleet in Azure who knows nothing of it."""

from __future__ import annotations

from typing import Any

from azure_cloud.client import AzureClient
from azure_fleets.audit import ASSIGNMENTS, IDENTITIES, list_everything, name_group
from machines.azure.azure import LOCATION, SCOPE

OPEN = {
    "priority": 400,
    "direction": "Inbound",
    "access": "Allow",
    "protocol": "Tcp",
    "sourceAddressPrefix": "*",
    "sourcePortRange": "*",
    "destinationAddressPrefix": "*",
    "destinationPortRange": "8786",
}


def list_things(client: AzureClient, fleet: str, kind: str) -> list[dict[str, Any]]:
    """The fleet's things of a type."""
    return list(client.list(f"{SCOPE}/resourceGroups/{name_group(LOCATION, fleet)}/providers/{kind}"))


def change(client: AzureClient, item: dict[str, Any], **properties: Any) -> None:
    """Give a thing other properties."""
    asked = {key: item[key] for key in ("location", "tags", "sku", "zones") if key in item}
    client.call("PUT", item["id"], {**asked, "properties": properties})


def list_rules(client: AzureClient, fleet: str) -> dict[str, dict[str, Any]]:
    """The rules of the fleet's network security group, by name, as they are asked for."""
    (group,) = list_things(client, fleet, "Microsoft.Network/networkSecurityGroups")
    return {
        each["name"]: {key: value for key, value in each["properties"].items() if key != "provisioningState"}
        for each in group["properties"]["securityRules"]
    }


def set_rules(client: AzureClient, fleet: str, rules: dict[str, dict[str, Any]]) -> None:
    (group,) = list_things(client, fleet, "Microsoft.Network/networkSecurityGroups")
    rendered = [{"name": name, "properties": properties} for name, properties in rules.items()]
    change(client, group, securityRules=rendered)


def meddle(client: AzureClient, fleet: str) -> set[tuple[str, str]]:
    """Take a role from the workers, take a rule out, and change how long connections through the way out may rest."""
    worker = next(each for each in list_things(client, fleet, IDENTITIES) if "worker" in each["name"])
    assignment = next(
        each["id"]
        for each in list_everything(client)
        if each["type"] == ASSIGNMENTS and each["properties"]["principalId"] == worker["properties"]["principalId"]
    )
    client.call("DELETE", assignment)
    (gateway,) = list_things(client, fleet, "Microsoft.Network/natGateways")
    addresses = gateway["properties"]["publicIpAddresses"]
    change(client, gateway, idleTimeoutInMinutes=30, publicIpAddresses=addresses)
    rules = list_rules(client, fleet)
    set_rules(client, fleet, {name: rule for name, rule in rules.items() if name != "workers-from-workers"})
    return {
        ("authorization.RoleAssignment", "delete"),
        ("network.NatGateway", "update"),
        ("network.NetworkSecurityGroup", "update"),
    }


def open_to_all(client: AzureClient, fleet: str) -> str:
    """Let everybody reach every machine of the fleet."""
    set_rules(client, fleet, {**list_rules(client, fleet), "by-hand": OPEN})
    return "tcp 8786 from everywhere"
