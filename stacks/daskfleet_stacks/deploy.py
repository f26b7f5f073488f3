"""From the fleet spec in a stack's configuration to the fleet's resources and its exported connection."""

from __future__ import annotations

import dataclasses

import pulumi

from daskfleet_stacks.spec import AwsFleetSpec, SpecError, parse_fleet_spec
from daskfleet_stacks.versions import read_own_versions

CONFIG_KEY = "fleet"
"""The spec sits under the stack's configuration key `daskfleet:fleet`."""


def deploy() -> None:
    """Deploy the fleet that the stack's configuration describes.

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
    if isinstance(spec, AwsFleetSpec):
        from daskfleet_stacks.aws import deploy_aws

        deploy_aws(spec, dataclasses.asdict(read_own_versions()))
        return
    raise pulumi.RunError(
        f"provider '{spec.provider}' is made of processes on this machine, not of a stack's resources; "
        "run `daskfleet up FILE` for it."
    )
