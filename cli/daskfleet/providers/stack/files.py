"""A fleet's connection on this machine: the private files that every way to it writes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, make_private_folder, write_private_file
from daskfleet_stacks.connection import Connection, ConnectionDamaged, ConnectionSecurity, validate_connection

FILES = {
    "ssh_key": "ssh-key",
    "tls_client_key": "client-key.pem",
    "tls_client_cert": "client.pem",
    "tls_ca_file": "ca.pem",
}
"""The authority last: where it is, all are."""


def parse_outputs(outputs: Mapping[str, Any], source: str) -> Connection:
    """The connection among what a stack exports, or in a file that holds it. Pure.

    Raises:
        FleetError: it is none; the message holds no value.
    """
    names = [field.name for field in dataclasses.fields(Connection)]
    missing = [name for name in names if name not in outputs]
    if missing:
        raise FleetError(f"{source} holds no connection of a fleet: it lacks {', '.join(missing)}.")
    try:
        return validate_connection({name: outputs[name] for name in names})
    except ConnectionDamaged as error:
        raise FleetError(f"{source} holds no connection of a fleet: {error}.") from None


def parse_stored(text: str, place: str) -> tuple[Connection, Mapping[str, Any]]:
    """The connection in the text of a fleet's own secret, and the fleet's resources. Pure.

    Raises:
        FleetError: it holds something else; the message holds nothing of it.
    """
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise FleetError(f"the secret {place} holds no connection: it is not JSON, or no object.")
    return parse_outputs(data, f"the secret {place}"), data.get("resources") or {}


def write_connection(connection: Connection, paths: FleetPaths) -> Connection:
    """Write the connection's PEM texts and then the connection itself, private; returns it with paths."""
    make_private_folder(paths.root)
    make_private_folder(paths.tls)
    places = {}
    for field, name in FILES.items():
        text = getattr(connection.security, field)
        if text:
            write_private_file(paths.tls / name, text)
            places[field] = str(paths.tls / name)
    written = dataclasses.replace(connection, security=ConnectionSecurity(**places))
    write_private_file(paths.connection, json.dumps(dataclasses.asdict(written), indent=2))
    return written
