"""Rules in a fleet's security groups that its stack has not made: somebody opened something by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, find_tag
from daskfleet.providers.stack.aws.tags import FLEET_TAG, GROUP_TAG
from daskfleet.providers.stack.cloud import Leftover

RULE = "security group rule"


def find_openings(clients: Clients, fleet: str) -> list[Leftover]:
    """The rules that let somebody in and lack the fleet's tag. Two calls."""
    client = clients.get("ec2")
    with explain_aws_errors():
        pages = client.get_paginator("describe_security_groups").paginate(
            Filters=[{"Name": f"tag:{FLEET_TAG}", "Values": [fleet]}]
        )
        groups = {each["GroupId"]: each for page in pages for each in page["SecurityGroups"]}
        if not groups:
            return []
        rules = client.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": sorted(groups)}]
        )
        return [
            Leftover(
                RULE,
                rule["SecurityGroupRuleId"],
                describe_rule(rule, groups[rule["GroupId"]].get("GroupName", rule["GroupId"])),
                find_tag(groups[rule["GroupId"]], GROUP_TAG),
                rule,
            )
            for page in rules
            for rule in page["SecurityGroupRules"]
            if rule["GroupId"] in groups and not rule["IsEgress"] and find_tag(rule, FLEET_TAG) != fleet
        ]


def describe_rule(rule: Mapping[str, Any], group: str) -> str:
    """`tcp 22 from 0.0.0.0/0 into research-scheduler`. Pure."""
    protocol = {"-1": "everything"}.get(str(rule.get("IpProtocol")), str(rule.get("IpProtocol")))
    low, high = rule.get("FromPort", -1), rule.get("ToPort", -1)
    ports = "" if low in (-1, None) else f" {low}" if low == high else f" {low}-{high}"
    source = (
        rule.get("CidrIpv4")
        or rule.get("CidrIpv6")
        or rule.get("PrefixListId")
        or (rule.get("ReferencedGroupInfo") or {}).get("GroupId")
        or "somewhere"
    )
    return f"{protocol}{ports} from {source} into {group}"
