"""What leads out of a VPC: internet gateways, NAT gateways, public addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, error_code, is_gone, refuse
from stand_ins.aws.ec2 import IN_USE, find_interfaces
from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, to_api


class InternetGateway(Resource[Call]):
    token = "aws:ec2/internetGateway:InternetGateway"
    label = "EC2 Internet Gateway"
    inputs = fields("vpcId tags region")
    replaces = ("region",)

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.create_internet_gateway(**tags.spec("internet-gateway", given))
        return str(answer["InternetGateway"]["InternetGatewayId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given.get("vpcId"):
            call.ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=given["vpcId"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        gateway = call.find_one(call.ec2.describe_internet_gateways, "InternetGateways", InternetGatewayIds=[id_])
        if gateway is None:
            return None
        attachments = gateway.get("Attachments") or [{}]
        return {
            "vpcId": attachments[0].get("VpcId", ""),
            "ownerId": gateway.get("OwnerId", call.account.id),
            "arn": call.arn("ec2", f"internet-gateway/{id_}"),
            "tagsAll": tags.of(gateway),
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "vpcId" in changed:
            self._detach(call, id_, old.get("vpcId"))
            self.settle(call, id_, new)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        self._detach(call, id_, old.get("vpcId"))
        call.delete(lambda: call.ec2.delete_internet_gateway(InternetGatewayId=id_), IN_USE)

    def _detach(self, call: Call, id_: str, vpc: str | None) -> None:
        if not vpc:
            return

        def detach() -> None:
            if any(item.get("Association", {}).get("PublicIp") for item in find_interfaces(call, vpc_id=vpc)):
                message = f"Network {vpc} has some mapped public address(es). Please unmap those before detaching."
                raise refuse("DependencyViolation", "DetachInternetGateway", message)
            call.ec2.detach_internet_gateway(InternetGatewayId=id_, VpcId=vpc)

        try:
            call.retry_codes(IN_USE, detach)
        except Exception as error:
            if not is_gone(error) and error_code(error) != "Gateway.NotAttached":
                raise


class Eip(Resource[Call]):
    token = "aws:ec2/eip:Eip"
    label = "EC2 EIP"
    inputs = fields(
        "domain instance networkInterface associateWithPrivateIp publicIpv4Pool networkBorderGroup tags region"
    )
    replaces = ("domain", "publicIpv4Pool", "networkBorderGroup", "region")
    kept = ("associateWithPrivateIp",)
    at_most_one = (("instance", "networkInterface"),)

    def create(self, call: Call, given: Properties) -> str:
        pool = to_api(fields("publicIpv4Pool networkBorderGroup"), given)
        domain = given.get("domain", "vpc")
        return str(call.ec2.allocate_address(Domain=domain, **pool, **tags.spec("elastic-ip", given))["AllocationId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given.get("instance") or given.get("networkInterface"):
            shape = fields(
                "instance=InstanceId networkInterface=NetworkInterfaceId associateWithPrivateIp=PrivateIpAddress"
            )
            call.ec2.associate_address(AllocationId=id_, AllowReassociation=True, **to_api(shape, given))

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        address = call.find_one(call.ec2.describe_addresses, "Addresses", AllocationIds=[id_])
        if address is None:
            return None
        shape = fields(
            "domain instance=InstanceId networkInterface=NetworkInterfaceId publicIp publicIpv4Pool networkBorderGroup "
            "associationId allocationId privateIp=PrivateIpAddress"
        )
        found = {"instance": "", "networkInterface": "", "associationId": "", "publicIpv4Pool": "amazon"}
        found |= from_api(shape, address)
        found.setdefault("networkBorderGroup", call.region)
        suffix = "compute-1" if call.region == "us-east-1" else f"{call.region}.compute"
        found["publicDns"] = f"ec2-{found['publicIp'].replace('.', '-')}.{suffix}.amazonaws.com"
        if found.get("privateIp"):
            inside = "ec2.internal" if call.region == "us-east-1" else f"{call.region}.compute.internal"
            found["privateDns"] = f"ip-{found['privateIp'].replace('.', '-')}.{inside}"
        return {**found, "arn": call.arn("ec2", f"elastic-ip/{id_}"), "tagsAll": tags.of(address)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if not {"instance", "networkInterface", "associateWithPrivateIp"}.isdisjoint(changed):
            self._disassociate(call, id_)
            self.settle(call, id_, new)
        tags.update_ec2(call, id_, old, new)

    def replan(self, changed: Collection[str]) -> Collection[str]:
        if {"instance", "networkInterface", "associateWithPrivateIp"}.isdisjoint(changed):
            return ()
        return ("associationId", "privateIp", "privateDns")

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        self._disassociate(call, id_)
        call.delete(lambda: call.ec2.release_address(AllocationId=id_), ("InvalidIPAddress.InUse",))

    def _disassociate(self, call: Call, id_: str) -> None:
        address = call.find_one(call.ec2.describe_addresses, "Addresses", AllocationIds=[id_]) or {}
        for gateway in call.ec2.describe_nat_gateways()["NatGateways"] if address else ():
            held = [item.get("AllocationId") for item in gateway.get("NatGatewayAddresses", ())]
            if id_ in held and gateway["State"] != "deleted":
                message = "You do not have permission to access the specified resource."
                raise refuse("AuthFailure", "DisassociateAddress", message)
        if association := address.get("AssociationId"):
            call.delete(lambda: call.ec2.disassociate_address(AssociationId=association))


class NatGateway(Resource[Call]):
    token = "aws:ec2/natGateway:NatGateway"
    label = "EC2 NAT Gateway"
    inputs = fields("allocationId connectivityType privateIp subnetId tags region")
    replaces = ("allocationId", "connectivityType", "privateIp", "subnetId", "region")
    defaults = {"connectivityType": "public"}
    minutes = {"create": 10, "delete": 30}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if given.get("subnetId") is None:
            yield Problem("subnetId", '"subnetId" is required for a zonal NAT gateway')
        if given.get("connectivityType") == "public" and given.get("allocationId") is None:
            yield Problem("allocationId", '"allocationId" is required when "connectivityType" is "public"')

    def create(self, call: Call, given: Properties) -> str:
        shape = fields("allocationId connectivityType privateIp=PrivateIpAddress subnetId")
        answer = call.ec2.create_nat_gateway(**to_api(shape, given), **tags.spec("natgateway", given))
        return str(answer["NatGateway"]["NatGatewayId"])

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        found = call.find_one(call.ec2.describe_nat_gateways, "NatGateways", NatGatewayIds=[id_])
        return None if found is None or found["State"] == "deleted" else found

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        def available() -> bool:
            gateway = self._find(call, id_) or {}
            if gateway.get("State") == "failed":
                raise Refused(f"waiting for EC2 NAT Gateway ({id_}) create: {gateway.get('FailureMessage', 'failed')}")
            return gateway.get("State") == "available"

        call.wait_until(f"EC2 NAT Gateway ({id_}) to become available", available)

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        gateway = self._find(call, id_)
        if gateway is None:
            return None
        address: dict[str, Any] = next(iter(gateway.get("NatGatewayAddresses", ())), {})
        shape = fields("allocationId associationId networkInterfaceId privateIp publicIp")
        found = {**from_api(fields("connectivityType subnetId vpcId"), gateway), **from_api(shape, address)}
        return {**self.defaults, **found, "tagsAll": tags.of(gateway)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.ec2.delete_nat_gateway(NatGatewayId=id_))
        call.wait_until(f"EC2 NAT Gateway ({id_}) to be deleted", lambda: self._find(call, id_) is None)
        if interface := old.get("networkInterfaceId"):  # AWS takes it along, moto does not
            call.delete(lambda: call.ec2.delete_network_interface(NetworkInterfaceId=interface))
