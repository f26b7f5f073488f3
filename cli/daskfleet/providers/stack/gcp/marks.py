"""The marks that everything of a fleet carries in Google Cloud; the components give them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FLEET = "daskfleet-fleet"
REGION = "daskfleet-region"
ROLE = "daskfleet-role"
GROUP = "daskfleet-group"
ROLES = ("scheduler", "worker")
"""The roles that have service accounts."""


@dataclass(frozen=True)
class Mark:
    """Which fleet something is of: names repeat in other regions of a project."""

    fleet: str
    region: str

    @property
    def filter(self) -> str:
        """How a service that knows labels is asked for what carries it."""
        return f"(labels.{FLEET}={self.fleet}) AND (labels.{REGION}={self.region})"

    def name_accounts(self, project: str) -> set[str]:
        """The emails of the fleet's service accounts, which follow from its name: also those of accounts that are gone.

        A project of an organization's own domain, `example.com:project`, is spelt the other way round in them.
        """
        digest = hashlib.sha256(f"{self.region}/{self.fleet}".encode()).hexdigest()[:12]
        domain, _, name = project.rpartition(":")
        place = ".".join(filter(None, (name, domain)))
        return {f"df-{role}-{digest}@{place}.iam.gserviceaccount.com" for role in ROLES}

    def is_on(self, item: Mapping[str, Any]) -> bool:
        """Whether the thing carries it."""
        found = read_marks(item)
        return (found.get(FLEET), found.get(REGION)) == (self.fleet, self.region)


def read_marks(item: Mapping[str, Any]) -> dict[str, str]:
    """The marks of a thing: its labels, or where it has none, the words of its description."""
    labels = item.get("labels") or {}
    if FLEET in labels:
        return {str(key): str(value) for key, value in labels.items()}
    pairs = (word.partition("=") for word in str(item.get("description") or "").split())
    return {key: value for key, separator, value in pairs if separator}
