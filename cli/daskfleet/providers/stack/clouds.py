"""The clouds there are, each imported when it is used."""

from __future__ import annotations

from daskfleet.errors import FleetError
from daskfleet.providers.stack.cloud import Cloud


def load_cloud(provider: str, region: str) -> Cloud:
    """The cloud of a provider, in one region."""
    if provider == "aws":
        from daskfleet.providers.stack.aws.cloud import AwsCloud

        return AwsCloud(region)
    raise FleetError(f"this version of daskfleet has no cloud '{provider}'; it has: aws.")
