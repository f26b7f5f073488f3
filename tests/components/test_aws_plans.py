"""What the spec of a fleet in AWS becomes, where that is AWS's own."""

from __future__ import annotations

import pytest

from components.aws_cloud import Aws
from components.aws_specs import SPECS
from components.plans import KEY, Plan
from components.plans import record_specs as record_cloud_specs


def record_specs(*texts: str) -> Plan:
    return record_cloud_specs(Aws(), *texts)


def test_direct_access_opens_the_schedulers_port_to_the_named_networks_and_nothing_else() -> None:
    plan = record_specs(*SPECS["public"])
    rules = plan.find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").values()
    outside = [rule for rule in rules if "cidrIpv4" in rule]
    assert [(rule["cidrIpv4"], rule["fromPort"], rule["toPort"], rule["ipProtocol"]) for rule in outside] == [
        ("198.51.100.7/32", 8786, 8786, "tcp")
    ]
    assert plan.outputs["scheduler_address"] == "tls://198.51.100.99:8786"
    assert plan.outputs["access"] == {"mode": "direct", "host": "", "user": ""}


def test_access_by_ssh_opens_its_port_alone_and_the_address_is_the_one_behind_it() -> None:
    plan = record_specs(*SPECS["ssh"])
    rules = plan.find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").values()
    assert [(rule["cidrIpv4"], rule["fromPort"]) for rule in rules if "cidrIpv4" in rule] == [("198.51.100.7/32", 22)]
    assert plan.outputs["scheduler_address"] == "tls://10.0.0.10:8786"
    assert plan.outputs["access"] == {"mode": "ssh", "host": "198.51.100.99", "user": "fleet"}
    assert plan.outputs["security"]["ssh_key"] == KEY


def test_an_existing_vpc_is_used_and_nothing_is_made_in_it_but_machines_and_rules() -> None:
    plan = record_specs(*SPECS["existing-vpc"])
    for kind in ("Vpc", "Subnet", "NatGateway", "RouteTable", "VpcEndpoint"):
        assert plan.find(f"aws:ec2/{kind[0].lower()}{kind[1:]}:{kind}") == {}
    group = plan.find("aws:autoscaling/group:Group")["research-cpu"]
    assert group["vpcZoneIdentifiers"] == ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"]


@pytest.mark.parametrize(("egress", "gateways"), [("nat", 1), ("nat-per-zone", 3), ("public-ip", 0), ("none", 0)])
def test_each_way_out_costs_the_gateways_that_it_says(egress: str, gateways: int) -> None:
    plan = record_specs(f"{SPECS['minimal'][0]}network: {{zones: 3, egress: {egress}}}\n")
    assert len(plan.find("aws:ec2/natGateway:NatGateway")) == gateways
    assert len(plan.find("aws:autoscaling/group:Group")["research-cpu"]["vpcZoneIdentifiers"]) == 3
