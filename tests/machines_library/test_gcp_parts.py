"""What Compute Engine describes, as machines and as a packet filter."""

from __future__ import annotations

from typing import Any

from machines.gcp.firewalls import plan_filter
from machines.gcp.instances import GcpInstance, parse_instance
from machines.launching.packet_filter import EVERY_PORT, Rule

BASE = "https://www.googleapis.com/compute/v1/projects/lab"
EVERYTHING = Rule("-1", EVERY_PORT, ("0.0.0.0/0",), ())
DESCRIBED: dict[str, Any] = {
    "id": "1234567890123456789",
    "name": "research-cpu-x7k2",
    "status": "RUNNING",
    "zone": f"{BASE}/zones/europe-west4-a",
    "machineType": f"{BASE}/zones/europe-west4-a/machineTypes/n2-standard-2",
    "disks": [{"boot": True, "source": f"{BASE}/zones/europe-west4-a/disks/research-cpu-x7k2"}],
    "networkInterfaces": [{"network": f"{BASE}/global/networks/research", "networkIP": "10.78.0.7"}],
    "serviceAccounts": [{"email": "worker@lab.iam.gserviceaccount.com", "scopes": ["https://x/cloud-platform"]}],
    "labels": {"daskfleet-fleet": "research"},
    "tags": {"fingerprint": "x"},
    "metadata": {
        "items": [
            {"key": "user-data", "value": "#cloud-config\n"},
            {"key": "ssh-keys", "value": "fleet:ssh-ed25519 AAAA fleet\nsomebody:ssh-ed25519 BBBB somebody"},
            {"key": "created-by", "value": "projects/1/regions/europe-west4/instanceGroupManagers/cpu"},
        ]
    },
}


def test_an_instance_is_what_compute_engine_describes():
    instance = parse_instance(DESCRIBED, "daskfleet")
    assert (instance.id, instance.name, instance.runs) == ("1234567890123456789", "research-cpu-x7k2", True)
    assert (instance.group, instance.network, instance.zone) == ("cpu", "research", "europe-west4-a")
    assert (instance.type, instance.image, instance.address) == ("n2-standard-2", "daskfleet", "10.78.0.7")
    assert instance.account == "worker@lab.iam.gserviceaccount.com"
    assert instance.public_keys == ["ssh-ed25519 AAAA fleet"]
    assert instance.disk == "/compute/v1/projects/lab/zones/europe-west4-a/disks/research-cpu-x7k2"


def test_an_instance_of_nobodys_and_without_an_account_may_be_off():
    bare = {**DESCRIBED, "status": "TERMINATED", "serviceAccounts": [], "metadata": {}}
    instance = parse_instance(bare, "")
    assert (instance.group, instance.account, instance.public_keys) == (None, None, [])
    assert (instance.runs, instance.is_off) == (False, True)


def make(name: str, address: str, account: str, network: str = "research", *tags: str) -> GcpInstance:
    named = {"id": name, "name": name, "state": "running", "image": "", "type": "", "zone": "", "disk": ""}
    return GcpInstance(**named, address=address, account=account, network=network, tags=tags)


SCHEDULER, WORKER = make("1", "10.78.0.5", "scheduler@lab"), make("2", "10.78.0.7", "worker@lab")
OTHER = make("3", "10.79.0.5", "worker@lab", "other", "web")


def firewall(**changes: Any) -> dict[str, Any]:
    return {"network": f"{BASE}/global/networks/research", "priority": 1000, "direction": "INGRESS", **changes}


def test_rules_for_a_service_account_let_those_of_another_in():
    rule = firewall(
        sourceServiceAccounts=["worker@lab"],
        targetServiceAccounts=["scheduler@lab"],
        allowed=[{"IPProtocol": "tcp", "ports": ["8786", "8788-8790"]}],
    )
    plan = plan_filter([rule], [SCHEDULER, WORKER])
    _, *rules = plan.policies["10.78.0.5"].ingress
    assert rules == [
        Rule("tcp", (port, last), (), ("research account worker@lab",)) for port, last in ((8786, 8786), (8788, 8790))
    ]
    assert plan.policies["10.78.0.7"].ingress[1:] == ()
    assert plan.policies["10.78.0.7"].egress[-1] == EVERYTHING
    assert plan.groups["research account worker@lab"] == ["10.78.0.7"]


def test_the_rule_of_the_highest_priority_counts_first_and_of_equals_the_one_that_denies():
    rules = [
        firewall(priority=900, allowed=[{"IPProtocol": "tcp"}], sourceRanges=["10.0.0.0/8"]),
        firewall(priority=800, allowed=[{"IPProtocol": "udp"}], sourceTags=["web"]),
        firewall(priority=800, denied=[{"IPProtocol": "all"}], sourceRanges=["10.9.0.0/16", "fd00::/8"]),
        firewall(priority=1, allowed=[{"IPProtocol": "all"}], disabled=True),
        firewall(priority=1, allowed=[{"IPProtocol": "all"}], targetTags=["web"]),
        firewall(direction="EGRESS", denied=[{"IPProtocol": "all"}], destinationRanges=["192.0.2.0/24"]),
    ]
    policy = plan_filter(rules, [SCHEDULER]).policies["10.78.0.5"]
    assert policy.ingress[1:] == (
        Rule("-1", EVERY_PORT, ("10.9.0.0/16",), (), "drop"),
        Rule("udp", EVERY_PORT, (), ("research tag web",)),
        Rule("tcp", EVERY_PORT, ("10.0.0.0/8",), ()),
    )
    assert policy.egress[1:] == (Rule("-1", EVERY_PORT, ("192.0.2.0/24",), (), "drop"), EVERYTHING)


def test_what_is_in_another_network_is_out_of_reach():
    anybody = firewall(allowed=[{"IPProtocol": "all"}])
    plan = plan_filter([anybody], [WORKER, OTHER])
    first = Rule("-1", EVERY_PORT, (), ("not in research",), "drop")
    assert plan.policies["10.78.0.7"].ingress == (first, EVERYTHING)
    assert plan.policies["10.78.0.7"].egress[0] == first
    assert plan.groups["not in research"] == ["10.79.0.5"]
    assert plan.policies["10.79.0.5"].ingress == (Rule("-1", EVERY_PORT, (), ("not in other",), "drop"),)
