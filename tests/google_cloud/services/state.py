"""What the services beside Compute Engine hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Token:
    """What a machine says who it is with."""

    account: str
    """Email of a service account."""
    unique_id: str
    """Empty for the account that a project has for its machines."""
    scopes: tuple[str, ...]
    project: str
    """That of the account."""


@dataclass(frozen=True)
class Entry:
    """A line of a log."""

    moment: int
    """Nanoseconds since 1970."""
    body: dict[str, Any]

    @property
    def key(self) -> tuple[str, int, str]:
        """Entries in which all of this is the same are one entry."""
        return (self.body["logName"], self.moment, self.body["insertId"])


@dataclass
class Services:
    """All of it, by the names that Google gives."""

    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By email."""
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By what they are of: `projects/P`, `projects/P/secrets/S`, `b/BUCKET`, `projects/P/serviceAccounts/EMAIL`."""
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By `projects/P/secrets/S`."""
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of each secret, from the first on; their data is `payload`."""
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By bucket and by name; what is in them is `content`."""
    entries: dict[tuple[str, int, str], Entry] = field(default_factory=dict)
    """Of all logs."""
    tokens: dict[str, Token] = field(default_factory=dict)
