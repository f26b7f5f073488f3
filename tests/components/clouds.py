"""The clouds whose plans are looked at, by what is asked of each in its own words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from components import aws_specs, azure_specs, gcp_specs
from components.aws_cloud import Aws
from components.azure_cloud import Azure
from components.gcp_cloud import Gcp
from components.plans import Cloud, Plan

OutsideRules = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Looked:
    """One cloud."""

    make: Callable[[], Cloud]
    specs: dict[str, tuple[str, ...]]
    """Fleet files by name; of several fleets in one program, several."""
    closed: tuple[str, ...]
    """Those that name no network to be let in."""
    find_user_data: Callable[[Plan], list[str]]
    find_outside_rules: Callable[[Plan], OutsideRules]
    """Who is let in that is not of the fleet, and where: networks and ports."""
    find_marks: Callable[[str, dict[str, Any]], dict[str, str] | None]
    """The tags of a resource; `None` where its kind has none."""
    more: str
    """How one machine is asked for in the file `minimal`: to be replaced."""
    secret_source: str
    """Where its machines' documents say that secrets are."""


def find_documents(cloud: Looked, plan: Plan) -> list[dict[str, Any]]:
    """The node documents that the plan's machines get."""
    texts = cloud.find_user_data(plan)
    assert texts
    return [json.loads(yaml.safe_load(text)["write_files"][0]["content"]) for text in texts]


def _find_aws_user_data(plan: Plan) -> list[str]:
    texts = [inputs["userData"] for inputs in plan.find("aws:ec2/instance:Instance").values()]
    templates = plan.find("aws:ec2/launchTemplate:LaunchTemplate").values()
    return [*texts, *(base64.b64decode(inputs["userData"]).decode() for inputs in templates)]


def _find_aws_outside_rules(plan: Plan) -> OutsideRules:
    own = {vpc["cidrBlock"] for vpc in plan.find("aws:ec2/vpc:Vpc").values()}
    for group in plan.find("aws:ec2/securityGroup:SecurityGroup").values():
        assert not group.get("ingress")
    rules = plan.find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert rules
    for rule in rules.values():
        if "cidrIpv4" in rule and rule["cidrIpv4"] not in own:
            yield rule["cidrIpv4"], f"{rule['ipProtocol']} {rule['fromPort']:g}-{rule['toPort']:g}"


AWS_TAGLESS = ("Route", "RouteTableAssociation", "RolePolicy", "SecretVersion")
"""AWS has no tags for these; they go with what they belong to."""


def _find_aws_marks(kind: str, inputs: dict[str, Any]) -> dict[str, str] | None:
    if not kind.startswith("aws:") or kind.rpartition(":")[2] in AWS_TAGLESS:
        return None
    tags = inputs["tags"]
    named = {each["key"]: each["value"] for each in tags} if isinstance(tags, list) else tags
    return {key.replace(":", "-"): value for key, value in named.items()}


GCP_HEALTH_CHECKERS = {"35.191.0.0/16", "130.211.0.0/22"}
"""Google's own, which nobody else can send from."""

GCP_PARTS = ("RouterNat", "IAMMember", "SecretIamMember", "SecretVersion", "BucketIAMMember")
"""Parts of other things, which go with what they belong to."""


def _find_gcp_user_data(plan: Plan) -> list[str]:
    kinds = ("gcp:compute/instance:Instance", "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate")
    return [inputs["metadata"]["user-data"] for kind in kinds for inputs in plan.find(kind).values()]


def _find_gcp_outside_rules(plan: Plan) -> OutsideRules:
    rules = plan.find("gcp:compute/firewall:Firewall")
    assert rules
    for rule in rules.values():
        assert rule["direction"] == "INGRESS"
        assert rule["targetServiceAccounts"]
        assert not rule.get("sourceTags")
        assert rule.get("sourceRanges") or rule.get("sourceServiceAccounts"), "otherwise everybody is let in"
        for network in set(rule.get("sourceRanges", ())) - GCP_HEALTH_CHECKERS:
            for allowed in rule["allows"]:
                ports = [port if "-" in port else f"{port}-{port}" for port in allowed["ports"]]
                yield network, f"{allowed['protocol']} {' '.join(ports)}"


def _find_gcp_marks(kind: str, inputs: dict[str, Any]) -> dict[str, str] | None:
    if not kind.startswith("gcp:") or kind.rpartition(":")[2] in GCP_PARTS:
        return None
    if "description" in inputs:
        return dict(each.split("=") for each in inputs["description"].split(" "))
    return dict(inputs["labels"])


def _find_azure_user_data(plan: Plan) -> list[str]:
    profiles = [
        *(inputs["osProfile"] for inputs in plan.find("azure-native:compute:VirtualMachine").values()),
        *(
            inputs["virtualMachineProfile"]["osProfile"]
            for inputs in plan.find("azure-native:compute:VirtualMachineScaleSet").values()
        ),
    ]
    return [base64.b64decode(profile["customData"]).decode() for profile in profiles]


def _find_azure_outside_rules(plan: Plan) -> OutsideRules:
    groups = plan.find("azure-native:network:NetworkSecurityGroup")
    assert groups
    for group in groups.values():
        *allowed, last = sorted(group["securityRules"], key=lambda rule: rule["priority"])
        assert (last["access"], last["sourceAddressPrefix"], last["destinationPortRange"]) == ("Deny", "*", "*")
        assert last["priority"] == 4096, "after it come Azure's own rules, which let in the whole network"
        for rule in allowed:
            assert (rule["direction"], rule["access"]) == ("Inbound", "Allow")
            assert rule["destinationApplicationSecurityGroups"]
            assert "sourceAddressPrefix" not in rule
            assert rule.get("sourceAddressPrefixes") or rule.get("sourceApplicationSecurityGroups")
            port = rule["destinationPortRange"]
            for network in rule.get("sourceAddressPrefixes", ()):
                yield network, f"{rule['protocol'].lower()} {port if '-' in port else f'{port}-{port}'}"


AZURE_TAGLESS = ("RoleAssignment", "BlobContainer")
"""Azure has no tags for these; they go with what they belong to."""


def _find_azure_marks(kind: str, inputs: dict[str, Any]) -> dict[str, str] | None:
    if not kind.startswith("azure-native:") or kind.rpartition(":")[2] in AZURE_TAGLESS:
        return None
    return {key.replace(":", "-"): value for key, value in inputs["tags"].items()}


CLOUDS = {
    "aws": Looked(
        Aws,
        aws_specs.SPECS,
        aws_specs.DEFAULTS,
        _find_aws_user_data,
        _find_aws_outside_rules,
        _find_aws_marks,
        "m7i.large]",
        "aws-secrets-manager",
    ),
    "azure": Looked(
        Azure,
        azure_specs.SPECS,
        azure_specs.DEFAULTS,
        _find_azure_user_data,
        _find_azure_outside_rules,
        _find_azure_marks,
        "Standard_D8s_v5]",
        "azure-key-vault",
    ),
    "gcp": Looked(
        Gcp,
        gcp_specs.SPECS,
        gcp_specs.DEFAULTS,
        _find_gcp_user_data,
        _find_gcp_outside_rules,
        _find_gcp_marks,
        "n2-standard-8]",
        "gcp-secret-manager",
    ),
}
