"""All resource types and functions that the stand-in knows."""

from __future__ import annotations

from collections.abc import Mapping

from stand_ins.core.provider import Function
from stand_ins.core.resource import Resource
from stand_ins.gcp import (
    accounts,
    addresses,
    firewalls,
    groups,
    health_checks,
    instances,
    invokes,
    networks,
    policies,
    resource_policies,
    routers,
    secrets,
    templates,
)
from stand_ins.gcp.call import Call

TYPES: tuple[type[Resource[Call]], ...] = (
    accounts.Account,
    addresses.Address,
    firewalls.Firewall,
    groups.RegionInstanceGroupManager,
    health_checks.RegionHealthCheck,
    instances.Instance,
    networks.Network,
    networks.Subnetwork,
    policies.BucketMember,
    policies.ProjectMember,
    policies.SecretMember,
    resource_policies.ResourcePolicy,
    routers.Router,
    routers.RouterNat,
    secrets.Secret,
    secrets.SecretVersion,
    templates.RegionInstanceTemplate,
)
RESOURCES: Mapping[str, Resource[Call]] = {kind.token: kind() for kind in TYPES}
FUNCTIONS: Mapping[str, Function[Call]] = invokes.FUNCTIONS
