"""What the stand-in knows: resource types and functions, by their tokens."""

from __future__ import annotations

from collections.abc import Mapping

from stand_ins.aws import autoscaling, iam, instances, logs, network, secrets, security_groups
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
    instances.KeyPair,
    instances.LaunchTemplate,
    instances.NetworkInterface,
    logs.LogGroup,
    network.Eip,
    network.InternetGateway,
    network.NatGateway,
    network.Route,
    network.RouteTable,
    network.RouteTableAssociation,
    network.Subnet,
    network.Vpc,
    network.VpcEndpoint,
    secrets.Secret,
    secrets.SecretVersion,
    security_groups.DefaultSecurityGroup,
    security_groups.EgressRule,
    security_groups.IngressRule,
    security_groups.SecurityGroup,
)
RESOURCES: Mapping[str, Resource[Call]] = {kind.token: kind() for kind in TYPES}
