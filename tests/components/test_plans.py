"""What the spec of a fleet in AWS becomes: golden plans, and what holds in every one of them.

`DASKFLEET_UPDATE_GOLDEN=1 pytest tests/components` writes the goldens anew; read the difference before you commit it.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.plans import KEY, Plan, record_specs, render_plan
from daskfleet_images.node.document import parse_node_document

GOLDEN = Path(__file__).parent / "golden"

SPECS: dict[str, tuple[str, ...]] = {
    "minimal": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
""",
    ),
    "spot-fallback-two-types": (
        """
name: research
provider: aws
region: eu-west-1
workers:
  - {name: cpu, instance_types: [m7i.2xlarge, m6i.2xlarge], count: 20, spot: fallback, threads: 4, memory_limit: 8GiB}
tags: {team: climate}
""",
    ),
    "cluster": (
        """
name: research
provider: aws
region: eu-west-1
workers:
  - {name: cpu, instance_types: [c7i.8xlarge], count: 4, placement: cluster}
  - {name: more, instance_types: [m7i.large]}
""",
    ),
    "gpu": (
        """
name: research
provider: aws
region: eu-west-1
scheduler: {instance_type: m7g.large, volume_size: 30}
workers:
  - {name: cpu, instance_types: [m7g.xlarge], count: 2}
  - {name: gpu, instance_types: [g6.xlarge], count: 1, spot: only, volume_size: 200}
""",
    ),
    "existing-vpc": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
network: {vpc: vpc-0a1b2c3d4e5f60718, subnets: [subnet-0a1b2c3d4e5f60718, subnet-0a1b2c3d4e5f60719]}
access: {mode: direct, allowed_cidrs: [10.20.0.0/16]}
image: {id: ami-0000000000000000f}
""",
    ),
    "private": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large], count: 3}]
network: {cidr: 10.77.0.0/16, zones: 3, egress: none}
data: {read: ["s3://climate/era5"], write: ["s3://results"]}
""",
    ),
    "public": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
network: {egress: public-ip}
access: {mode: direct, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "ssh": (
        """
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large]}]
access: {mode: ssh, allowed_cidrs: [198.51.100.7/32]}
""",
    ),
    "two-fleets": tuple(
        f"""
name: {name}
provider: aws
region: eu-west-1
workers: [{{name: cpu, instance_types: [m7i.large]}}]
"""
        for name in ("one", "two")
    ),
}
DEFAULTS = ("minimal", "spot-fallback-two-types", "gpu", "private", "two-fleets")
"""Those that name no network to be let in."""

TAGLESS = ("Route", "RouteTableAssociation", "RolePolicy", "SecretVersion")
"""AWS has no tags for these; they go with what they belong to."""


@pytest.fixture(scope="module", params=SPECS)
def case(request: pytest.FixtureRequest) -> tuple[str, Plan]:
    return request.param, record_specs(*SPECS[request.param])


def test_a_plan_is_the_golden_one(case: tuple[str, Plan]) -> None:
    name, plan = case
    file = GOLDEN / f"{name}.yaml"
    text = render_plan(plan)
    if os.environ.get("DASKFLEET_UPDATE_GOLDEN") == "1":
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_no_private_key_stands_in_a_plan(case: tuple[str, Plan]) -> None:
    text = render_plan(case[1])
    assert "[secret]" in text
    for part in ("PRIVATE KEY", "MOCKED", base64.b64encode(KEY.encode()).decode()[:40]):
        assert part not in text


@pytest.mark.parametrize("name", SPECS)
def test_no_golden_holds_a_private_key(name: str) -> None:
    assert "PRIVATE KEY" not in (GOLDEN / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", DEFAULTS)
def test_no_default_lets_anybody_in_from_outside(name: str) -> None:
    plan = record_specs(*SPECS[name])
    rules = plan.find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert rules
    outside = {rule["cidrIpv4"] for rule in rules.values() if "cidrIpv4" in rule}
    own = {vpc["cidrBlock"] for vpc in plan.find("aws:ec2/vpc:Vpc").values()}
    assert outside <= own
    for group in plan.find("aws:ec2/securityGroup:SecurityGroup").values():
        assert not group.get("ingress")


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


def test_everything_that_can_have_tags_has_the_fleets(case: tuple[str, Plan]) -> None:
    for key, inputs in case[1].resources.items():
        kind = key.partition(" ")[0]
        if not kind.startswith("aws:") or kind.rpartition(":")[2] in TAGLESS:
            continue
        tags = inputs["tags"]
        named = {each["key"]: each["value"] for each in tags} if isinstance(tags, list) else tags
        assert named["daskfleet:fleet"] in ("research", "one", "two"), key
        assert named["daskfleet:role"], key


def test_user_data_is_a_node_document_and_no_secret(case: tuple[str, Plan]) -> None:
    for document in find_documents(case[1]):
        node = parse_node_document(json.dumps(document))
        assert node.tls.source == "aws-secrets-manager"
        assert node.logs is not None


def test_machines_with_gpus_run_a_worker_on_each() -> None:
    plan = record_specs(*SPECS["gpu"])
    gpu = next(each for each in find_documents(plan) if each.get("group") == "gpu")
    assert (gpu["workers"], gpu["resources"], gpu["watch"]) == ("per-gpu", {"GPU": 1}, "aws-interruptions")
    assert plan.outputs["resources"]["groups"]["gpu"]["workers_per_instance"] == 1


def test_a_fleet_of_a_thousand_machines_has_as_many_resources_as_one() -> None:
    few = record_specs(SPECS["minimal"][0])
    many = record_specs(SPECS["minimal"][0].replace("m7i.large]", "m7i.large], count: 1000"))
    assert few.resources.keys() == many.resources.keys()


def test_the_exported_connection_is_the_contract() -> None:
    from daskfleet_stacks.connection import validate_connection

    outputs = dict(record_specs(*SPECS["minimal"]).outputs)
    resources = outputs.pop("resources")
    connection = validate_connection(outputs)
    assert connection.scheduler_address == "tls://10.0.0.10:8786"
    assert connection.security.tls_client_key == KEY
    assert resources["groups"]["cpu"]["auto_scaling_group"]
    assert resources["connection_secret"].endswith("research-client")


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


def find_documents(plan: Plan) -> list[dict[str, Any]]:
    """The node documents that the plan's machines get."""
    texts = [inputs["userData"] for inputs in plan.find("aws:ec2/instance:Instance").values()]
    texts += [
        base64.b64decode(inputs["userData"]).decode()
        for inputs in plan.find("aws:ec2/launchTemplate:LaunchTemplate").values()
    ]
    assert texts
    return [json.loads(yaml.safe_load(text)["write_files"][0]["content"]) for text in texts]
