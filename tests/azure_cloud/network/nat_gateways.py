"""NAT gateways."""

from __future__ import annotations

from collections.abc import Iterator

from azure_cloud.arm import Body, Call, refer
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, in_use, invalid
from azure_cloud.network.public_addresses import check_free
from azure_cloud.network.types import NAT_GATEWAY, PUBLIC_ADDRESS, SUBNET, NetworkKind, names
from azure_cloud.places import check_zones
from azure_cloud.store import Record

LEAST_IDLE, MOST_IDLE = 4, 120


class NatGateways(NetworkKind):
    type, model = NAT_GATEWAY, "network:NatGateway"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        if (given.get("sku") or {}).get("name") != "Standard":
            raise invalid("sku.name must be Standard.", "NatGatewaySkuNotSupported")
        zones = given.get("zones") or []
        check_zones(zones, given["location"])
        if len(zones) > 1:
            raise invalid(
                "A NAT gateway of the sku Standard is in one zone at most.", "NatGatewayMultipleZonesNotSupported"
            )
        if not LEAST_IDLE <= asked.get("idleTimeoutInMinutes", LEAST_IDLE) <= MOST_IDLE:
            raise invalid(f"idleTimeoutInMinutes must be from {LEAST_IDLE} to {MOST_IDLE}.", "InvalidIdleTimeout")
        for each in asked.get("publicIpAddresses") or []:
            check_free(call, refer(call, each, PUBLIC_ADDRESS, location=given["location"]), user=call.scope)
        usual = {"idleTimeoutInMinutes": LEAST_IDLE, "publicIpAddresses": [], "resourceGuid": call.cloud.make_guid()}
        return {**given, "properties": {**usual, **asked}}

    def render(self, cloud: Cloud, record: Record) -> Body:
        subnets = [{"id": each.id} for each in self.find_users(cloud, record)]
        return {**record.body, "properties": {**record.properties, **({"subnets": subnets} if subnets else {})}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        for subnet in cloud.store.select(SUBNET):
            if names(subnet.properties.get("natGateway"), record.id):
                yield subnet

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = f"NatGateway {record.id} cannot be deleted since it is in use by subnet {users[0].id}."
        return in_use("InUseNatGatewayCannotBeDeleted", message)
