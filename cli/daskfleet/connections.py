"""Read a fleet's connection, and turn it into Dask's own configuration.

Light: no Dask, no pydantic, no Pulumi, no cloud SDK.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from daskfleet.errors import FleetError, FleetNotFound
from daskfleet.home import fleet_paths, list_fleet_names
from daskfleet_stacks.connection import Connection, ConnectionDamaged, read_connection

PRELOAD = Path(__file__).parent / "client" / "daskfleet_client_preload.py"
"""Runs in every `Client` that the environment of `connect` reaches; see the file."""

_QUIET_PRELOAD = {"distributed.preloading": "warning", "distributed.utils": "warning"}
"""Dask tells of each preload in three lines; a person's script should print what it printed before."""


def load_connection(name: str) -> Connection:
    """The connection of the fleet called `name`.

    Raises:
        FleetNotFound: there is no such fleet.
        FleetError: its connection file cannot be read, or is damaged.
    """
    paths = fleet_paths(name)
    try:
        text = paths.connection.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise describe_missing(name) from None
    except OSError as error:
        raise FleetError(
            f"the connection of fleet '{name}' cannot be read: {error.strerror}: {error.filename}"
        ) from None
    try:
        return read_connection(text)
    except ConnectionDamaged as error:
        raise FleetError(
            f"{paths.connection} is damaged: {error}. `daskfleet up {name}` mends it; `daskfleet down {name}` removes "
            "the fleet."
        ) from None


def describe_missing(name: str) -> FleetNotFound:
    """The error for a fleet that is not there, with what may have been meant."""
    names = list_fleet_names()
    if name in names:
        return FleetNotFound(
            f"fleet '{name}' is not complete: an `up` of it was stopped half-way. `daskfleet up` finishes it, "
            f"`daskfleet down {name}` removes it."
        )
    there = f"There is: {', '.join(names)}." if names else "There is none at all."
    return FleetNotFound(f"there is no fleet named '{name}'. {there} `daskfleet up` starts one.")


def dask_security(connection: Connection) -> dict[str, str]:
    """What `distributed.Security` is to be given."""
    security = connection.security
    return {name: getattr(security, name) for name in ("tls_ca_file", "tls_client_cert", "tls_client_key")}


def render_environment(connection: Connection, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables with which a bare `Client()` lands on the fleet.

    They hold addresses and paths, no secret. `environment` is the one that they will be added to: a preload that it
    configures already is kept.
    """
    security = connection.security
    preloads = _parse_preloads(environment.get("DASK_DISTRIBUTED__CLIENT__PRELOAD"))
    if str(PRELOAD) not in preloads:
        preloads.append(str(PRELOAD))
    quiet = environment.get("DASK_LOGGING", json.dumps(_QUIET_PRELOAD))
    return {
        "DASK_SCHEDULER_ADDRESS": connection.scheduler_address,
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": security.tls_ca_file,
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": security.tls_client_cert,
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": security.tls_client_key,
        "DASK_DISTRIBUTED__CLIENT__PRELOAD": repr(preloads),  # Dask reads Python literals.
        "DASK_LOGGING": quiet,
        "DASKFLEET_FLEET": connection.fleet,
        "DASKFLEET_VERSIONS": json.dumps(dataclasses.asdict(connection.versions)),
    }


def _parse_preloads(value: str | None) -> list[str]:
    """What Dask would make of the variable: a list, or one word."""
    if not value:
        return []
    try:
        parsed = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return [value]
    return [str(item) for item in parsed] if isinstance(parsed, list | tuple) else [str(parsed)]


def current_environment(connection: Connection) -> dict[str, str]:
    """This process's environment with the connection in it."""
    return {**os.environ, **render_environment(connection, os.environ)}
