"""Where a fleet is, and by what its things are found again; the components give the names. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FLEET, ROLE, GROUP = "daskfleet:fleet", "daskfleet:role", "daskfleet:group"
"""The tags of everything that a fleet has."""

MACHINES = "Microsoft.Compute/virtualMachines"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
DISKS = "Microsoft.Compute/disks"
INTERFACES = "Microsoft.Network/networkInterfaces"
ADDRESSES = "Microsoft.Network/publicIPAddresses"
SECURITY_GROUPS = "Microsoft.Network/networkSecurityGroups"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
VAULTS = "Microsoft.KeyVault/vaults"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True)
class Place:
    """The resource group that holds all of a fleet."""

    subscription: str
    fleet: str
    region: str

    @property
    def name(self) -> str:
        """The resource group's name: by it a fleet is found again when all state is lost."""
        return f"daskfleet-{self.fleet}-{self.region}"

    @property
    def id(self) -> str:
        """The resource group's identifier."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    def list_of(self, kind: str) -> str:
        """Where its things of a type are listed."""
        return f"{self.id}/providers/{kind}"

    def holds(self, identifier: str) -> bool:
        """Whether something is in the resource group; Azure does not heed the case of letters."""
        return f"{identifier.lower()}/".startswith(f"{self.id.lower()}/")


def read_tag(item: Mapping[str, Any], name: str) -> str:
    """A tag of a thing; empty where it has none."""
    return str((item.get("tags") or {}).get(name) or "")


def is_same(one: str, other: str) -> bool:
    """Whether two identifiers are of the same thing."""
    return one.lower() == other.lower()


def parse_time(text: str) -> float:
    """Seconds since the epoch of a time of Azure's, which has up to seven digits after the second."""
    whole = re.sub(r"(\.\d{6})\d+", r"\1", text)
    moment = datetime.datetime.fromisoformat(whole)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
