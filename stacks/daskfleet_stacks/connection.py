"""The connection contract: what a client needs to reach a fleet, the same for every provider.

The names of the fields are permanent once released: stacks export them. Everything works through Dask's own
configuration, so that a bare `Client()` in an unchanged script lands on the fleet.

The model is one set of dataclasses. pydantic validates it (`validate_connection`) where a connection is made or comes
from elsewhere. Reading back what was validated before it was written (`read_connection`) needs only the standard
library: importing pydantic's machinery would double the time of `daskfleet connect`.
"""

import json
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal


class ConnectionDamaged(ValueError):
    """The text is no connection."""


@dataclass(frozen=True)
class ConnectionSecurity:
    """TLS material of a client, by the names of `distributed.Security`.

    Each value is a path, or PEM text where there is no file yet (a stack's output): Dask takes both.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "hide_input_in_errors": True}

    tls_ca_file: str
    """Certificate of the fleet's own authority."""
    tls_client_cert: str
    """The client's certificate."""
    tls_client_key: str = field(repr=False)
    """The client's private key."""
    ssh_key: str = field(default="", repr=False)
    """Private key of `access.user`, where access is by SSH and the fleet has a key of its own."""


@dataclass(frozen=True)
class Access:
    """How to reach the scheduler's address."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    mode: Literal["local", "direct", "private", "ssh"]
    """`local`: the fleet is on this machine, reached through the loopback interface. `direct`: the scheduler's address
    is reached as it is, from the networks that the fleet lets in. `private`: the fleet lets nobody in; whoever looks
    after its network may. `ssh`: the address is reached through `host`, by SSH."""
    host: str = ""
    """Where SSH leads to."""
    user: str = ""
    """Who logs in there."""
    port: int = 0
    """Port of SSH there; 0 is what the settings of whoever connects say, or 22."""


@dataclass(frozen=True)
class Versions:
    """What the fleet's nodes run; a client that differs cannot exchange tasks with them reliably."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    python: str
    dask: str
    distributed: str
    cloudpickle: str


@dataclass(frozen=True)
class Connection:
    """What a client needs to reach a fleet."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "hide_input_in_errors": True}

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


def validate_connection(data: dict[str, Any]) -> Connection:
    """Validate a connection that is made here or comes from elsewhere.

    Raises:
        ConnectionDamaged: with every problem, and no value.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Connection).validate_python(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
    raise ConnectionDamaged(problems)


def read_connection(text: str) -> Connection:
    """Read back a connection that was validated before it was written.

    Raises:
        ConnectionDamaged: the text is not whole, or not a connection of this version; the message holds no value.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ConnectionDamaged("it is not JSON") from None
    connection: Connection = _build(Connection, data, "connection")
    return connection


def _build(kind: Any, data: Any, path: str) -> Any:
    if kind is int:
        if not isinstance(data, int):
            raise ConnectionDamaged(f"{path} is not a number")
        return data
    if not (isinstance(kind, type) and is_dataclass(kind)):
        if not isinstance(data, str):
            raise ConnectionDamaged(f"{path} is not text")
        return data
    names = {each.name: each.type for each in fields(kind)}
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    if not isinstance(data, dict) or not needed <= data.keys() <= names.keys():
        raise ConnectionDamaged(f"{path} has not the keys {', '.join(names)}")
    return kind(**{name: _build(names[name], value, f"{path}.{name}") for name, value in data.items()})
