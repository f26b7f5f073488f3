"""From the spec of a fleet in Azure to its component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.azure import Fleet, FleetArgs
from daskfleet_stacks.exports import export_fleet
from daskfleet_stacks.groups import build_group_args, spell_cidrs
from daskfleet_stacks.spec import AzureFleetSpec

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The application that a person's token is for who has logged in with `az login`; what else there is has a token of its
own."""


def deploy_azure(spec: AzureFleetSpec, versions: Mapping[str, str], *, empty: bool = False) -> None:
    """Make the fleet, and export its connection and what it is made of.

    Args:
        empty: worker groups begin without machines: a scale set whose machines do not all come is a failure.
    """
    provider = azure.Provider("azure", subscription_id=spec.subscription, location=spec.region)
    caller = azure.authorization.get_client_config(opts=pulumi.InvokeOptions(provider=provider))
    args: FleetArgs = {
        **build_fleet_args(empty_groups(spec) if empty else spec, versions),
        "operator": caller.object_id,
        "operator_type": "User" if caller.client_id == AZURE_CLI else "ServicePrincipal",
    }
    fleet = Fleet(spec.name, args, opts=pulumi.ResourceOptions(providers=[provider]))
    export_fleet(fleet.connection, {**fleet.resources, "connection_secret": fleet.connection_secret})


def empty_groups(spec: AzureFleetSpec) -> AzureFleetSpec:
    """The spec with groups that have no machines. Pure."""
    return spec.model_copy(update={"workers": tuple(each.model_copy(update={"count": 0}) for each in spec.workers)})


def build_fleet_args(spec: AzureFleetSpec, versions: Mapping[str, str]) -> FleetArgs:
    """The component's arguments for a spec. Pure.

    Args:
        versions: what an image of a family must hold: what the client runs.
    """
    network: Any = spec.network.model_dump(include={"cidr", "egress"})
    if spec.network.vpc is not None:
        network = {"subnet": spec.network.subnets[0]}
    image: Any = spec.image.model_dump(exclude_none=True)
    groups: Any = [build_group_args(group) for group in spec.workers]
    return {
        "fleet": spec.name,
        "location": spec.region,
        "scheduler_instance_type": spec.scheduler.instance_type,
        "scheduler_volume_gib": spec.scheduler.volume_size,
        "groups": groups,
        "zones": list(spec.zones),
        "network": network,
        "access": spec.access.mode,
        "allowed_cidrs": spell_cidrs(spec.access.allowed_cidrs),
        "image": image,
        "versions": dict(versions),
        "read": list(spec.data.read),
        "write": list(spec.data.write),
        "storage_accounts": dict(spec.data.storage_accounts),
        "tags": dict(spec.tags),
    }
