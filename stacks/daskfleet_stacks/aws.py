"""From the spec of a fleet in AWS to its component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from daskfleet_components.aws import Fleet, FleetArgs
from daskfleet_stacks.exports import export_fleet
from daskfleet_stacks.groups import build_group_args, spell_cidrs
from daskfleet_stacks.spec import AwsFleetSpec


def deploy_aws(spec: AwsFleetSpec, versions: Mapping[str, str]) -> None:
    """Make the fleet, and export its connection and what it is made of."""
    provider = aws.Provider("aws", region=spec.region)
    opts = pulumi.ResourceOptions(providers=[provider])
    fleet = Fleet(spec.name, build_fleet_args(spec, versions), opts=opts)
    export_fleet(fleet.connection, {**fleet.resources, "connection_secret": fleet.connection_secret_arn})


def build_fleet_args(spec: AwsFleetSpec, versions: Mapping[str, str]) -> FleetArgs:
    """The component's arguments for a spec. Pure.

    Args:
        versions: what an image of a family must hold: what the client runs.
    """
    network: Any = spec.network.model_dump(include={"cidr", "zones", "egress"})
    if spec.network.vpc is not None:
        network = {"vpc_id": spec.network.vpc, "subnet_ids": list(spec.network.subnets)}
    image: Any = spec.image.model_dump(exclude_none=True)
    groups: Any = [build_group_args(group) for group in spec.workers]
    return {
        "fleet": spec.name,
        "scheduler_instance_type": spec.scheduler.instance_type,
        "scheduler_volume_gib": spec.scheduler.volume_size,
        "groups": groups,
        "network": network,
        "access": spec.access.mode,
        "allowed_cidrs": spell_cidrs(spec.access.allowed_cidrs),
        "image": image,
        "versions": dict(versions),
        "read": list(spec.data.read),
        "write": list(spec.data.write),
        "tags": dict(spec.tags),
    }
