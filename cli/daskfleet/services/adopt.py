"""Use a fleet that somebody else made: its connection comes from a file, or from the fleet's own secret."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daskfleet.errors import FleetError, FleetNotFound
from daskfleet.home import check_fleet_name, fleet_paths
from daskfleet.lock import lock_fleet
from daskfleet.providers import CLOUDS
from daskfleet.providers.stack.adoption import write_adopted
from daskfleet.providers.stack.clouds import load_cloud
from daskfleet.providers.stack.files import parse_outputs
from daskfleet_stacks.connection import Connection

HIDDEN = "[secret]"
"""What Pulumi prints in a secret's place."""

PARTS = ("tls_ca_file", "tls_client_cert", "tls_client_key")
HAND_OVER = "`pulumi stack output --json --show-secrets > connection.json`"


def adopt_from_cloud(name: str, provider: str, region: str, account: str = "") -> None:
    """Read the connection of the fleet called `name` from its secret, and keep it here.

    Raises:
        FleetNotFound: no secret of the region is that of such a fleet.
        FleetError: there are several, or it cannot be read.
    """
    check_fleet_name(name)
    if provider not in CLOUDS:
        raise FleetError(
            f"--provider: '{provider}': connections are read from a cloud's secrets; give {', '.join(CLOUDS)}."
        )
    cloud = load_cloud(provider, region, account)
    found = cloud.list_connections(name)
    if not found:
        raise FleetNotFound(
            f"no secret in {cloud.place} is that of a fleet named '{name}'. Is it in another region or account, "
            "or may this identity not list secrets?"
        )
    if len(found) > 1:
        places = "\n".join(f"  - {each.place}" for each in found)
        raise FleetError(
            f"there are {len(found)} fleets named '{name}' in {cloud.place}, and their secrets do not say which "
            f"you mean:\n{places}\nHave the other removed or renamed, or use a file: `daskfleet connect --from FILE`."
        )
    connection, resources = cloud.read_connection(found[0])
    if connection.fleet != name:
        raise FleetError(f"the secret {found[0].place} is that of fleet '{connection.fleet}', not of '{name}'.")
    known = cloud.read_resources(resources) if resources else None
    counts = cloud.count_machines(known.groups) if known is not None else {}
    with lock_fleet(name):
        write_adopted(connection, known, counts, fleet_paths(name))


def adopt_from_file(file: str, name: str | None) -> str:
    """Keep the connection in a file; returns the fleet's name.

    Args:
        file: its path, or `-` for standard input.
        name: the name that it must be of, if any.

    Raises:
        FleetError: the file cannot be read, or holds something else; the message holds no value of it.
    """
    data = _read_json(file)
    connection = parse_handed_over(data, file)
    if name is not None and connection.fleet != name:
        raise FleetError(
            f"{file} is the connection of fleet '{connection.fleet}', not of '{name}'; leave the name out."
        )
    check_fleet_name(connection.fleet)
    resources = data.get("resources")
    known = None
    region = resources.get("region") if isinstance(resources, Mapping) else None
    if connection.provider in CLOUDS and isinstance(resources, Mapping) and isinstance(region, str):
        known = load_cloud(connection.provider, region).read_resources(resources)
    with lock_fleet(connection.fleet):
        write_adopted(connection, known, {}, fleet_paths(connection.fleet))
    return connection.fleet


def parse_handed_over(data: Mapping[str, Any], file: str) -> Connection:
    """The connection in what somebody handed over, with PEM texts in it.

    Raises:
        FleetError: it is none, or it holds no keys.
    """
    security = data.get("security")
    if security == HIDDEN or (isinstance(security, Mapping) and HIDDEN in security.values()):
        raise FleetError(f"{file} holds no keys: Pulumi hid them. Write it with {HAND_OVER}.")
    connection = parse_outputs(data, file)
    if connection.provider not in CLOUDS:
        raise FleetError(
            f"{file} is the connection of fleet '{connection.fleet}' of provider '{connection.provider}', which only "
            "its own machine reaches."
        )
    for part in PARTS:
        if "-----BEGIN " not in getattr(connection.security, part):
            raise FleetError(
                f"{file}: security.{part} is no PEM text; a path of another machine is of no use here. Write it with "
                f"{HAND_OVER}."
            )
    return connection


def _read_json(file: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FleetError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}."
        ) from None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise FleetError(f"{file} is not JSON; it is to be what {HAND_OVER} writes.") from None
    if isinstance(data, dict) and "scheduler_address" not in data and isinstance(data.get("connection"), dict):
        data = data["connection"]  # A program of one's own may export it under one name.
    if not isinstance(data, dict):
        raise FleetError(f"{file} is JSON, but no object; it is to be what {HAND_OVER} writes.")
    return data
