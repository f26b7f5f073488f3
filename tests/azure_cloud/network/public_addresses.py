"""Public addresses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from azure_cloud.arm import Body, Call
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, in_use, invalid
from azure_cloud.network.types import NAT_GATEWAY, PUBLIC_ADDRESS, NetworkKind, names, select_interfaces
from azure_cloud.places import check_zones
from azure_cloud.store import Record

FIRST = (20, 50, 0, 4)


class PublicAddresses(NetworkKind):
    type, model = PUBLIC_ADDRESS, "network:PublicIPAddress"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        sku = {"tier": "Regional", "name": "Basic", **(given.get("sku") or {})}
        if sku["name"] != "Standard":
            message = "Cannot create Basic SKU public IP addresses: they are retired. Use the Standard SKU."
            raise invalid(message, "BasicSkuPublicIpRetired")
        asked = given.get("properties") or {}
        if asked.get("publicIPAllocationMethod", "Dynamic") != "Static":
            message = f"Standard sku publicIp {call.scope} must have AllocationMethod set to Static."
            raise invalid(message, "StandardSkuPublicIPAddressMustBeStatic")
        if asked.get("ipAddress"):
            raise invalid("properties.ipAddress cannot be chosen.", "IpAddressCannotBeSpecified")
        check_zones(given.get("zones") or [], given["location"])
        if (asked.get("dnsSettings") or {}).get("domainNameLabel"):
            raise invalid("properties.dnsSettings is not supported here.", "NotSupported")
        address = old.properties["ipAddress"] if old is not None else take_address(call.cloud)
        usual = {"publicIPAddressVersion": "IPv4", "idleTimeoutInMinutes": 4, "ipTags": []}
        return {**given, "sku": sku, "properties": {**usual, **asked, "ipAddress": address}}

    def render(self, cloud: Cloud, record: Record) -> Body:
        more: Body = {}
        for interface in select_interfaces(cloud, "publicIPAddress", record.id):
            for part in interface.properties["ipConfigurations"]:
                if names(part["properties"].get("publicIPAddress"), record.id):
                    more["ipConfiguration"] = {"id": f"{interface.id}/ipConfigurations/{part['name']}"}
        for gateway in list_gateways(cloud, record.id):
            more["natGateway"] = {"id": gateway.id}
        return {**record.body, "properties": {**record.properties, **more}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        yield from select_interfaces(cloud, "publicIPAddress", record.id)
        yield from list_gateways(cloud, record.id)

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = (
            f"Public IP address {record.id} can not be deleted since it is still allocated to resource "
            f"{users[0].id}. In order to delete the public IP, disassociate/detach the Public IP address from the "
            "resource."
        )
        return in_use("PublicIPAddressCannotBeDeleted", message)


def list_gateways(cloud: Cloud, id_: str) -> Iterator[Record]:
    for gateway in cloud.store.select(NAT_GATEWAY):
        if names(gateway.properties.get("publicIpAddresses"), id_):
            yield gateway


def check_free(call: Call, address: Record, *, user: str = "") -> None:
    """Refuse a public address that something else has."""
    users: list[Any] = [
        *select_interfaces(call.cloud, "publicIPAddress", address.id),
        *list_gateways(call.cloud, address.id),
    ]
    for each in users:
        if each.id.lower() != user.lower():
            message = (
                f"Resource {user} is referencing public IP address {address.id} that is already allocated "
                f"to resource {each.id}."
            )
            raise invalid(message, "PublicIPAddressInUse")


def take_address(cloud: Cloud) -> str:
    taken = {each.properties["ipAddress"] for each in cloud.store.select(PUBLIC_ADDRESS)}
    first = FIRST[3]
    return next(text for number in count(first) if (text := f"20.50.{number // 256}.{number % 256}") not in taken)
