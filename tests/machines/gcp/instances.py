"""What Compute Engine says of its instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from machines.launching.watched import Instance

USER_DATA = "user-data"
SSH_KEYS = "ssh-keys"
CREATED_BY = "created-by"
DEFAULT_USERS = ("fleet", "cloudinit")
"""Whose keys cloud-init gives to the image's user: that one's own, and those of a name for it."""


@dataclass(frozen=True, kw_only=True)
class GcpInstance(Instance):
    """An instance as Compute Engine describes it."""

    disk: str
    """Path of its boot disk."""
    labels: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    """E-mail address of its service account."""
    scopes: tuple[str, ...] = ()
    network: str = ""
    """Name of its network."""
    tags: tuple[str, ...] = ()
    scheduling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str | None:
        """Name of its managed instance group."""
        kind, _, name = self.metadata.get(CREATED_BY, "").rpartition("/")
        return name if kind.endswith("/instanceGroupManagers") else None

    @property
    def public_keys(self) -> list[str]:
        """Keys of SSH that cloud-init lets the image's user log in with."""
        lines = [line.partition(":") for line in self.metadata.get(SSH_KEYS, "").splitlines()]
        return [key for user, _, key in lines if key and user in DEFAULT_USERS]


def parse_instance(described: Mapping[str, Any], image: str) -> GcpInstance:
    """An instance.

    Args:
        described: what Compute Engine describes.
        image: name of the image that its boot disk was made from.
    """
    interface = (described.get("networkInterfaces") or [{}])[0]
    accounts = described.get("serviceAccounts") or []
    return GcpInstance(
        id=str(described["id"]),
        name=described["name"],
        state=described["status"].lower(),
        address=interface.get("networkIP"),
        image=image,
        type=last_part(described["machineType"]),
        zone=last_part(described["zone"]),
        disk=find_disk(described),
        labels=dict(described.get("labels") or {}),
        metadata={each["key"]: each.get("value", "") for each in described.get("metadata", {}).get("items") or []},
        account=accounts[0]["email"] if accounts else None,
        scopes=tuple(accounts[0].get("scopes") or ()) if accounts else (),
        network=last_part(interface.get("network", "")),
        tags=tuple(described.get("tags", {}).get("items") or ()),
        scheduling=dict(described.get("scheduling") or {}),
    )


def find_disk(described: Mapping[str, Any]) -> str:
    """Path of an instance's boot disk; empty when it has none."""
    disks = [each for each in described.get("disks") or [] if each.get("boot")]
    return cut_host(disks[0].get("source", "")) if disks else ""


def last_part(url: str) -> str:
    """`e2-small` of `https://…/machineTypes/e2-small`."""
    return url.rpartition("/")[2]


def cut_host(url: str) -> str:
    """A resource's path: its address may be whole, `https://…/compute/v1/projects/…`, or begin with the project."""
    return f"/compute/v1/{url.rpartition('/compute/v1/')[2].lstrip('/')}" if url else ""
