"""EC2's networks: VPCs, subnets, gateways, routes, end points, addresses."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, error_code, is_gone, refuse_in_use
from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many, one, to_api

IN_USE = ("DependencyViolation",)
MADE_WITH_INSTANCE = "Primary network interface"
"""How moto describes it."""


def filters(**values: str) -> list[dict[str, Any]]:
    """The parameter by which EC2 narrows a description: `vpc_id=…` is the filter `vpc-id`."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def find_interfaces(call: Call, **values: str) -> list[dict[str, Any]]:
    """The network interfaces that are left where something is to go."""
    found = call.ec2.describe_network_interfaces(Filters=filters(**values))["NetworkInterfaces"]
    # An instance takes the interface along that was made with it. In moto it stays.
    holders = {item.get("Attachment", {}).get("InstanceId") for item in found} - {None}
    ended = holders - find_alive(call, holders)
    return [
        item
        for item in found
        if item.get("Attachment", {}).get("InstanceId") not in ended or item.get("Description") != MADE_WITH_INSTANCE
    ]


def find_alive(call: Call, instances: Collection[str]) -> set[str]:
    """Those of `instances` that have not ended."""
    if not instances:
        return set()
    narrow = [{"Name": "instance-id", "Values": sorted(instances)}]
    return {
        instance["InstanceId"]
        for reservation in call.ec2.describe_instances(Filters=narrow)["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    }


class Vpc(Resource[Call]):
    token = "aws:ec2/vpc:Vpc"
    label = "EC2 VPC"
    inputs = fields(
        "cidrBlock instanceTenancy enableDnsSupport enableDnsHostnames enableNetworkAddressUsageMetrics "
        "assignGeneratedIpv6CidrBlock tags region"
    )
    replaces = ("cidrBlock", "instanceTenancy", "region")
    defaults = {"enableDnsSupport": True, "instanceTenancy": "default"}
    attributes = {
        "enableDnsSupport": "EnableDnsSupport",
        "enableDnsHostnames": "EnableDnsHostnames",
        "enableNetworkAddressUsageMetrics": "EnableNetworkAddressUsageMetrics",
    }
    minutes = {"delete": 1}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if given.get("cidrBlock") is None:
            yield Problem("cidrBlock", 'one of "cidrBlock" or an IPAM pool must be given')

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.create_vpc(
            CidrBlock=given["cidrBlock"],
            InstanceTenancy=given["instanceTenancy"],
            AmazonProvidedIpv6CidrBlock=bool(given.get("assignGeneratedIpv6CidrBlock")),
            **tags.spec("vpc", given),
        )
        return str(answer["Vpc"]["VpcId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        call.wait_for(f"VPC {id_}", lambda: self._find(call, id_) or None)
        usual = {"enableDnsSupport": True}
        self._set(
            call,
            id_,
            [name for name in self.attributes if given.get(name) not in (None, usual.get(name, False))],
            given,
        )

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        return call.find_one(call.ec2.describe_vpcs, "Vpcs", VpcIds=[id_])

    def _set(self, call: Call, id_: str, names: Collection[str], given: Properties) -> None:
        # Names of hosts need a resolver: it is switched on first, and off last.
        order = sorted(names, key=lambda name: (name != "enableDnsSupport") == bool(given.get("enableDnsSupport")))
        for name in order:
            call.ec2.modify_vpc_attribute(VpcId=id_, **{self.attributes[name]: {"Value": bool(given.get(name))}})

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        vpc = self._find(call, id_)
        if vpc is None:
            return None
        found = from_api(fields("cidrBlock instanceTenancy dhcpOptionsId ownerId"), vpc)
        for name, api in self.attributes.items():
            attribute = api[:1].lower() + api[1:]
            found[name] = call.ec2.describe_vpc_attribute(VpcId=id_, Attribute=attribute)[api]["Value"]
        ipv6 = [
            item
            for item in vpc.get("Ipv6CidrBlockAssociationSet", ())
            if item["Ipv6CidrBlockState"]["State"] == "associated"
        ]
        found["assignGeneratedIpv6CidrBlock"] = any(item.get("Ipv6Pool", "Amazon") == "Amazon" for item in ipv6)
        if ipv6:
            found |= {"ipv6CidrBlock": ipv6[0]["Ipv6CidrBlock"], "ipv6AssociationId": ipv6[0]["AssociationId"]}
        default = filters(vpc_id=id_, group_name="default")
        found["defaultSecurityGroupId"] = call.ec2.describe_security_groups(Filters=default)["SecurityGroups"][0][
            "GroupId"
        ]
        acls = call.ec2.describe_network_acls(Filters=filters(vpc_id=id_, default="true"))["NetworkAcls"]
        found["defaultNetworkAclId"] = acls[0]["NetworkAclId"] if acls else ""
        main = [*filters(vpc_id=id_), {"Name": "association.main", "Values": ["true"]}]
        tables = call.ec2.describe_route_tables(Filters=main)["RouteTables"]
        found["mainRouteTableId"] = found["defaultRouteTableId"] = tables[0]["RouteTableId"] if tables else ""
        return {**found, "arn": call.arn("ec2", f"vpc/{id_}"), "tagsAll": tags.of(vpc)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "assignGeneratedIpv6CidrBlock" in changed:
            if new.get("assignGeneratedIpv6CidrBlock"):
                call.ec2.associate_vpc_cidr_block(VpcId=id_, AmazonProvidedIpv6CidrBlock=True)
            else:
                call.ec2.disassociate_vpc_cidr_block(AssociationId=old["ipv6AssociationId"])
        self._set(call, id_, [name for name in self.attributes if name in changed], new)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        def delete() -> None:
            self._refuse_while_in_use(call, id_)
            call.ec2.delete_vpc(VpcId=id_)

        call.delete(delete, IN_USE)

    def _refuse_while_in_use(self, call: Call, id_: str) -> None:
        """As AWS does; moto deletes a VPC with what is in it."""
        ec2, inside = call.ec2, filters(vpc_id=id_)
        attached = [{"Name": "attachment.vpc-id", "Values": [id_]}]
        tables = ec2.describe_route_tables(Filters=inside)["RouteTables"]
        groups = ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
        endpoints = ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
        left = (
            ec2.describe_subnets(Filters=inside)["Subnets"],
            ec2.describe_internet_gateways(Filters=attached)["InternetGateways"],
            find_interfaces(call, vpc_id=id_),
            [table for table in tables if not any(item.get("Main") for item in table.get("Associations", ()))],
            [group for group in groups if group["GroupName"] != "default"],
            [endpoint for endpoint in endpoints if endpoint["State"].lower() not in ("deleted", "deleting")],
        )
        if any(left):
            raise refuse_in_use(
                "DependencyViolation", "DeleteVpc", f"The vpc '{id_}' has dependencies and cannot be deleted."
            )


class Subnet(Resource[Call]):
    token = "aws:ec2/subnet:Subnet"
    label = "EC2 Subnet"
    inputs = fields(
        "vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch assignIpv6AddressOnCreation "
        "enableDns64 "
        "enableResourceNameDnsARecordOnLaunch enableResourceNameDnsAaaaRecordOnLaunch privateDnsHostnameTypeOnLaunch "
        "ipv6CidrBlock tags region"
    )
    replaces = ("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId", "ipv6CidrBlock", "region")
    defaults = {
        "assignIpv6AddressOnCreation": False,
        "enableDns64": False,
        "enableResourceNameDnsARecordOnLaunch": False,
        "enableResourceNameDnsAaaaRecordOnLaunch": False,
        "mapPublicIpOnLaunch": False,
    }
    lenient = ("ipv6CidrBlock",)
    at_most_one = (("availabilityZone", "availabilityZoneId"),)
    attributes = {
        "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
        "enableDns64": "EnableDns64",
        "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
        "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecordOnLaunch",
        "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
        "privateDnsHostnameTypeOnLaunch": "PrivateDnsHostnameTypeOnLaunch",
    }

    def create(self, call: Call, given: Properties) -> str:
        shape = fields("vpcId cidrBlock availabilityZone availabilityZoneId ipv6CidrBlock")
        answer = call.ec2.create_subnet(**to_api(shape, given), **tags.spec("subnet", given))
        return str(answer["Subnet"]["SubnetId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        self._set(call, id_, [name for name in self.attributes if given.get(name)], given)

    def _set(self, call: Call, id_: str, names: Collection[str], given: Properties) -> None:
        for name in names:  # AWS takes one at a time
            value = given.get(name)
            wrapped = value if name == "privateDnsHostnameTypeOnLaunch" else {"Value": bool(value)}
            call.ec2.modify_subnet_attribute(SubnetId=id_, **{self.attributes[name]: wrapped})

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        subnet = call.find_one(call.ec2.describe_subnets, "Subnets", SubnetIds=[id_])
        if subnet is None:
            return None
        shape = fields(
            "vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch assignIpv6AddressOnCreation "
            "enableDns64 ipv6Native ownerId"
        )
        options = fields(
            "enableResourceNameDnsARecordOnLaunch=EnableResourceNameDnsARecord "
            "enableResourceNameDnsAaaaRecordOnLaunch=EnableResourceNameDnsAAAARecord "
            "privateDnsHostnameTypeOnLaunch=HostnameType"
        )
        found = {**self.defaults, **from_api(shape, subnet)}
        found |= from_api(options, subnet.get("PrivateDnsNameOptionsOnLaunch", {}))
        for name in self.attributes:
            # moto does not tell all of them back
            found.setdefault(name, known.get(name, "ip-name" if name == "privateDnsHostnameTypeOnLaunch" else False))
        for item in subnet.get("Ipv6CidrBlockAssociationSet", ()):
            if item["Ipv6CidrBlockState"]["State"] == "associated":
                found |= {"ipv6CidrBlock": item["Ipv6CidrBlock"], "ipv6CidrBlockAssociationId": item["AssociationId"]}
        return {**found, "arn": call.arn("ec2", f"subnet/{id_}"), "tagsAll": tags.of(subnet)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        self._set(call, id_, [name for name in self.attributes if name in changed], new)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        def delete() -> None:
            if find_interfaces(call, subnet_id=id_):  # moto deletes it under them
                message = f"The subnet '{id_}' has dependencies and cannot be deleted."
                raise refuse_in_use("DependencyViolation", "DeleteSubnet", message)
            call.ec2.delete_subnet(SubnetId=id_)

        call.delete(delete, IN_USE)


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
                raise refuse_in_use("DependencyViolation", "DetachInternetGateway", message)
            call.ec2.detach_internet_gateway(InternetGatewayId=id_, VpcId=vpc)

        try:
            call.retry(IN_USE, detach)
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
        def available() -> bool | None:
            gateway = self._find(call, id_) or {}
            if gateway.get("State") == "failed":
                raise Refused(f"waiting for EC2 NAT Gateway ({id_}) create: {gateway.get('FailureMessage', 'failed')}")
            return True if gateway.get("State") == "available" else None

        call.wait_for(f"EC2 NAT Gateway ({id_}) to become available", available)

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        gateway = self._find(call, id_)
        if gateway is None:
            return None
        address = next(iter(gateway.get("NatGatewayAddresses", ())), {})
        shape = fields("allocationId associationId networkInterfaceId privateIp publicIp")
        found = {**from_api(fields("connectivityType subnetId vpcId"), gateway), **from_api(shape, address)}
        return {**self.defaults, **found, "tagsAll": tags.of(gateway)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.ec2.delete_nat_gateway(NatGatewayId=id_))
        call.wait_for(f"EC2 NAT Gateway ({id_}) to be deleted", lambda: True if self._find(call, id_) is None else None)
        if interface := old.get("networkInterfaceId"):  # AWS takes it along, moto does not
            call.delete(lambda: call.ec2.delete_network_interface(NetworkInterfaceId=interface))


TARGETS = fields(
    "gatewayId natGatewayId networkInterfaceId egressOnlyGatewayId=EgressOnlyInternetGatewayId transitGatewayId "
    "vpcEndpointId vpcPeeringConnectionId"
)
DESTINATIONS = fields("destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId")


def find_destination(route: Properties) -> str:
    """What identifies a route in its table."""
    return next(str(route[name]) for name in DESTINATIONS if route.get(name))


def read_route(route: Properties) -> dict[str, Any]:
    """A route as EC2 described it."""
    found = from_api({**DESTINATIONS, **TARGETS}, route)
    if str(found.get("gatewayId", "")).startswith("vpce-"):
        found["vpcEndpointId"] = found.pop("gatewayId")
    return found


class Route(Resource[Call]):
    token = "aws:ec2/route:Route"
    label = "EC2 Route"
    inputs = {**fields("routeTableId region"), **DESTINATIONS, **TARGETS}
    replaces = ("routeTableId", *DESTINATIONS, "region")
    exactly_one = (tuple(DESTINATIONS), tuple(TARGETS))

    def find_id(self, call: Call, imported: str) -> str:
        table, _, destination = imported.partition("_")
        if not destination:
            raise Refused(f"unexpected format for ID ({imported}), expected ROUTETABLEID_DESTINATION")
        return self._id(table, destination)

    def _id(self, table: str, destination: str) -> str:
        return f"r-{table}{zlib.crc32(destination.encode())}"

    def create(self, call: Call, given: Properties) -> str:
        table, destination = given["routeTableId"], find_destination(given)
        if self._find(call, table, self._id(table, destination)):
            raise Refused(
                f"creating EC2 Route: api error RouteAlreadyExists: Route in Route Table ({table}) with destination "
                f"({destination}) already exists"
            )
        call.ec2.create_route(RouteTableId=table, **to_api({**DESTINATIONS, **TARGETS}, given))
        return self._id(table, destination)

    def _find(self, call: Call, table: str, id_: str) -> dict[str, Any] | None:
        described = call.find_one(call.ec2.describe_route_tables, "RouteTables", RouteTableIds=[table]) or {}
        for route in described.get("Routes", ()):
            found = read_route(route)
            if route.get("GatewayId") != "local" and self._id(table, find_destination(found)) == id_:
                return {**from_api(fields("instanceId instanceOwnerId origin state"), route), **found}
        return None

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        table = known.get("routeTableId") or id_.removeprefix("r-")[: len("rtb-") + 17]
        found = self._find(call, table, id_)
        return {**found, "routeTableId": table} if found else None

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        call.ec2.replace_route(RouteTableId=new["routeTableId"], **to_api({**DESTINATIONS, **TARGETS}, new))

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.ec2.delete_route(RouteTableId=old["routeTableId"], **to_api(DESTINATIONS, old)))


INLINE_DESTINATIONS = fields(
    "cidrBlock=DestinationCidrBlock ipv6CidrBlock=DestinationIpv6CidrBlock "
    "destinationPrefixListId=DestinationPrefixListId"
)
INLINE = {
    **INLINE_DESTINATIONS,
    **fields("gatewayId natGatewayId networkInterfaceId egressOnlyGatewayId=EgressOnlyInternetGatewayId"),
    **fields("transitGatewayId vpcEndpointId vpcPeeringConnectionId"),
}


class RouteTable(Resource[Call]):
    token = "aws:ec2/routeTable:RouteTable"
    label = "EC2 Route Table"
    inputs = fields("vpcId tags region", routes=many(INLINE))
    replaces = ("vpcId", "region")
    sets = ("routes",)

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.create_route_table(VpcId=given["vpcId"], **tags.spec("route-table", given))
        return str(answer["RouteTable"]["RouteTableId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        for route in given.get("routes") or ():
            call.ec2.create_route(RouteTableId=id_, **to_api(INLINE, route))

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        return call.find_one(call.ec2.describe_route_tables, "RouteTables", RouteTableIds=[id_])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        table = self._find(call, id_)
        if table is None:
            return None
        routes = [
            from_api(INLINE, route)
            for route in table.get("Routes", ())
            # The route inside the VPC is nobody's, and an end point of the gateway kind adds its own.
            if route.get("GatewayId") != "local" and not str(route.get("GatewayId", "")).startswith("vpce-")
        ]
        return {
            "vpcId": table["VpcId"],
            "routes": routes,
            "ownerId": table.get("OwnerId", call.account.id),
            "propagatingVgws": [],
            "arn": call.arn("ec2", f"route-table/{id_}"),
            "tagsAll": tags.of(table),
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "routes" in changed:
            before, after = ([to_api(INLINE, route) for route in side.get("routes") or ()] for side in (old, new))
            for route in before:
                if route not in after:
                    call.ec2.delete_route(RouteTableId=id_, **to_api(INLINE_DESTINATIONS, from_api(INLINE, route)))
            for route in after:
                if route not in before:
                    call.ec2.create_route(RouteTableId=id_, **route)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        for item in (self._find(call, id_) or {}).get("Associations", ()):
            if not item.get("Main"):
                association = item["RouteTableAssociationId"]
                call.delete(lambda which=association: call.ec2.disassociate_route_table(AssociationId=which))
        call.delete(lambda: call.ec2.delete_route_table(RouteTableId=id_), IN_USE)


class RouteTableAssociation(Resource[Call]):
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    label = "EC2 Route Table Association"
    inputs = fields("routeTableId subnetId gatewayId region")
    replaces = ("subnetId", "gatewayId", "region")
    exactly_one = (("subnetId", "gatewayId"),)

    def find_id(self, call: Call, imported: str) -> str:
        target, _, table = imported.partition("/")
        for item in self._associations(call, table):
            if target in (item.get("SubnetId"), item.get("GatewayId")):
                return str(item["RouteTableAssociationId"])
        raise Refused(f"no association of {target} with a route table for import id {imported}, SUBNET/ROUTETABLE")

    def _associations(self, call: Call, table: str) -> list[dict[str, Any]]:
        described = call.find_one(call.ec2.describe_route_tables, "RouteTables", RouteTableIds=[table]) or {}
        return [{**item, "RouteTableId": table} for item in described.get("Associations", ())]

    def create(self, call: Call, given: Properties) -> str:
        shape = fields("routeTableId subnetId gatewayId")
        return str(call.ec2.associate_route_table(**to_api(shape, given))["AssociationId"])

    def _find(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        """By what is associated: the id is another one after an update, and the engine keeps the first."""
        if target := known.get("subnetId") or known.get("gatewayId"):
            kind = "subnet-id" if known.get("subnetId") else "gateway-id"
            narrow = [{"Name": f"association.{kind}", "Values": [target]}]
        else:
            target = None
            narrow = [{"Name": "association.route-table-association-id", "Values": [id_]}]
        for table in call.ec2.describe_route_tables(Filters=narrow)["RouteTables"]:
            for item in table.get("Associations", ()):
                if (target or id_) in (item.get("SubnetId"), item.get("GatewayId"), item["RouteTableAssociationId"]):
                    return dict(item)
        return None

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        found = self._find(call, id_, known)
        return from_api(fields("routeTableId subnetId gatewayId"), found) if found else None

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        found = self._find(call, id_, old) or {"RouteTableAssociationId": id_}
        call.ec2.replace_route_table_association(
            AssociationId=found["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        if found := self._find(call, id_, old):
            association = found["RouteTableAssociationId"]
            call.delete(lambda: call.ec2.disassociate_route_table(AssociationId=association))


class VpcEndpoint(Resource[Call]):
    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    label = "EC2 VPC Endpoint"
    inputs = fields(
        "vpcId serviceName vpcEndpointType policy privateDnsEnabled ipAddressType routeTableIds subnetIds "
        "securityGroupIds tags region",
        dnsOptions=one(fields("dnsRecordIpType privateDnsOnlyForInboundResolverEndpoint")),
    )
    replaces = ("vpcId", "serviceName", "vpcEndpointType", "region")
    defaults = {"vpcEndpointType": "Gateway"}
    sets = ("routeTableIds", "subnetIds", "securityGroupIds")
    documents = ("policy",)
    minutes = {"create": 10, "update": 10, "delete": 10}
    lists = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if given.get("serviceName") is None:
            yield Problem(
                "serviceName", 'one of "serviceName", "resourceConfigurationArn", "serviceNetworkArn" must be given'
            )

    def create(self, call: Call, given: Properties) -> str:
        shape = {
            **fields("vpcId serviceName vpcEndpointType policy=PolicyDocument privateDnsEnabled ipAddressType"),
            **{name: item for name, item in self.inputs.items() if name in (*self.lists, "dnsOptions")},
        }
        answer = call.ec2.create_vpc_endpoint(**to_api(shape, given), **tags.spec("vpc-endpoint", given))
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        def available() -> bool | None:
            state = (self._find(call, id_) or {}).get("State", "").lower()
            if state in ("failed", "rejected", "expired"):
                raise Refused(f"waiting for EC2 VPC Endpoint ({id_}) to become available: {state}")
            return True if state in ("available", "pendingacceptance") else None

        call.wait_for(f"EC2 VPC Endpoint ({id_}) to become available", available)

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        found = call.find_one(call.ec2.describe_vpc_endpoints, "VpcEndpoints", VpcEndpointIds=[id_])
        return None if found is None or found["State"].lower() == "deleted" else found

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        endpoint = self._find(call, id_)
        if endpoint is None:
            return None
        shape = fields(
            "vpcId serviceName vpcEndpointType policy=PolicyDocument privateDnsEnabled ipAddressType routeTableIds "
            "subnetIds networkInterfaceIds requesterManaged state ownerId",
            dnsOptions=one(fields("dnsRecordIpType privateDnsOnlyForInboundResolverEndpoint")),
            dnsEntries=many(fields("dnsName hostedZoneId")),
        )
        found = {"routeTableIds": [], "subnetIds": [], "privateDnsEnabled": False, **from_api(shape, endpoint)}
        found["state"] = found["state"].lower()
        found["securityGroupIds"] = [item["GroupId"] for item in endpoint.get("Groups", ())]
        if not found["securityGroupIds"] and found["vpcEndpointType"] == "Interface":
            found["securityGroupIds"] = list(known.get("securityGroupIds") or ())  # moto does not tell them back
        lists = filters(prefix_list_name=found["serviceName"])
        try:
            prefixes = call.ec2.describe_prefix_lists(Filters=lists)["PrefixLists"]
        except Exception as error:
            if error_code(error) not in ("NotImplemented", "InternalError", "501", "404"):
                raise
            prefixes = []
        for prefix in prefixes:
            found |= {"prefixListId": prefix["PrefixListId"], "cidrBlocks": prefix.get("Cidrs", [])}
        return {**found, "arn": call.arn("ec2", f"vpc-endpoint/{id_}"), "tagsAll": tags.of(endpoint)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        asked = to_api(
            fields("policy=PolicyDocument privateDnsEnabled ipAddressType"), {k: new.get(k) for k in changed}
        )
        if "policy" in changed and not new.get("policy"):
            asked["ResetPolicy"] = True
        if "dnsOptions" in changed:
            asked |= to_api({"dnsOptions": self.inputs["dnsOptions"]}, new)
        for name, api in self.lists.items():
            if name in changed:
                before, after = old.get(name) or [], new.get(name) or []
                asked |= (
                    {f"Add{api}": [item for item in after if item not in before]} if set(after) - set(before) else {}
                )
                asked |= {f"Remove{api}": [i for i in before if i not in after]} if set(before) - set(after) else {}
        if asked:
            call.ec2.modify_vpc_endpoint(VpcEndpointId=id_, **asked)
            self.settle(call, id_, new)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        failed = []
        call.delete(lambda: failed.extend(call.ec2.delete_vpc_endpoints(VpcEndpointIds=[id_]).get("Unsuccessful", ())))
        for item in failed:
            if "NotFound" not in item["Error"]["Code"]:
                raise refuse_in_use(item["Error"]["Code"], "DeleteVpcEndpoints", item["Error"]["Message"])
        call.wait_for(
            f"EC2 VPC Endpoint ({id_}) to be deleted", lambda: True if self._find(call, id_) is None else None
        )
