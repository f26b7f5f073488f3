"""What AWS still has of a fleet, by another way than that of the command that says "nothing left"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

EC2_KINDS = (
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_nat_gateways", "NatGateways", "NatGatewayId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("describe_addresses", "Addresses", "AllocationId"),
    ("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("describe_placement_groups", "PlacementGroups", "GroupName"),
    ("describe_key_pairs", "KeyPairs", "KeyPairId"),
    ("describe_volumes", "Volumes", "VolumeId"),
    ("describe_instances", "Reservations", "InstanceId"),
)


def _flatten(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in items:
        yield from each.get("Instances", [each])


def find_tagged(call: Callable[..., dict[str, Any]], fleet: str) -> list[str]:
    """Everything that AWS has with the fleet's tag, path or name, but for what it has removed and still tells of.

    Args:
        call: calls an operation, `call("ec2", "describe_vpcs", …)`.
    """
    found: list[str] = []
    wanted = [{"Name": "tag:daskfleet:fleet", "Values": [fleet]}]
    for operation, key, name in EC2_KINDS:
        items = _flatten(call("ec2", operation, Filters=wanted)[key])
        # moto heeds neither the filter nor, below, the prefix for every kind.
        found += [
            each[name] for each in items if _read_tags(each).get("daskfleet:fleet") == fleet and not _is_gone(each)
        ]
    for group in call("autoscaling", "describe_auto_scaling_groups")["AutoScalingGroups"]:
        if _read_tags(group).get("daskfleet:fleet") == fleet:
            found.append(group["AutoScalingGroupName"])
    path = f"/daskfleet/{fleet}/"
    roles = call("iam", "list_roles", PathPrefix=path)["Roles"]
    found += [each["RoleName"] for each in roles if each["Path"].startswith(path)]
    profiles = call("iam", "list_instance_profiles", PathPrefix=path)["InstanceProfiles"]
    found += [each["InstanceProfileName"] for each in profiles if each["Path"].startswith(path)]
    secrets = call("secretsmanager", "list_secrets", IncludePlannedDeletion=True)["SecretList"]
    found += [each["Name"] for each in secrets if each["Name"].startswith(f"daskfleet/{fleet}/")]
    groups = call("logs", "describe_log_groups", logGroupNamePrefix=path)["logGroups"]
    return found + [each["logGroupName"] for each in groups]


def take_stock(call: Callable[..., dict[str, Any]], fleet: str) -> Counter[str]:
    """How many things of each kind there are, by their identifiers; and rules, routes and policies."""
    # `vpc-4e17…`, and `/daskfleet/research/2026…` with a number of its own.
    stock = Counter(each.split("-")[0].rstrip("0123456789") for each in find_tagged(call, fleet))
    wanted = [{"Name": "tag:daskfleet:fleet", "Values": [fleet]}]
    groups = call("ec2", "describe_security_groups", Filters=wanted)["SecurityGroups"]
    narrow = [{"Name": "group-id", "Values": [each["GroupId"] for each in groups]}]
    stock["rule"] = len(call("ec2", "describe_security_group_rules", Filters=narrow)["SecurityGroupRules"])
    for table in call("ec2", "describe_route_tables", Filters=wanted)["RouteTables"]:
        stock["route"] += len(table["Routes"])
        stock["association"] += len(table["Associations"])
    for role in call("iam", "list_roles")["Roles"]:
        if role["Path"] != f"/daskfleet/{fleet}/":
            continue
        stock["policy"] += len(call("iam", "list_role_policies", RoleName=role["RoleName"])["PolicyNames"])
    return stock


def _read_tags(each: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in each.get("Tags") or each.get("TagSet") or []}


def _is_gone(each: dict[str, Any]) -> bool:
    state = each.get("State")
    return (state["Name"] if isinstance(state, dict) else state) in ("deleted", "terminated")
