"""Network security groups, with the rules that they say and those that each has."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from azure_cloud.arm import Body, Call, refer
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, in_use, invalid
from azure_cloud.network.types import APPLICATION_GROUP, INTERFACE, SECURITY_GROUP, SUBNET, NetworkKind, names
from azure_cloud.store import Record

NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?")
TAGS = ("VirtualNetwork", "AzureLoadBalancer", "Internet", "AzureCloud", "Storage", "AzureKeyVault", "*")
LEAST, MOST = 100, 4096
SIDES = ("source", "destination")
MOST_PORT = 65535


class NetworkSecurityGroups(NetworkKind):
    type, model = SECURITY_GROUP, "network:NetworkSecurityGroup"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        rules = [self._prepare_rule(call, rule, given["location"]) for rule in asked.get("securityRules") or []]
        seen: dict[tuple[str, int], str] = {}
        for rule in rules:
            place = (rule["properties"]["direction"], rule["properties"]["priority"])
            if place in seen:
                message = (
                    f"Security rule {rule['name']} conflicts with rule {seen[place]}. Rules cannot have the same "
                    "Priority and Direction."
                )
                raise invalid(message, "SecurityRuleConflict")
            seen[place] = rule["name"]
        if len({rule["name"].lower() for rule in rules}) != len(rules):
            raise invalid("Names of security rules must be unique.", "DuplicateResourceName")
        defaults = [describe_default(call.scope, *each) for each in DEFAULTS]
        usual = {"resourceGuid": call.cloud.make_guid(), "defaultSecurityRules": defaults}
        return {**given, "properties": {**usual, **asked, "securityRules": rules}}

    def _prepare_rule(self, call: Call, rule: Body, location: str) -> Body:
        name, asked = rule.get("name") or "", rule.get("properties") or {}
        if not NAME.fullmatch(name):
            raise invalid(f"Resource name {name} is invalid.", "InvalidResourceName")
        if not LEAST <= asked["priority"] <= MOST:
            message = (
                f"Security rule has invalid Priority. Value provided: {asked['priority']} Allowed range {LEAST}-{MOST}."
            )
            raise invalid(message, "SecurityRuleInvalidPriority")
        for side in SIDES:
            self._check_side(call, name, asked, side, location)
        place = f"{call.scope}/securityRules/{name}"
        told = {**asked, "provisioningState": "Succeeded"}
        for side in SIDES:
            told.setdefault(f"{side}AddressPrefixes", [])
            told.setdefault(f"{side}PortRanges", [])
        return {"id": place, "type": f"{SECURITY_GROUP}/securityRules", "name": name, "properties": told}

    def _check_side(self, call: Call, name: str, asked: Body, side: str, location: str) -> None:
        word = side.capitalize()
        groups = asked.get(f"{side}ApplicationSecurityGroups") or []
        prefix, prefixes = asked.get(f"{side}AddressPrefix"), asked.get(f"{side}AddressPrefixes") or []
        if sum((bool(groups), bool(prefix), bool(prefixes))) != 1:
            message = (
                f"Security rule {name} must specify exactly one of {word}AddressPrefix, {word}AddressPrefixes and "
                f"{word}ApplicationSecurityGroups."
            )
            raise invalid(message, f"SecurityRule{word}AddressPrefixNotSpecified")
        for each in (*prefixes, *([prefix] if prefix else [])):
            check_prefix(name, each)
        for each in groups:
            refer(call, each, APPLICATION_GROUP, location=location)
        port, ports = asked.get(f"{side}PortRange"), asked.get(f"{side}PortRanges") or []
        if bool(port) == bool(ports):
            message = f"Security rule {name} must specify exactly one of {word}PortRange and {word}PortRanges."
            raise invalid(message, f"SecurityRule{word}PortNotSpecified")
        for each in (*ports, *([port] if port else [])):
            check_ports(name, each)

    def render(self, cloud: Cloud, record: Record) -> Body:
        more = {
            name: found
            for name, type_ in (("networkInterfaces", INTERFACE), ("subnets", SUBNET))
            if (found := [{"id": each.id} for each in self.find_users(cloud, record) if each.type == type_])
        }
        return {**record.body, "properties": {**record.properties, **more}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        for each in (*cloud.store.select(INTERFACE), *cloud.store.select(SUBNET)):
            if names(each.properties.get("networkSecurityGroup"), record.id):
                yield each

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = (
            f"Network security group {record.id} cannot be deleted because it is in use by the following resources: "
            f"{', '.join(each.id for each in users)}. In order to delete the Network security group, remove the "
            "association with the resource(s)."
        )
        return in_use("InUseNetworkSecurityGroupCannotBeDeleted", message)


def check_prefix(name: str, text: str) -> None:
    if text in TAGS or re.fullmatch(r"(?:Storage|AzureKeyVault|AzureCloud)\.\w+", text):
        return
    try:
        ipaddress.ip_network(text)
    except ValueError:
        message = (
            f"Security rule has invalid Address prefix. Value provided: {text} in rule {name}. Make sure that it is a "
            "network without bits of a host, or a service tag."
        )
        raise invalid(message, "SecurityRuleInvalidAddressPrefix") from None


def check_ports(name: str, text: str) -> None:
    found = re.fullmatch(r"\*|(\d+)(?:-(\d+))?", text)
    low, high = (int(found[1] or 0), int(found[2] or found[1] or 0)) if found is not None else (1, 0)
    if not 0 <= low <= high <= MOST_PORT:
        message = f"Security rule has invalid Port range. Value provided: {text} in rule {name}."
        raise invalid(message, "SecurityRuleInvalidPortRange")


DEFAULTS = (
    ("AllowVnetInBound", "Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", "Inbound", 65001, "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", "Inbound", 65500, "Deny", "*", "*"),
    ("AllowVnetOutBound", "Outbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", "Outbound", 65001, "Allow", "*", "Internet"),
    ("DenyAllOutBound", "Outbound", 65500, "Deny", "*", "*"),
)
"""https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#default-security-rules"""


def describe_default(
    scope: str, name: str, direction: str, priority: int, access: str, source: str, target: str
) -> dict[str, Any]:
    properties = {
        "provisioningState": "Succeeded",
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": target,
        "access": access,
        "priority": priority,
        "direction": direction,
    }
    return {"id": f"{scope}/defaultSecurityRules/{name}", "name": name, "properties": properties}
