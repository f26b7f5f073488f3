"""Who may reach whom, as nftables for the bridge that the machines are on.

The kernel need not track connections on bridges (many cannot). So of TCP the first packet of each connection is
filtered, which is what opens one; of all else each packet. What is open when a rule goes stays open, as in clouds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

TABLE = "bridge daskfleet"
EVERY_PROTOCOL = "-1"
EVERY_PORT = (0, 65535)
NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1"}


@dataclass(frozen=True)
class Rule:
    """Packets, and what becomes of them."""

    protocol: str
    """`tcp`, `udp`, or the number of another; `-1` is every protocol."""
    ports: tuple[int, int]
    """First and last port, of TCP and UDP."""
    networks: tuple[str, ...]
    """Of whom the machine talks with."""
    groups: tuple[str, ...]
    """The same, by the names of groups of machines."""
    verdict: str = "accept"
    """`accept` or `drop`."""


@dataclass(frozen=True)
class Policy:
    """What one machine lets in, and reaches: of each list the first rule that fits decides, and no rule is a no."""

    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class PacketFilter:
    """All machines' policies."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    """By the machines' addresses. Other machines are not filtered."""
    groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The addresses of groups that rules name. One that is not here is empty."""


def render_table(packet_filter: PacketFilter, always_open: Iterable[tuple[str, int]]) -> str:
    """The commands for `nft -f` that make it true, whatever was true before.

    Args:
        always_open: addresses and ports that every machine reaches.
    """
    names = {group: f"group_{number}" for number, group in enumerate(sorted(packet_filter.groups))}
    policies = packet_filter.policies
    return "\n".join(
        [
            f"table {TABLE}",
            f"delete table {TABLE}",
            f"table {TABLE} {{",
            *(_render_set(names[group], packet_filter.groups[group]) for group in names),
            "chain always {",
            "meta protocol arp accept",
            "ip protocol icmp accept",
            "tcp flags & (syn | ack) != syn accept",
            *(f"ip daddr {address} tcp dport {port} accept" for address, port in always_open),
            "}",
            *_render_direction("ingress", "saddr", "daddr", policies, names),
            *_render_direction("egress", "daddr", "saddr", policies, names),
            # Between machines both count; the gateway is no machine, so it has no rules of its own.
            "chain forwarded_from { type filter hook forward priority -10; jump egress; }",
            "chain forwarded_to { type filter hook forward priority 0; jump ingress; }",
            "chain from_the_gateway { type filter hook output priority 0; jump ingress; }",
            "chain to_the_gateway { type filter hook input priority 0; jump egress; }",
            "}",
            "",
        ]
    )


def _render_set(name: str, addresses: Collection[str]) -> str:
    elements = f" elements = {{ {', '.join(sorted(addresses))} }};" if addresses else ""
    return f"set {name} {{ type ipv4_addr;{elements} }}"


def _render_direction(
    direction: str, peer: str, own: str, policies: Mapping[str, Policy], names: Mapping[str, str]
) -> Iterator[str]:
    """A chain for each machine, and the one that chooses among them."""
    chains = {}
    for address, policy in sorted(policies.items()):
        chain = chains[address] = f"{direction}_{address.replace('.', '_')}"
        yield f"chain {chain} {{"
        for rule in getattr(policy, direction):
            yield from _render_rule(rule, peer, names)
        yield "counter drop"
        yield "}"
    yield f"chain {direction} {{"
    yield "jump always"
    if chains:
        yield f"ip {own} vmap {{ {', '.join(f'{address} : goto {chain}' for address, chain in chains.items())} }}"
    yield "}"


def _render_rule(rule: Rule, peer: str, names: Mapping[str, str]) -> Iterator[str]:
    first, last = rule.ports
    if rule.protocol == EVERY_PROTOCOL:
        what = ""
    elif rule.protocol in ("tcp", "udp"):
        what = f"{rule.protocol} dport {first}-{last} "
    else:
        what = f"ip protocol {NUMBERS.get(rule.protocol, rule.protocol)} "
    for peers in (*rule.networks, *(f"@{names[group]}" for group in rule.groups if group in names)):
        yield f"ip {peer} {peers} {what}{rule.verdict}"
