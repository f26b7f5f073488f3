"""Network security groups of interfaces, and what they let each machine do.

https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from machines.azure.instances import AzureInstance
from machines.launching.packet_filter import EVERY_PORT, EVERY_PROTOCOL, PacketFilter, Policy, Rule

EVERYBODY = ("0.0.0.0/0",)
EVERYTHING = Rule(EVERY_PROTOCOL, EVERY_PORT, EVERYBODY, ())
NUMBERS = {"esp": "50", "ah": "51"}
"""Protocols that have names here and are numbers to nftables."""
ANYWHERE, INTERNET, NETWORK = "*", "Internet", "VirtualNetwork"


def plan_filter(
    groups: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], instances: Sequence[AzureInstance]
) -> PacketFilter:
    """What the security groups of machines' interfaces let them do; of those of subnets nothing, as fleets set none.

    Args:
        groups: network security groups as Azure describes them.
        networks: virtual networks, the same.
    """
    known = {each["id"].lower(): each for each in groups}
    spaces = {each["id"].lower(): list_prefixes(each) for each in networks}
    policies = {
        str(each.address): plan_policy(known.get((each.security_group or "").lower()), spaces, each)
        for each in instances
    }
    members: dict[str, list[str]] = {}
    for each in instances:
        for group in each.application_groups:
            members.setdefault(group.lower(), []).append(str(each.address))
        for network in {other.network for other in instances} - {each.network}:
            members.setdefault(outside(network), []).append(str(each.address))
    return PacketFilter(policies, members)


def plan_policy(
    group: Mapping[str, Any] | None, spaces: Mapping[str, tuple[str, ...]], instance: AzureInstance
) -> Policy:
    """The rules that a machine has, first the ones that count first; without a security group all is open."""
    # What is in another network is nowhere, though it is on the same bridge.
    elsewhere = Rule(EVERY_PROTOCOL, EVERY_PORT, (), (outside(instance.network),), "drop")
    if group is None:
        return Policy((elsewhere, EVERYTHING), (elsewhere, EVERYTHING))
    space = spaces.get(instance.network, ())
    rules = [*group["properties"]["securityRules"], *group["properties"]["defaultSecurityRules"]]
    ordered = sorted((each["properties"] for each in rules), key=lambda each: int(each["priority"]))
    ingress = [
        rule for each in ordered if each["direction"] == "Inbound" for rule in parse_rules(each, space, instance)
    ]
    egress = [
        rule for each in ordered if each["direction"] == "Outbound" for rule in parse_rules(each, space, instance)
    ]
    return Policy((elsewhere, *ingress), (elsewhere, *egress))


def parse_rules(described: Mapping[str, Any], space: tuple[str, ...], instance: AzureInstance) -> Iterator[Rule]:
    """A security rule as the rules of a policy, one for each range of ports; none if it is not for this machine.

    Args:
        space: addresses of the machine's virtual network.
    """
    own, peer = ("destination", "source") if described["direction"] == "Inbound" else ("source", "destination")
    if not concerns(described, own, space, instance):
        return
    networks = tuple(prefix for each in list_addresses(described, peer) for prefix in resolve(each, space))
    groups = tuple(each["id"].lower() for each in described.get(f"{peer}ApplicationSecurityGroups") or ())
    protocol = EVERY_PROTOCOL if described["protocol"] == "*" else described["protocol"].lower()
    verdict = "accept" if described["access"] == "Allow" else "drop"
    for ports in list_values(described, "destinationPortRange"):
        yield Rule(NUMBERS.get(protocol, protocol), parse_ports(ports), networks, groups, verdict)


def concerns(described: Mapping[str, Any], side: str, space: tuple[str, ...], instance: AzureInstance) -> bool:
    """Whether the machine is on this side of a rule: in one of its groups, or at one of its addresses."""
    groups = {each["id"].lower() for each in described.get(f"{side}ApplicationSecurityGroups") or ()}
    if groups:
        return not groups.isdisjoint(each.lower() for each in instance.application_groups)
    address = ipaddress.IPv4Address(str(instance.address))
    prefixes = (prefix for each in list_addresses(described, side) for prefix in resolve(each, space))
    return any(address in ipaddress.IPv4Network(prefix) for prefix in prefixes)


def list_addresses(described: Mapping[str, Any], side: str) -> list[str]:
    """Of IPv6 nothing, as the networks of tests have none."""
    names = {"source": "sourceAddressPrefix", "destination": "destinationAddressPrefix"}
    return [each for each in list_values(described, names[side]) if ":" not in each]


def list_values(described: Mapping[str, Any], name: str) -> list[str]:
    """What a rule says once, or several times under the name in the plural."""
    plural = f"{name}es" if name.endswith("x") else f"{name}s"
    one = described.get(name)
    return [*([one] if one else []), *(described.get(plural) or ())]


def resolve(prefix: str, space: tuple[str, ...]) -> tuple[str, ...]:
    """Networks that a prefix or a service tag stands for; of Azure's own services there is nothing here."""
    if prefix == ANYWHERE:
        return EVERYBODY
    if prefix == INTERNET:
        return find_rest(space)
    if prefix == NETWORK:
        return space
    return (prefix,) if prefix[:1].isdigit() else ()


def find_rest(space: tuple[str, ...]) -> tuple[str, ...]:
    """All that is not in these networks."""
    rest = [ipaddress.IPv4Network(each) for each in EVERYBODY]
    for taken in map(ipaddress.IPv4Network, space):
        rest = [part for each in rest for part in (each.address_exclude(taken) if taken.subnet_of(each) else (each,))]
    return tuple(map(str, sorted(rest)))


def parse_ports(text: str) -> tuple[int, int]:
    """`8786`, `8786-8790` or `*`."""
    first, _, last = text.partition("-")
    return EVERY_PORT if text == "*" else (int(first), int(last or first))


def list_prefixes(network: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(network["properties"]["addressSpace"]["addressPrefixes"])


def outside(network: str) -> str:
    """The group of all that is in other networks."""
    return f"not in {network}"
