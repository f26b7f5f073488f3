"""The policy that the docs give: it allows every call that a fleet makes in its life, and nothing without a reason."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest

from aws.region import Region
from clouds.fleets import live_through

POLICY = Path(__file__).parents[2] / "docs/_data/aws-policy.json"

NAMES = {"tagging": "tag"}
"""Services that policies call otherwise than requests are signed for."""

UNSEEN = {
    "ec2:DeleteTags": "a tag is removed from the fleet file",
    "ec2:ModifyInstanceAttribute": "the provider changes an instance in place",
    "ec2:ModifyNetworkInterfaceAttribute": "the provider changes an interface in place",
    "ec2:ModifySubnetAttribute": "the provider changes a subnet in place",
    "ec2:ModifyVpcEndpoint": "the provider changes an endpoint in place",
    "ec2:CreateLaunchTemplateVersion": "a group is changed",
    "ec2:ModifyLaunchTemplate": "a group is changed",
    "ec2:DeleteLaunchTemplateVersions": "a group is changed",
    "ec2:DetachNetworkInterface": "what a killed update left is removed",
    "ec2:DeleteVolume": "what a killed update left is removed",
    "ec2:ReplaceRoute": "a route that was changed by hand is mended",
    "ec2:StopInstances": "the scheduler gets another instance type",
    "ec2:StartInstances": "the scheduler gets another instance type",
    "iam:PassRole": "AWS asks for it where a machine is given its role",
    "iam:TagRole": "AWS asks for it where what is made has tags",
    "iam:UntagRole": "a tag is removed from the fleet file",
    "iam:TagInstanceProfile": "AWS asks for it where what is made has tags",
    "iam:UntagInstanceProfile": "a tag is removed from the fleet file",
    "iam:CreateServiceLinkedRole": "an account's first Auto Scaling group, and its first spot machine",
    "iam:UpdateAssumeRolePolicy": "the provider changes a role in place",
    "secretsmanager:TagResource": "AWS asks for it where what is made has tags",
    "secretsmanager:UntagResource": "a tag is removed from the fleet file",
    "secretsmanager:UpdateSecret": "the provider changes a secret in place",
    "secretsmanager:UpdateSecretVersionStage": "a secret gets another value",
    "logs:TagResource": "AWS asks for it where what is made has tags",
    "logs:UntagResource": "a tag is removed from the fleet file",
    "autoscaling:CreateOrUpdateTags": "AWS asks for it where what is made has tags",
    "autoscaling:DeleteTags": "a tag is removed from the fleet file",
    "autoscaling:UpdateAutoScalingGroup": "a group is changed, or takes on-demand machines for spot",
    "autoscaling:TerminateInstanceInAutoScalingGroup": "idle workers leave first",
}
"""What the life below does not call, and why it is allowed all the same."""


def read_actions() -> list[str]:
    policy: dict[str, Any] = json.loads(POLICY.read_text())
    return [action for statement in policy["Statement"] for action in statement["Action"]]


@pytest.mark.slow
def test_the_policy_allows_what_a_fleets_life_needs_and_nothing_without_a_reason(region: Region) -> None:
    live_through(region, network="{zones: 2, egress: nat-per-zone}")
    live_through(region, network="{egress: none}", access="{mode: private}")
    made = {rename(call.name) for call in region.proxy.calls}
    allowed = read_actions()
    assert {name for name in made if not any(fnmatch.fnmatchcase(name, each) for each in allowed)} == set()
    assert {each for each in allowed if not is_reading(each)} - made == set(UNSEEN)


def rename(name: str) -> str:
    service, _, action = name.partition(":")
    return f"{NAMES.get(service, service)}:{action}"


def is_reading(action: str) -> bool:
    return action.partition(":")[2].startswith(("Describe", "Get", "List"))


def test_no_statement_allows_everything() -> None:
    policy = json.loads(POLICY.read_text())
    for statement in policy["Statement"]:
        assert "*" not in statement["Action"]
        assert not any("*" in action and not is_reading(action) for action in statement["Action"])
