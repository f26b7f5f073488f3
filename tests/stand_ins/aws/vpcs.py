"""EC2's VPCs and subnets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, refuse
from stand_ins.aws.ec2 import IN_USE, check_blocks, filters, find_interfaces
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, to_api


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
        yield from check_blocks(given, "cidrBlock", shortest=16, longest=28)

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        if name == "instanceTenancy" and new.get(name) == "default":  # AWS knows this way only
            return False
        return super().must_replace(name, old, new)

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.create_vpc(
            CidrBlock=given["cidrBlock"],
            InstanceTenancy=given["instanceTenancy"],
            AmazonProvidedIpv6CidrBlock=bool(given.get("assignGeneratedIpv6CidrBlock")),
            **tags.spec("vpc", given),
        )
        return str(answer["Vpc"]["VpcId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        call.wait_for(f"VPC {id_}", lambda: self._find(call, id_))
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
        if "instanceTenancy" in changed:
            call.ec2.modify_vpc_tenancy(VpcId=id_, InstanceTenancy=new["instanceTenancy"])
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
            raise refuse("DependencyViolation", "DeleteVpc", f"The vpc '{id_}' has dependencies and cannot be deleted.")


class Subnet(Resource[Call]):
    token = "aws:ec2/subnet:Subnet"
    label = "EC2 Subnet"
    inputs = fields(
        "vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch assignIpv6AddressOnCreation "
        "enableDns64 "
        "enableResourceNameDnsARecordOnLaunch enableResourceNameDnsAaaaRecordOnLaunch privateDnsHostnameTypeOnLaunch "
        "ipv6CidrBlock tags region"
    )
    replaces = ("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId", "region")
    defaults = {
        "assignIpv6AddressOnCreation": False,
        "enableDns64": False,
        "enableResourceNameDnsARecordOnLaunch": False,
        "enableResourceNameDnsAaaaRecordOnLaunch": False,
        "mapPublicIpOnLaunch": False,
    }
    at_most_one = (("availabilityZone", "availabilityZoneId"),)
    attributes = {
        "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
        "enableDns64": "EnableDns64",
        "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
        "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecordOnLaunch",
        "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
        "privateDnsHostnameTypeOnLaunch": "PrivateDnsHostnameTypeOnLaunch",
    }

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_blocks(given, "cidrBlock", shortest=16, longest=28)
        yield from check_blocks(given, "ipv6CidrBlock")

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
        if "ipv6CidrBlock" in changed:
            if old.get("ipv6CidrBlockAssociationId"):
                call.ec2.disassociate_subnet_cidr_block(AssociationId=old["ipv6CidrBlockAssociationId"])
            if new.get("ipv6CidrBlock"):
                call.ec2.associate_subnet_cidr_block(SubnetId=id_, Ipv6CidrBlock=new["ipv6CidrBlock"])
        self._set(call, id_, [name for name in self.attributes if name in changed], new)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        def delete() -> None:
            if find_interfaces(call, subnet_id=id_):  # moto deletes it under them
                message = f"The subnet '{id_}' has dependencies and cannot be deleted."
                raise refuse("DependencyViolation", "DeleteSubnet", message)
            call.ec2.delete_subnet(SubnetId=id_)

        call.delete(delete, IN_USE)
