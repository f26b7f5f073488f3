"""The functions: looking up what exists already."""

from __future__ import annotations

from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call
from stand_ins.aws.images import get_ami, get_ami_ids
from stand_ins.aws.instance_types import get_instance_type, get_instance_type_offerings
from stand_ins.aws.lookups import Given, describe, narrow, only
from stand_ins.aws.vpcs import Subnet, Vpc
from stand_ins.core.errors import Refused
from stand_ins.core.shapes import fields, from_api


def get_availability_zones(call: Call, given: Given) -> dict[str, Any]:
    filters = narrow(given, state="state")
    every = {"AllAvailabilityZones": True} if given.get("allAvailabilityZones") else {}
    zones = describe(call.ec2.describe_availability_zones, "AvailabilityZones", filters, **every)
    hidden = [*(given.get("excludeNames") or ()), *(given.get("excludeZoneIds") or ())]
    zones = [zone for zone in zones if zone["ZoneName"] not in hidden and zone.get("ZoneId") not in hidden]
    zones.sort(key=lambda zone: zone["ZoneName"])
    return {
        **given,
        "id": call.region,
        "region": call.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone.get("ZoneId", "") for zone in zones],
        "groupNames": sorted({zone.get("GroupName", call.region) for zone in zones}),
    }


def get_vpc(call: Call, given: Given) -> dict[str, Any]:
    filters = narrow(given, cidrBlock="cidr", dhcpOptionsId="dhcp-options-id", default="isDefault", state="state")
    ids = {"VpcIds": [given["id"]]} if given.get("id") else {}
    vpc = only("EC2 VPC", describe(call.ec2.describe_vpcs, "Vpcs", filters, **ids))
    found = Vpc().read(call, vpc["VpcId"], {}) or {}
    names = (
        "arn enableDnsHostnames enableDnsSupport enableNetworkAddressUsageMetrics ipv6AssociationId mainRouteTableId"
    )
    associations = fields("associationId cidrBlock")
    return {
        **from_api(fields("cidrBlock dhcpOptionsId instanceTenancy ownerId state id=VpcId"), vpc),
        **{name: found.get(name, "") for name in [*names.split(), "ipv6CidrBlock"]},
        "cidrBlockAssociations": [
            {**from_api(associations, item), "state": item["CidrBlockState"]["State"]}
            for item in vpc.get("CidrBlockAssociationSet", ())
        ],
        "default": bool(vpc.get("IsDefault")),
        "filters": given.get("filters") or [],
        "region": call.region,
        "tags": tags.of(vpc),
    }


SUBNET_FILTERS = {
    "availabilityZone": "availabilityZone",
    "availabilityZoneId": "availabilityZoneId",
    "cidrBlock": "cidrBlock",
    "defaultForAz": "defaultForAz",
    "ipv6CidrBlock": "ipv6-cidr-block-association.ipv6-cidr-block",
    "state": "state",
    "vpcId": "vpc-id",
}


def get_subnet(call: Call, given: Given) -> dict[str, Any]:
    ids = {"SubnetIds": [given["id"]]} if given.get("id") else {}
    subnet = only("EC2 Subnet", describe(call.ec2.describe_subnets, "Subnets", narrow(given, **SUBNET_FILTERS), **ids))
    found = Subnet().read(call, subnet["SubnetId"], {}) or {}
    texts = ("customerOwnedIpv4Pool", "ipv6CidrBlock", "ipv6CidrBlockAssociationId", "outpostArn")
    found.pop("tagsAll", None)
    return {
        **dict.fromkeys(texts, ""),
        "availabilityZoneId": "",
        "enableLniAtDeviceIndex": 0,
        "ipv6Native": False,
        "mapCustomerOwnedIpOnLaunch": False,
        **found,
        **from_api(fields("defaultForAz state id=SubnetId availableIpAddressCount"), subnet),
        "filters": given.get("filters") or [],
        "region": call.region,
        "tags": tags.of(subnet),
    }


def get_subnets(call: Call, given: Given) -> dict[str, Any]:
    subnets = describe(call.ec2.describe_subnets, "Subnets", narrow(given))
    ids = sorted(subnet["SubnetId"] for subnet in subnets)
    return {
        "id": call.region,
        "ids": ids,
        "region": call.region,
        "filters": given.get("filters") or [],
        "tags": given.get("tags") or {},
    }


def get_parameter(call: Call, given: Given) -> dict[str, Any]:
    decrypt = given.get("withDecryption", True)
    answer = call.client("ssm").get_parameter(Name=given["name"], WithDecryption=decrypt)["Parameter"]
    insecure = answer["Value"] if answer["Type"] != "SecureString" else ""
    return {
        **from_api(fields("arn=ARN name type value version"), answer),
        "insecureValue": insecure,
        "id": given["name"],
        "region": call.region,
        "withDecryption": decrypt,
    }


def get_caller_identity(call: Call, given: Given) -> dict[str, Any]:
    identity = call.client("sts").get_caller_identity()
    found = from_api(fields("accountId=Account arn=Arn userId"), identity)
    return {**found, "id": found["accountId"]}


def get_region(call: Call, given: Given) -> dict[str, Any]:
    if given.get("endpoint"):
        raise Refused("the stand-in for aws does not know how to find a region by its endpoint")
    name = given.get("region") or given.get("name") or call.region
    described = next(iter(describe(call.ec2.describe_regions, "Regions", [], RegionNames=[name])), None)
    if described is None:
        raise Refused(f"region not found for name {name!r}")
    return {
        "description": name,
        "endpoint": described.get("Endpoint", f"ec2.{name}.amazonaws.com"),
        "id": name,
        "name": name,
        "region": name,
    }


def get_partition(call: Call, given: Given) -> dict[str, Any]:
    name = call.account.partition_of(call.region)
    suffix = {"aws-cn": "amazonaws.com.cn"}.get(name, "amazonaws.com")
    return {
        "id": name,
        "partition": name,
        "dnsSuffix": suffix,
        "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
    }


FUNCTIONS = {
    "aws:ec2/getAmi:getAmi": get_ami,
    "aws:ec2/getAmiIds:getAmiIds": get_ami_ids,
    "aws:ec2/getInstanceType:getInstanceType": get_instance_type,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": get_instance_type_offerings,
    "aws:ec2/getSubnet:getSubnet": get_subnet,
    "aws:ec2/getSubnets:getSubnets": get_subnets,
    "aws:ec2/getVpc:getVpc": get_vpc,
    "aws:index/getAvailabilityZones:getAvailabilityZones": get_availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getPartition:getPartition": get_partition,
    "aws:index/getRegion:getRegion": get_region,
    "aws:ssm/getParameter:getParameter": get_parameter,
}
