"""What Azure says of its virtual machines."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from machines.launching.watched import Instance

RUNNING, LEAVING, FAILED = "running", "leaving", "failed"
OFF = ("stopped", "deallocated", FAILED)


@dataclass(frozen=True, kw_only=True)
class AzureInstance(Instance):
    """A virtual machine as the stand-in describes it to who switches it on.

    Its name is its host's, by which it writes its log; Azure calls the machines of scale sets otherwise.
    """

    resource: str
    """Identifier of the virtual machine."""
    vm: str
    """Name of the virtual machine."""
    resource_group: str = ""
    scale_set: str | None = None
    """Name of its scale set."""
    priority: str = "Regular"
    """`Spot` or `Regular`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    """Who may log in."""
    public_keys: tuple[str, ...] = ()
    custom_data: str | None = None
    """In Base64."""
    clients: tuple[str, ...] = ()
    """Client ids of its user-assigned identities."""
    subnet: str = ""
    """Identifier of its subnet."""
    security_group: str | None = None
    """Identifier of its interface's network security group."""
    application_groups: tuple[str, ...] = ()
    """Identifiers of the application security groups that it is of."""
    mac: str = ""
    is_deleted: bool = False
    """Whether somebody has had it deleted."""
    is_warned: bool = False
    """Whether it is told before that is done, and has time."""
    health: Mapping[str, Any] | None = None
    """Settings of its extension for health."""

    @property
    def group(self) -> str | None:
        """Name of its scale set."""
        return self.scale_set

    @property
    def network(self) -> str:
        """Identifier of its virtual network."""
        return self.subnet.rpartition("/subnets/")[0].lower()

    @property
    def is_off(self) -> bool:
        return self.state in OFF

    @property
    def user_data(self) -> str | None:
        """What cloud-init is to do.

        Raises:
            ValueError: it is no text in Base64.
        """
        if self.custom_data is None:
            return None
        try:
            return base64.b64decode(self.custom_data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("its custom data is no text in Base64") from None


def parse_instance(described: Mapping[str, Any]) -> AzureInstance:
    """A virtual machine; see `describe_for_launcher` of the stand-in."""
    interface = (described.get("interfaces") or [{}])[0]
    is_deleted = described["state"] == "Deleting"
    is_warned = bool((described.get("terminateNotification") or {}).get("enable"))
    state = described.get("power") or FAILED
    scale_set = described.get("scaleSet")
    return AzureInstance(
        id=described["vmId"],
        name=described["computerName"],
        state=LEAVING if is_deleted and not is_warned else state,
        address=interface.get("address"),
        image=described.get("image") or "",
        type=described["size"],
        zone=described.get("zone") or "",
        resource=described["id"],
        vm=described["name"],
        resource_group=described["group"],
        scale_set=last_part(scale_set) if scale_set else None,
        priority=described.get("priority", "Regular"),
        tags=dict(described.get("tags") or {}),
        user=described.get("adminUsername") or "",
        public_keys=tuple(described.get("publicKeys") or ()),
        custom_data=described.get("customData"),
        clients=tuple(each["clientId"] for each in described.get("identities") or ()),
        subnet=interface.get("subnet") or "",
        security_group=interface.get("networkSecurityGroup"),
        application_groups=tuple(interface.get("applicationSecurityGroups") or ()),
        mac=interface.get("mac") or "",
        is_deleted=is_deleted,
        is_warned=is_warned,
        health=(described.get("health") or {}).get("settings"),
    )


def last_part(identifier: str) -> str:
    """The name of a resource, of its identifier."""
    return identifier.rpartition("/")[2]
