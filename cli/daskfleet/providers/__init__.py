"""Where fleets live: one small seam, and behind it a package for each provider, imported when it is used."""

from __future__ import annotations

import json

from daskfleet.connections import describe_missing
from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths
from daskfleet.providers.base import Provider

PROVIDERS = ("local", "ssh", "aws", "gcp", "azure")
CLOUDS = ("aws", "gcp", "azure")
"""Providers whose fleets are stacks."""


def load_provider(provider: str, region: str | None = None, account: str | None = None) -> Provider:
    """The provider of that name.

    Args:
        region: of a cloud: where a fleet is of which nothing is on this machine.
        account: the same, the project or the subscription in a cloud that has them.
    """
    if provider == "local":
        from daskfleet.providers.local import LocalProvider

        return LocalProvider()
    if provider == "ssh":
        from daskfleet.providers.ssh import SshProvider

        return SshProvider()
    if provider in CLOUDS:
        from daskfleet.providers.stack import StackProvider

        return StackProvider(provider, region, account)
    raise FleetError(f"this version of daskfleet has no provider '{provider}'; it has: {', '.join(PROVIDERS)}.")


def find_provider(name: str) -> Provider:
    """The provider of the existing fleet called `name`.

    Raises:
        FleetNotFound: there is no such fleet.
    """
    paths = fleet_paths(name)
    if not paths.root.is_dir():
        raise describe_missing(name)
    for path in (paths.state, paths.connection):
        try:
            provider = json.loads(path.read_text(encoding="utf-8"))["provider"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # Damaged or not written yet: the other file may tell.
        if isinstance(provider, str):
            return load_provider(provider)
    return load_provider("local")
