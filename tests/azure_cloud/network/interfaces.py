"""Network interfaces."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from azure_cloud.arm import Body, Call, refer
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, in_use, invalid
from azure_cloud.ids import make_key
from azure_cloud.network.public_addresses import check_free
from azure_cloud.network.types import (
    APPLICATION_GROUP,
    INTERFACE,
    PUBLIC_ADDRESS,
    SECURITY_GROUP,
    SUBNET,
    NetworkKind,
    list_configurations,
)
from azure_cloud.network.virtual_networks import find_prefix
from azure_cloud.store import Record

RESERVED = 4
"""Addresses at a subnet's beginning that are Azure's; so is the last one."""
TAKEN, MACHINE = "taken", "machine"
"""Notes: a subnet's addresses with who has them, and whose a network interface is."""


class NetworkInterfaces(NetworkKind):
    type, model = INTERFACE, "network:NetworkInterface"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        parts = asked.get("ipConfigurations") or []
        if not parts:
            message = f"Network interface {call.scope} must have one or more IP configurations."
            raise invalid(message, "NetworkInterfaceMustHaveIpConfiguration")
        if asked.get("networkSecurityGroup"):
            refer(call, asked["networkSecurityGroup"], SECURITY_GROUP, location=given["location"])
        made = [self._prepare_part(call, part, given["location"], old, index) for index, part in enumerate(parts)]
        guid = call.cloud.make_guid()
        fresh = {"resourceGuid": guid, "macAddress": f"60-45-BD-{guid[:2]}-{guid[2:4]}-{guid[4:6]}".upper()}
        kept = {name: old.properties[name] for name in fresh} if old is not None else fresh
        usual = {"enableAcceleratedNetworking": False, "enableIPForwarding": False, "dnsSettings": {"dnsServers": []}}
        return {**given, "properties": {**usual, **asked, **kept, "nicType": "Standard", "ipConfigurations": made}}

    def _prepare_part(self, call: Call, part: Body, location: str, old: Record | None, index: int) -> Body:
        asked, name = part.get("properties") or {}, part.get("name")
        if not name:
            raise invalid("An IP configuration must have a name.", "InvalidResourceName")
        if not asked.get("subnet"):
            raise invalid(f"IP configuration {name} must have a subnet.", "SubnetNotSpecified")
        subnet = refer(call, asked["subnet"], SUBNET)
        refer(call, subnet.parsed.parent, "Microsoft.Network/virtualNetworks", location=location)
        for group in asked.get("applicationSecurityGroups") or []:
            refer(call, group, APPLICATION_GROUP, location=location)
        if asked.get("publicIPAddress"):
            check_free(call, refer(call, asked["publicIPAddress"], PUBLIC_ADDRESS, location=location), user=call.scope)
        method = asked.get("privateIPAllocationMethod", "Dynamic")
        address = asked.get("privateIPAddress")
        if method == "Static" and not address:
            message = f"Private IP address is required when privateIPAllocationMethod is Static in {name}."
            raise invalid(message, "PrivateIPAddressNotSpecified")
        if old is not None and method != "Static":
            there = list_configurations(old)
            address = there[index]["privateIPAddress"] if index < len(there) else None
        taken: dict[str, str] = subnet.notes.setdefault(TAKEN, {})
        if method == "Static":
            check_address(str(address), subnet, {each for each, user in taken.items() if user != make_key(call.scope)})
        address = address or take_address(subnet, taken)
        taken[address] = make_key(call.scope)
        made = {
            "privateIPAddressVersion": "IPv4",
            "primary": index == 0,
            **asked,
            "privateIPAllocationMethod": method,
            "privateIPAddress": address,
            "provisioningState": "Succeeded",
        }
        return {"id": f"{call.scope}/ipConfigurations/{name}", "name": name, "properties": made}

    def render(self, cloud: Cloud, record: Record) -> Body:
        machine = find_machine(cloud, record)
        more = {"virtualMachine": {"id": machine.id}, "primary": True} if machine is not None else {}
        return {**record.body, "properties": {**record.properties, **more}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        machine = find_machine(cloud, record)
        if machine is not None:
            yield machine

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = (
            f"Network Interface {record.id} is used by existing resource {users[0].id}. In order to delete the network "
            "interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic."
        )
        return in_use("NicInUse", message)

    def removed(self, cloud: Cloud, record: Record) -> None:
        for each in list_configurations(record):
            subnet = cloud.store.find(each["subnet"]["id"])
            if subnet is not None:
                subnet.notes[TAKEN].pop(each["privateIPAddress"], None)


def find_machine(cloud: Cloud, interface: Record) -> Record | None:
    """The virtual machine that has a network interface."""
    return cloud.store.find(interface.notes.get(MACHINE))


def check_address(text: str, subnet: Record, taken: set[str]) -> None:
    block = ipaddress.IPv4Network(find_prefix(subnet.properties))
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise invalid(f"The IP address {text} is not valid.", "InvalidIPAddressFormat") from None
    if address not in block:
        message = f"Private static IP address {text} does not belong to the range of subnet prefix {block}."
        raise invalid(message, "PrivateIPAddressNotInSubnet")
    if int(address) - int(block[0]) < RESERVED or address == block[-1]:
        message = f"Private static IP address {text} falls within reserved IP range of subnet prefix {block}."
        raise invalid(message, "PrivateIPAddressInReservedRange")
    if text in taken:
        message = f"IP address {text} is already allocated to another resource in subnet {subnet.id}."
        raise invalid(message, "PrivateIPAddressIsAllocated")


def take_address(subnet: Record, taken: Mapping[str, str]) -> str:
    """The next one after what was given last, so that none is given again at once."""
    block = ipaddress.IPv4Network(find_prefix(subnet.properties))
    size = block.num_addresses - RESERVED - 1
    start = subnet.notes.get("next", 0)
    for index in range(size):
        place = (start + index) % size
        address = str(block[RESERVED + place])
        if address not in taken:
            subnet.notes["next"] = place + 1
            return address
    message = f"Subnet {subnet.name} with address prefix {block} does not have enough capacity for 1 IP addresses."
    raise invalid(message, "SubnetIsFull")
