"""Names of the types of Microsoft.Network, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from azure_cloud.arm import Kind
from azure_cloud.ids import is_same

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud
    from azure_cloud.store import Record

VIRTUAL_NETWORK = "Microsoft.Network/virtualNetworks"
SUBNET = f"{VIRTUAL_NETWORK}/subnets"
NAT_GATEWAY = "Microsoft.Network/natGateways"
PUBLIC_ADDRESS = "Microsoft.Network/publicIPAddresses"
SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups"
APPLICATION_GROUP = "Microsoft.Network/applicationSecurityGroups"
INTERFACE = "Microsoft.Network/networkInterfaces"


class NetworkKind(Kind):
    """A type of Microsoft.Network."""

    patch_model = "network:TagsObject"
    tells_etag = True


def list_configurations(interface: Record) -> list[dict[str, Any]]:
    """A network interface's addresses, with their places."""
    return [each["properties"] for each in interface.properties["ipConfigurations"]]


def select_interfaces(cloud: Cloud, field: str, id_: str) -> Iterator[Record]:
    """Network interfaces with an address that names something: `subnet`."""
    for interface in cloud.store.select(INTERFACE):
        if any(names(each.get(field), id_) for each in list_configurations(interface)):
            yield interface


def names(reference: object, id_: str) -> bool:
    """Whether a reference, or one in a list of them, is to something."""
    if isinstance(reference, list):
        return any(names(each, id_) for each in reference)
    return isinstance(reference, Mapping) and is_same(reference.get("id"), id_)
