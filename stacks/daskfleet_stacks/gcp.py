"""From the spec of a fleet in Google Cloud to its component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.gcp import Fleet, FleetArgs
from daskfleet_stacks.exports import export_fleet
from daskfleet_stacks.groups import build_group_args, spell_cidrs
from daskfleet_stacks.spec import GcpFleetSpec
from daskfleet_stacks.spec.gcp import GcpWorkerGroup


def deploy_gcp(spec: GcpFleetSpec, versions: Mapping[str, str]) -> None:
    """Make the fleet, and export its connection and what it is made of."""
    provider = gcp.Provider("gcp", project=spec.project, region=spec.region)
    opts = pulumi.ResourceOptions(providers=[provider])
    fleet = Fleet(spec.name, build_fleet_args(spec, versions), opts=opts)
    export_fleet(fleet.connection, {**fleet.resources, "connection_secret": fleet.connection_secret})


def build_fleet_args(spec: GcpFleetSpec, versions: Mapping[str, str]) -> FleetArgs:
    """The component's arguments for a spec. Pure.

    Args:
        versions: what an image of a family must hold: what the client runs.
    """
    network: Any = spec.network.model_dump(include={"cidr", "egress"})
    if spec.network.vpc is not None:
        network = {"vpc": spec.network.vpc, "subnet": spec.network.subnets[0]}
    image: Any = spec.image.model_dump(exclude_none=True)
    groups: Any = [_build_group_args(group) for group in spec.workers]
    args: FleetArgs = {
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
        "labels": dict(spec.tags),
    }
    if spec.zones:
        args["zones"] = list(spec.zones)
    return args


def _build_group_args(group: GcpWorkerGroup) -> dict[str, Any]:
    accelerator = group.accelerator
    added = {} if accelerator is None else {"accelerator": accelerator.model_dump()}
    return {**build_group_args(group), **added}
