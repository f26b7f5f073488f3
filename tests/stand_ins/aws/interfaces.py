"""EC2's network interfaces."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, refuse
from stand_ins.aws.ec2 import is_attached
from stand_ins.aws.launching import check_addresses, check_groups, choose_address
from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.shapes import fields, from_api, many, to_api

ADDRESSES = "privateIps"


class NetworkInterface(Resource[Call]):
    token = "aws:ec2/networkInterface:NetworkInterface"
    label = "EC2 Network Interface"
    inputs = fields(
        "subnetId description privateIp privateIps privateIpsCount securityGroups sourceDestCheck interfaceType tags "
        "region",
        attachments=many(fields("instance=InstanceId deviceIndex networkCardIndex")),
    )
    replaces = ("subnetId", "interfaceType", "privateIp", "region")
    defaults = {"sourceDestCheck": True}
    sets = ("privateIps", "securityGroups", "attachments")
    lenient = ("networkCardIndex",)
    at_most_one = (("privateIps", "privateIpsCount"), ("privateIps", "privateIp"))
    minutes = {"delete": 5}

    def create(self, call: Call, given: Properties) -> str:
        shape = fields("subnetId description privateIp=PrivateIpAddress securityGroups=Groups interfaceType")
        asked = to_api(shape, given)
        if addresses := given.get("privateIps"):
            asked["PrivateIpAddresses"] = [
                {"PrivateIpAddress": address, "Primary": index == 0} for index, address in enumerate(addresses)
            ]
        if count := given.get("privateIpsCount"):
            asked["SecondaryPrivateIpAddressCount"] = count
        wanted = given.get("privateIps") or [address for address in (given.get("privateIp"),) if address]
        check_addresses(call, "CreateNetworkInterface", given["subnetId"], wanted)
        if not wanted:
            asked["PrivateIpAddress"] = choose_address(call, "CreateNetworkInterface", given["subnetId"])
        groups = given.get("securityGroups") or ()
        check_groups(call, "CreateNetworkInterface", groups, [given["subnetId"]])
        answer = call.ec2.create_network_interface(**asked, **tags.spec("network-interface", given))
        return str(answer["NetworkInterface"]["NetworkInterfaceId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        call.wait_for(f"network interface {id_}", lambda: self._find(call, id_))
        if not given["sourceDestCheck"]:
            self._modify(call, id_, SourceDestCheck={"Value": False})
        for attachment in given.get("attachments") or ():
            self._attach(call, id_, attachment)

    def _modify(self, call: Call, id_: str, **what: Any) -> None:
        call.ec2.modify_network_interface_attribute(NetworkInterfaceId=id_, **what)

    def _attach(self, call: Call, id_: str, attachment: Properties) -> None:
        shape = fields("instance=InstanceId deviceIndex networkCardIndex")
        call.ec2.attach_network_interface(NetworkInterfaceId=id_, **to_api(shape, attachment))

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        return call.find_one(call.ec2.describe_network_interfaces, "NetworkInterfaces", NetworkInterfaceIds=[id_])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        interface = self._find(call, id_)
        if interface is None:
            return None
        shape = fields(
            "subnetId description privateIp=PrivateIpAddress sourceDestCheck interfaceType macAddress ownerId "
            "outpostArn "
            "privateDnsName"
        )
        found = {
            "description": "",
            "interfaceType": "interface",
            "ownerId": call.account.id,
            **from_api(shape, interface),
        }
        found["privateIps"] = [item["PrivateIpAddress"] for item in interface.get("PrivateIpAddresses", ())]
        found["privateIpsCount"] = len(found["privateIps"]) - 1
        found["privateIpLists"] = found["privateIps"]
        found["securityGroups"] = [item["GroupId"] for item in interface.get("Groups", ())]
        attachment = interface.get("Attachment") or {}
        found["attachments"] = []
        if attachment.get("InstanceId"):
            shape = fields("attachmentId instance=InstanceId deviceIndex networkCardIndex")
            found["attachments"] = [from_api(shape, attachment)]
        return {**found, "arn": call.arn("ec2", f"network-interface/{id_}"), "tagsAll": tags.of(interface, "TagSet")}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "attachments" in changed:
            self._detach(call, id_)
            for attachment in new.get("attachments") or ():
                self._attach(call, id_, attachment)
        if "privateIps" in changed:
            before, after = old.get("privateIps") or [], new.get("privateIps") or []
            if surplus := [item for item in before if item not in after]:
                call.ec2.unassign_private_ip_addresses(NetworkInterfaceId=id_, PrivateIpAddresses=surplus)
            if more := [item for item in after if item not in before]:
                check_addresses(call, "AssignPrivateIpAddresses", new["subnetId"], more)
                call.ec2.assign_private_ip_addresses(NetworkInterfaceId=id_, PrivateIpAddresses=more)
        if "privateIpsCount" in changed:
            raise Refused("the stand-in does not know how to change privateIpsCount in place")
        if "securityGroups" in changed:
            groups = new.get("securityGroups") or ()
            check_groups(call, "ModifyNetworkInterfaceAttribute", groups, [new["subnetId"]])
            self._modify(call, id_, Groups=new["securityGroups"])
        if "sourceDestCheck" in changed:
            self._modify(call, id_, SourceDestCheck={"Value": bool(new.get("sourceDestCheck"))})
        if "description" in changed:
            self._modify(call, id_, Description={"Value": new.get("description") or ""})
        tags.update_ec2(call, id_, old, new)

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        if name == ADDRESSES and is_known(new.get(name)):  # the first cannot be taken from an interface
            return old.get("privateIp") not in new[name]
        return super().must_replace(name, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        if old.get("attachments"):
            self._detach(call, id_)

        def delete() -> None:
            if is_attached(call, self._find(call, id_) or {}):
                message = f"Network interface '{id_}' is currently in use."
                raise refuse("InvalidParameterValue", "DeleteNetworkInterface", message)
            call.ec2.delete_network_interface(NetworkInterfaceId=id_)

        # An instance that has just ended lets go of its interface a moment later.
        call.delete(delete, ("InvalidParameterValue", "InvalidNetworkInterface.InUse"))

    def _detach(self, call: Call, id_: str) -> None:
        interface = self._find(call, id_) or {}
        attachment = interface.get("Attachment") or {}
        if not is_attached(call, interface):
            return
        if attachment.get("DeviceIndex") == 0:
            return  # AWS refuses it; it goes with its instance
        call.delete(lambda: call.ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"], Force=True))
        call.wait_until(
            f"EC2 Network Interface ({id_}) to be detached",
            lambda: not is_attached(call, self._find(call, id_) or {}),
        )
