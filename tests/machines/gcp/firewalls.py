"""Firewall rules of networks, and what they let each machine do.

https://cloud.google.com/firewall/docs/firewalls
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from machines.gcp.instances import GcpInstance, last_part
from machines.launching.packet_filter import EVERY_PORT, EVERY_PROTOCOL, PacketFilter, Policy, Rule

EVERYBODY = ("0.0.0.0/0",)
NUMBERS = {"esp": "50", "ah": "51", "ipip": "94", "sctp": "132"}
"""Protocols that have names here and are numbers to nftables."""

IMPLIED_EGRESS = Rule(EVERY_PROTOCOL, EVERY_PORT, EVERYBODY, ())
"""Each network's last rule for what leaves; of what comes in it is a no, as in every `Policy`."""


def plan_filter(firewalls: Sequence[Mapping[str, Any]], instances: Sequence[GcpInstance]) -> PacketFilter:
    """What the networks let their machines do.

    Args:
        firewalls: as Compute Engine describes them.
    """
    ordered = sorted(firewalls, key=lambda each: (each.get("priority", 1000), "denied" not in each))
    policies = {str(each.address): plan_policy(ordered, each) for each in instances}
    groups: dict[str, list[str]] = {}
    for each in instances:
        for group in list_groups(each):
            groups.setdefault(group, []).append(str(each.address))
        for network in {other.network for other in instances} - {each.network}:
            groups.setdefault(outside(network), []).append(str(each.address))
    return PacketFilter(policies, groups)


def plan_policy(firewalls: Sequence[Mapping[str, Any]], instance: GcpInstance) -> Policy:
    """The rules that an instance has, first the ones that count first."""
    own = [each for each in firewalls if concerns(each, instance)]
    ingress = [rule for each in own if each.get("direction", "INGRESS") == "INGRESS" for rule in parse_rules(each)]
    egress = [rule for each in own if each.get("direction", "INGRESS") == "EGRESS" for rule in parse_rules(each)]
    # What is in another network is nowhere, though it is on the same bridge.
    elsewhere = Rule(EVERY_PROTOCOL, EVERY_PORT, (), (outside(instance.network),), "drop")
    return Policy((elsewhere, *ingress), (elsewhere, *egress, IMPLIED_EGRESS))


def concerns(firewall: Mapping[str, Any], instance: GcpInstance) -> bool:
    """Whether a rule is for this instance."""
    if firewall.get("disabled") or last_part(firewall["network"]) != instance.network:
        return False
    accounts, tags = firewall.get("targetServiceAccounts") or [], firewall.get("targetTags") or []
    return instance.account in accounts or not {*tags}.isdisjoint(instance.tags) or not (accounts or tags)


def parse_rules(firewall: Mapping[str, Any]) -> Iterator[Rule]:
    """A firewall rule as the rules of a policy, one for each protocol and range of ports."""
    network = last_part(firewall["network"])
    named = "destinationRanges" if firewall.get("direction") == "EGRESS" else "sourceRanges"
    groups = (
        *(f"{network} account {each}" for each in firewall.get("sourceServiceAccounts") or []),
        *(f"{network} tag {each}" for each in firewall.get("sourceTags") or []),
    )
    # Of IPv6 nothing, as the networks of tests have none.
    ranges = tuple(each for each in firewall.get(named) or (() if groups else EVERYBODY) if ":" not in each)
    for key, verdict in (("denied", "drop"), ("allowed", "accept")):
        for each in firewall.get(key) or []:
            protocol = EVERY_PROTOCOL if each["IPProtocol"] == "all" else each["IPProtocol"].lower()
            for ports in each.get("ports") or [""]:
                yield Rule(NUMBERS.get(protocol, protocol), parse_ports(ports), ranges, groups, verdict)


def parse_ports(text: str) -> tuple[int, int]:
    """`8786`, `8786-8790`, or nothing for all of them."""
    first, _, last = text.partition("-")
    return (int(first), int(last or first)) if first else EVERY_PORT


def list_groups(instance: GcpInstance) -> list[str]:
    """The groups of its network by which rules may mean an instance."""
    accounts = [] if instance.account is None else [f"{instance.network} account {instance.account}"]
    return [*accounts, *(f"{instance.network} tag {tag}" for tag in instance.tags)]


def outside(network: str) -> str:
    """The group of all that is in other networks."""
    return f"not in {network}"
