"""The connection contract: what a client needs to reach a fleet, the same for every provider.

The names of the fields are permanent once released: stacks export them. Everything works through Dask's own
configuration, so that a bare `Client()` in an unchanged script lands on the fleet.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SECURE_KEYS = ("tls_ca_file", "tls_client_cert", "tls_client_key")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ConnectionSecurity(_Model):
    """TLS material of a client, by the names of `distributed.Security`.

    Each value is a path, or PEM text where there is no file yet (a stack's output): Dask takes both.
    """

    tls_ca_file: str
    """Certificate of the fleet's own authority."""
    tls_client_cert: str
    """The client's certificate."""
    tls_client_key: str = Field(repr=False)
    """The client's private key."""


class Access(_Model):
    """How to reach the scheduler's address."""

    mode: Literal["local"] = "local"
    """`local`: the fleet is on this machine, reached through the loopback interface."""


class Versions(_Model):
    """What the fleet's nodes run; a client that differs cannot exchange tasks with them reliably."""

    python: str
    dask: str
    distributed: str
    cloudpickle: str


class Connection(_Model):
    """What a client needs to reach a fleet."""

    fleet: str
    """Name of the fleet."""
    provider: str
    """Where the fleet lives."""
    scheduler_address: str
    """`tls://host:port`."""
    dashboard_url: str
    """The dashboard, as seen from where `access` leads."""
    security: ConnectionSecurity
    """TLS material."""
    access: Access
    """How to reach the address."""
    versions: Versions
    """What the nodes run."""
