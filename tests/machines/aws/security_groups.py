"""Security groups as a packet filter: what EC2 describes, and nftables for the bridge that the machines are on.

The kernel need not track connections on bridges (many cannot). So of TCP the first packet of each connection is
filtered, which is what opens one; of all else each packet. What is open when a rule goes stays open, as on AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TABLE = "bridge security_groups"
EVERY_PORT = (0, 65535)
NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1"}


@dataclass(frozen=True)
class Rule:
    """Whom a group lets in, or lets its members reach."""

    protocol: str
    """`tcp`, `udp`, or the number of another; `-1` is every protocol."""
    ports: tuple[int, int]
    """First and last port, of TCP and UDP."""
    networks: tuple[str, ...]
    groups: tuple[str, ...]


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


def render_table(
    groups: Mapping[str, SecurityGroup],
    interfaces: Mapping[str, Sequence[str]],
    always_open: Iterable[tuple[str, int]],
) -> str:
    """The commands for `nft -f` that make these groups true, whatever was true before.

    Args:
        groups: by their ids.
        interfaces: ids of the groups that each machine is in, by its address. Other machines are not filtered.
        always_open: addresses and ports that every machine reaches.
    """
    return "\n".join(
        [
            f"table {TABLE}",
            f"delete table {TABLE}",
            f"table {TABLE} {{",
            *_render_members(groups, interfaces),
            "chain always {",
            "meta protocol arp accept",
            "ip protocol icmp accept",
            "tcp flags & (syn | ack) != syn accept",
            *(f"ip daddr {address} tcp dport {port} accept" for address, port in always_open),
            "}",
            *_render_direction("ingress", "saddr", "daddr", groups, interfaces),
            *_render_direction("egress", "daddr", "saddr", groups, interfaces),
            # Between machines both count; the gateway is no machine, so it has no rules of its own.
            "chain forwarded_from { type filter hook forward priority -10; jump egress; }",
            "chain forwarded_to { type filter hook forward priority 0; jump ingress; }",
            "chain from_the_gateway { type filter hook output priority 0; jump ingress; }",
            "chain to_the_gateway { type filter hook input priority 0; jump egress; }",
            "}",
            "",
        ]
    )


def _render_members(groups: Mapping[str, SecurityGroup], interfaces: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for group in sorted(groups):
        members = sorted(address for address, its in interfaces.items() if group in its)
        elements = f" elements = {{ {', '.join(members)} }};" if members else ""
        yield f"set {_name(group)} {{ type ipv4_addr;{elements} }}"


def _render_direction(
    direction: str, peer: str, own: str, groups: Mapping[str, SecurityGroup], interfaces: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """A chain for each machine, and the one that chooses among them."""
    chains = {}
    for address, its in sorted(interfaces.items()):
        chain = chains[address] = f"{direction}_{address.replace('.', '_')}"
        yield f"chain {chain} {{"
        for group in its:
            if group in groups:  # One that was deleted meanwhile opens nothing.
                for rule in getattr(groups[group], direction):
                    yield from _render_rule(rule, peer, groups)
        yield "counter drop"
        yield "}"
    yield f"chain {direction} {{"
    yield "jump always"
    if chains:
        yield f"ip {own} vmap {{ {', '.join(f'{address} : goto {chain}' for address, chain in chains.items())} }}"
    yield "}"


def _render_rule(rule: Rule, peer: str, groups: Mapping[str, SecurityGroup]) -> Iterator[str]:
    first, last = rule.ports
    if rule.protocol == "-1":
        what = ""
    elif rule.protocol in ("tcp", "udp"):
        what = f"{rule.protocol} dport {first}-{last} "
    else:
        what = f"ip protocol {NUMBERS.get(rule.protocol, rule.protocol)} "
    for peers in (*rule.networks, *(f"@{_name(group)}" for group in rule.groups if group in groups)):
        yield f"ip {peer} {peers} {what}accept"


def _name(group: str) -> str:
    """A name that nftables takes."""
    return group.replace("-", "_")
