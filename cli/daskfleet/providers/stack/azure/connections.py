"""The secret of a fleet that holds its connection, for those who have credentials of Azure and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from daskfleet.azure import VAULTS as AUDIENCE
from daskfleet.azure import Azure, Refused, explain_azure_errors
from daskfleet.providers.stack.azure.places import FLEET, ROLE, VAULTS, Place, read_tag
from daskfleet.providers.stack.cloud import StoredConnection
from daskfleet.providers.stack.files import parse_stored
from daskfleet_stacks.connection import Connection

VERSION = "7.4"
DENIED = "ForbiddenByRbac"

PATIENCE_SECONDS = 20.0
"""How long it is tried again where a role may just have been given."""

POLL_SECONDS = 4.0


def list_secrets(azure: Azure, place: Place) -> list[dict[str, Any]]:
    """The secrets of the fleet's vaults, without their values: those only the vault tells."""
    try:
        vaults = [each for each in azure.list(place.list_of(VAULTS)) if read_tag(each, FLEET) == place.fleet]
    except Refused as error:
        if error.is_missing:
            return []
        raise
    return [secret for vault in vaults for secret in azure.list(f"{vault['id']}/secrets")]


def list_connections(azure: Azure, place: Place) -> list[StoredConnection]:
    """The secrets with connections of fleets of this name."""
    with explain_azure_errors():
        return [
            StoredConnection(
                str(each["properties"]["secretUri"]), float(each["properties"]["attributes"].get("created", 0))
            )
            for each in list_secrets(azure, place)
            if read_tag(each, ROLE) == "client"
        ]


def read_connection(azure: Azure, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
    """The connection in a secret, and the fleet's resources.

    Raises:
        FleetError: it cannot be read, or holds something else; the message holds nothing of it.
    """
    with explain_azure_errors():
        value = _read_value(azure, stored.place)
    return parse_stored(value if isinstance(value, str) else "", stored.place)


def _read_value(azure: Azure, address: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return azure.send("GET", f"{address}?api-version={VERSION}", AUDIENCE).body.get("value")
        except Refused as error:
            if error.code != DENIED or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
