"""From the fleet spec in a stack's configuration to the fleet's resources and its exported connection."""

from __future__ import annotations

import dataclasses

import pulumi

from daskfleet_stacks.spec import AwsFleetSpec, AzureFleetSpec, GcpFleetSpec, SpecError, parse_fleet_spec
from daskfleet_stacks.versions import read_own_versions

CONFIG_KEY = "fleet"
"""The spec sits under the stack's configuration key `daskfleet:fleet`."""


def deploy(*, empty: bool = False) -> None:
    """Deploy the fleet that the stack's configuration describes.

    Args:
        empty: worker groups begin without machines, where a cloud makes a group only with all that it begins with;
            whoever calls gives them theirs after.

    Raises:
        pulumi.RunError: there is no spec, it is not valid, or its provider needs no stack.
    """
    data = pulumi.Config("daskfleet").get_object(CONFIG_KEY)
    if data is None:
        raise pulumi.RunError("the stack's configuration has no daskfleet:fleet; give it a fleet spec.")
    try:
        spec = parse_fleet_spec(data, "daskfleet:fleet")
    except SpecError as error:
        raise pulumi.RunError(f"the fleet spec in the stack's configuration is not valid:\n{error}") from None
    versions = dataclasses.asdict(read_own_versions())
    if isinstance(spec, AwsFleetSpec):
        from daskfleet_stacks.aws import deploy_aws

        deploy_aws(spec, versions)
    elif isinstance(spec, GcpFleetSpec):
        from daskfleet_stacks.gcp import deploy_gcp

        deploy_gcp(spec, versions)
    elif isinstance(spec, AzureFleetSpec):
        from daskfleet_stacks.azure import deploy_azure

        deploy_azure(spec, versions, empty=empty)
    else:
        raise pulumi.RunError(
            f"provider '{spec.provider}' is made of processes on machines that are there, not of a stack's resources; "
            "run `daskfleet up FILE` for it."
        )
