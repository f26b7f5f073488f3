"""The clouds there are, each imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daskfleet.errors import FleetError
from daskfleet.providers import CLOUDS
from daskfleet.providers.stack.cloud import Cloud

if TYPE_CHECKING:
    from daskfleet.providers.stack.state import StackState
    from daskfleet_stacks.spec.cloud import CloudFleetSpec


def load_cloud(provider: str, region: str, account: str = "") -> Cloud:
    """The cloud of a provider, in one region.

    Args:
        account: the project or the subscription, in a cloud that has them; if empty, that of the credentials.
    """
    if provider == "aws":
        from daskfleet.providers.stack.aws.cloud import AwsCloud

        return AwsCloud(region)
    if provider == "gcp":
        from daskfleet.providers.stack.gcp.cloud import GcpCloud

        return GcpCloud(region, account)
    if provider == "azure":
        from daskfleet.providers.stack.azure.cloud import AzureCloud

        return AzureCloud(region, account)
    raise FleetError(f"this version of daskfleet has no cloud '{provider}'; it has: {', '.join(CLOUDS)}.")


def load_cloud_of_spec(spec: CloudFleetSpec) -> Cloud:
    """The cloud that a spec says."""
    cloud = load_cloud(spec.provider, spec.region, spec.account)
    cloud.heed(spec.model_dump(mode="json"))
    return cloud


def load_cloud_of_state(state: StackState) -> Cloud:
    """The cloud that a fleet is in."""
    cloud = load_cloud(state.provider, state.region, state.account)
    cloud.heed(state.spec or {})
    return cloud
