"""Where fleets live: one small seam, and behind it a package for each provider, imported when it is used."""

from __future__ import annotations

import json

from daskfleet.connections import describe_missing
from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths
from daskfleet.providers.base import Provider


def load_provider(provider: str) -> Provider:
    """The provider of that name."""
    if provider == "local":
        from daskfleet.providers.local import LocalProvider

        return LocalProvider()
    raise FleetError(f"this version of daskfleet has no provider '{provider}'; it has: local.")


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
