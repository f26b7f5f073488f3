"""Security groups as EC2 describes them, and what they let each machine do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from machines.launching.packet_filter import EVERY_PORT, NUMBERS, PacketFilter, Policy, Rule


@dataclass(frozen=True)
class SecurityGroup:
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


def parse_security_group(described: Mapping[str, Any]) -> SecurityGroup:
    """A group as EC2 describes it; of IPv6 and prefix lists nothing, as the networks of tests have neither."""
    return SecurityGroup(
        tuple(parse_rule(each) for each in described["IpPermissions"]),
        tuple(parse_rule(each) for each in described["IpPermissionsEgress"]),
    )


def parse_rule(described: Mapping[str, Any]) -> Rule:
    first, last = described.get("FromPort", -1), described.get("ToPort", -1)
    return Rule(
        {number: name for name, number in NUMBERS.items()}.get(described["IpProtocol"], described["IpProtocol"]),
        EVERY_PORT if -1 in (first, last) else (int(first), int(last)),
        tuple(each["CidrIp"] for each in described.get("IpRanges", [])),
        tuple(each["GroupId"] for each in described.get("UserIdGroupPairs", [])),
    )


def plan_filter(groups: Mapping[str, SecurityGroup], interfaces: Mapping[str, Sequence[str]]) -> PacketFilter:
    """What the groups let machines do: whatever one of a machine's groups allows.

    Args:
        groups: by their ids.
        interfaces: ids of the groups that each machine is in, by its address. One that was deleted meanwhile opens
            nothing.
    """
    policies = {
        address: Policy(
            tuple(rule for group in its if group in groups for rule in groups[group].ingress),
            tuple(rule for group in its if group in groups for rule in groups[group].egress),
        )
        for address, its in interfaces.items()
    }
    members = {group: [address for address, its in interfaces.items() if group in its] for group in groups}
    return PacketFilter(policies, members)
