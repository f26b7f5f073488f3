"""What the stand-in knows: resource types and functions, by their tokens."""

from __future__ import annotations

from collections.abc import Mapping

from stand_ins.aws import (
    autoscaling,
    endpoints,
    gateways,
    iam,
    instances,
    interfaces,
    key_pairs,
    launch_templates,
    logs,
    placement_groups,
    routes,
    secrets,
    security_group_rules,
    security_groups,
    vpcs,
)
from stand_ins.aws.call import Call
from stand_ins.aws.invokes import FUNCTIONS
from stand_ins.core.resource import Resource

__all__ = ["FUNCTIONS", "RESOURCES"]

TYPES: tuple[type[Resource[Call]], ...] = (
    autoscaling.Group,
    iam.InstanceProfile,
    iam.Role,
    iam.RolePolicy,
    iam.RolePolicyAttachment,
    instances.Instance,
    key_pairs.KeyPair,
    launch_templates.LaunchTemplate,
    interfaces.NetworkInterface,
    logs.LogGroup,
    placement_groups.PlacementGroup,
    gateways.Eip,
    gateways.InternetGateway,
    gateways.NatGateway,
    routes.Route,
    routes.RouteTable,
    routes.RouteTableAssociation,
    vpcs.Subnet,
    vpcs.Vpc,
    endpoints.VpcEndpoint,
    secrets.Secret,
    secrets.SecretVersion,
    security_groups.DefaultSecurityGroup,
    security_group_rules.EgressRule,
    security_group_rules.IngressRule,
    security_groups.SecurityGroup,
)
RESOURCES: Mapping[str, Resource[Call]] = {kind.token: kind() for kind in TYPES}
