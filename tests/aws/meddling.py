"""What somebody does to a fleet in AWS who knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPEN = {"IpProtocol": "tcp", "FromPort": 8786, "ToPort": 8786, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}

Call = Callable[..., dict[str, Any]]
"""`call("ec2", "describe_vpcs")`."""


def find(call: Call, fleet: str, operation: str, key: str, role: str = "") -> list[dict[str, Any]]:
    """What of EC2's the fleet has of a kind."""
    tags = {"daskfleet:fleet": fleet, **({"daskfleet:role": role} if role else {})}
    wanted = [{"Name": f"tag:{tag}", "Values": [value]} for tag, value in tags.items()]
    found: list[dict[str, Any]] = call("ec2", operation, Filters=wanted)[key]
    return found


def find_security_group(call: Call, fleet: str, role: str) -> str:
    identity: str = find(call, fleet, "describe_security_groups", "SecurityGroups", role)[0]["GroupId"]
    return identity


def meddle(call: Call, fleet: str) -> set[tuple[str, str]]:
    """Delete a rule and a route, and change a tag."""
    group = find_security_group(call, fleet, "scheduler")
    narrow = [{"Name": "group-id", "Values": [group]}]
    rules = call("ec2", "describe_security_group_rules", Filters=narrow)["SecurityGroupRules"]
    rule = next(each["SecurityGroupRuleId"] for each in rules if not each["IsEgress"])
    call("ec2", "revoke_security_group_ingress", GroupId=group, SecurityGroupRuleIds=[rule])
    table = next(
        each["RouteTableId"]
        for each in find(call, fleet, "describe_route_tables", "RouteTables")
        if any(route.get("NatGatewayId") for route in each["Routes"])
    )
    call("ec2", "delete_route", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    vpc = find(call, fleet, "describe_vpcs", "Vpcs")[0]["VpcId"]
    call("ec2", "create_tags", Resources=[vpc], Tags=[{"Key": "daskfleet:role", "Value": "mine"}])
    return {("vpc.SecurityGroupIngressRule", "delete"), ("ec2.Route", "delete"), ("ec2.Vpc", "update")}


def open_to_all(call: Call, fleet: str) -> str:
    """Let everybody reach the scheduler."""
    group = find_security_group(call, fleet, "scheduler")
    call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[OPEN])
    return "tcp 8786 from 0.0.0.0/0"
