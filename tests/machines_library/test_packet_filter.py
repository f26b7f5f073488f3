"""Who may reach whom, as the kernel takes it."""

from __future__ import annotations

from machines import Network, require_machines
from machines.launching.packet_filter import TABLE, PacketFilter, Policy, Rule, render_table

EVERYBODY = ("0.0.0.0/0",)


def test_nftables_takes_rules_of_every_kind_and_groups_that_are_gone(network: Network):
    require_machines("nft")
    kinds = [Rule(protocol, (7, 9), EVERYBODY, ("sg-1", "gone")) for protocol in ("tcp", "udp", "icmp", "50", "-1")]
    policies = {
        "10.77.0.10": Policy(tuple(kinds), tuple(kinds)),
        "10.77.0.11": Policy((Rule("-1", (0, 65535), EVERYBODY, (), "drop"), *kinds), ()),
        "10.77.0.12": Policy(),
    }
    filled = PacketFilter(policies, {"sg-1": ["10.77.0.10", "10.77.0.11"], "a@b.iam.gserviceaccount.com": []})
    for packet_filter in (PacketFilter(), filled):
        network.run_inside(["nft", "-f", "-"], input=render_table(packet_filter, [("10.77.0.1", 5000)]))
    kept = network.run_inside(["nft", "list", "table", *TABLE.split()]).stdout
    chain = kept.partition("chain ingress_10_77_0_11 {")[2].partition("}")[0]
    refusal, *opening, last = (line.strip() for line in chain.splitlines()[1:-1])
    assert refusal == "ip saddr 0.0.0.0/0 drop"
    assert [line.partition(" ")[0] for line in opening] == ["ip"] * 10
    assert all(line.endswith("accept") for line in opening)
    assert last == "counter packets 0 bytes 0 drop"
