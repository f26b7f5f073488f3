"""Virtual networks and their subnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from azure_cloud.arm import Body, Call, refer
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, in_use, invalid
from azure_cloud.network.types import (
    NAT_GATEWAY,
    SECURITY_GROUP,
    SUBNET,
    VIRTUAL_NETWORK,
    NetworkKind,
    select_interfaces,
)
from azure_cloud.store import Record

ENDPOINTS = ("Microsoft.Storage", "Microsoft.Storage.Global", "Microsoft.KeyVault", "Microsoft.Sql")
LARGEST, SMALLEST = 2, 29
"""Lengths of the prefixes that subnets may have."""


class VirtualNetworks(NetworkKind):
    type, model = VIRTUAL_NETWORK, "network:VirtualNetwork"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        prefixes = (asked.get("addressSpace") or {}).get("addressPrefixes") or []
        if not prefixes:
            message = f"AddressSpace of virtual network {call.scope} must have an address prefix."
            raise invalid(message, "AddressSpaceCannotBeEmpty")
        blocks = [parse_block(each) for each in prefixes]
        subnets = asked.get("subnets") or []
        names = [each.get("name", "") for each in subnets]
        if len({name.lower() for name in names}) != len(names):
            raise invalid("Names of subnets must be unique.", "DuplicateResourceName")
        made = [prepare_subnet(call, each, blocks, given["location"]) for each in subnets]
        check_overlaps(made)
        self._keep(call, made)
        properties = {key: value for key, value in asked.items() if key != "subnets"}
        usual = {"resourceGuid": call.cloud.make_guid(), "virtualNetworkPeerings": [], "enableDdosProtection": False}
        return {**given, "properties": {**usual, **properties}}

    def _keep(self, call: Call, subnets: list[Body]) -> None:
        """Subnets are what the request says: others go, if nothing is in them."""
        wanted = {f"{call.scope}/subnets/{each['name']}".lower() for each in subnets}
        there = {each.id.lower(): each for each in call.cloud.store.select(SUBNET, call.scope)}
        for id_, record in there.items():
            if id_ not in wanted:
                check_unused(call.cloud, record)
                call.cloud.store.remove(record.id)
        for subnet in subnets:
            save_subnet(call, f"{call.scope}/subnets/{subnet['name']}", subnet)

    def render(self, cloud: Cloud, record: Record) -> Body:
        subnets = [describe_subnet(cloud, each) for each in cloud.store.select(SUBNET, record.id)]
        return {**record.body, "properties": {**record.properties, "subnets": subnets}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        for subnet in cloud.store.select(SUBNET, record.id):
            yield from select_interfaces(cloud, "subnet", subnet.id)

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        return refuse_subnet(str(users[0].properties["ipConfigurations"][0]["properties"]["subnet"]["id"]), users)


class Subnets(NetworkKind):
    type, model = SUBNET, "network:Subnet"
    is_tracked = False
    methods = frozenset({"GET", "PUT", "DELETE", "LIST"})

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        network = call.cloud.store.find(call.id.parent)
        assert network is not None
        blocks = [parse_block(each) for each in network.properties["addressSpace"]["addressPrefixes"]]
        made = prepare_subnet(call, {**given, "name": call.id.name}, blocks, network.location)
        others = [each for each in call.cloud.store.select(SUBNET, network.id) if each is not old]
        check_overlaps([made, *({"name": each.name, "properties": each.properties} for each in others)])
        return {"properties": made["properties"]}

    def render(self, cloud: Cloud, record: Record) -> Body:
        return {"properties": describe_subnet(cloud, record)["properties"]}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        yield from select_interfaces(cloud, "subnet", record.id)

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        return refuse_subnet(record.id, users)


def prepare_subnet(call: Call, subnet: Body, blocks: list[ipaddress.IPv4Network], location: str) -> Body:
    name, asked = subnet.get("name"), subnet.get("properties") or {}
    if not name:
        raise invalid("A subnet must have a name.", "InvalidResourceName")
    prefix = asked.get("addressPrefix") or next(iter(asked.get("addressPrefixes") or []), None)
    if prefix is None:
        raise invalid(f"Subnet {name} must have an address prefix.", "SubnetAddressPrefixNotSpecified")
    block = parse_block(prefix)
    if not any(block.subnet_of(each) for each in blocks) or not LARGEST <= block.prefixlen <= SMALLEST:
        message = (
            f"Subnet '{name}' is not valid because its IP address range is outside the IP address range "
            "of virtual network."
        )
        raise invalid(message, "NetcfgSubnetRangeOutsideVnet")
    if asked.get("natGateway"):
        refer(call, asked["natGateway"], NAT_GATEWAY, location=location)
    if asked.get("networkSecurityGroup"):
        refer(call, asked["networkSecurityGroup"], SECURITY_GROUP, location=location)
    for endpoint in asked.get("serviceEndpoints") or []:
        if endpoint.get("service") not in ENDPOINTS:
            message = f"Service {endpoint.get('service')} is not a valid service endpoint."
            raise invalid(message, "ServiceEndpointServiceNotSupported")
    endpoints = [
        {"locations": [location], **each, "provisioningState": "Succeeded"}
        for each in asked.get("serviceEndpoints") or []
    ]
    usual = {
        "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
    }
    return {"name": name, "properties": {**usual, **asked, **({"serviceEndpoints": endpoints} if endpoints else {})}}


def save_subnet(call: Call, id_: str, subnet: Body) -> None:
    body = {"properties": subnet["properties"]}
    record = call.cloud.store.find(id_)
    if record is None:
        call.cloud.store.add(Record(id_, SUBNET, body, body, call.now))
        return
    if record.body != body:
        record.given = record.body = body
        record.touch(call.now)


def describe_subnet(cloud: Cloud, record: Record) -> dict[str, Any]:
    users = [
        {"id": f"{interface.id}/ipConfigurations/{part['name']}"}
        for interface in select_interfaces(cloud, "subnet", record.id)
        for part in interface.properties["ipConfigurations"]
    ]
    more = {"ipConfigurations": users} if users else {}
    return {
        "id": record.id,
        "name": record.name,
        "type": SUBNET,
        "etag": f'W/"{record.etag}"',
        "properties": {**record.properties, **more, "provisioningState": record.state},
    }


def parse_block(text: object) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(str(text))
    except ValueError:
        raise invalid(f"The address prefix {text} is not formatted correctly.", "InvalidCIDRNotation") from None


def check_overlaps(subnets: list[Body]) -> None:
    blocks = [(each["name"], parse_block(find_prefix(each["properties"]))) for each in subnets]
    for index, (name, block) in enumerate(blocks):
        for other, another in blocks[:index]:
            if block.overlaps(another):
                message = (
                    f"Subnet '{name}' is not valid because its IP address range overlaps with that of subnet '{other}'."
                )
                raise invalid(message, "NetcfgSubnetRangesOverlap")


def find_prefix(properties: Body) -> str:
    return str(properties.get("addressPrefix") or properties["addressPrefixes"][0])


def check_unused(cloud: Cloud, subnet: Record) -> None:
    if users := list(select_interfaces(cloud, "subnet", subnet.id)):
        raise refuse_subnet(subnet.id, users)


def refuse_subnet(id_: str, users: list[Record]) -> AzureError:
    name = id_.rpartition("/")[2]
    parts = [f"{each.id}/ipConfigurations/{each.properties['ipConfigurations'][0]['name']}" for each in users]
    message = (
        f"Subnet {name} is in use by {', '.join(parts)} and cannot be deleted. In order to delete the subnet, delete "
        "all the resources within the subnet. See aka.ms/deletesubnet."
    )
    return in_use("InUseSubnetCannotBeDeleted", message)
