"""The functions: looking up what exists already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, is_gone
from stand_ins.aws.vpcs import Subnet, Vpc
from stand_ins.core.errors import Refused
from stand_ins.core.shapes import fields, from_api, many, one, words

Given = Mapping[str, Any]


def narrow(given: Given, **named: str) -> list[dict[str, Any]]:
    """EC2's filters for the arguments in `named`, `filters` and `tags`."""
    filters = [
        {"Name": filter_, "Values": [str(given[name]).lower() if isinstance(given[name], bool) else given[name]]}
        for name, filter_ in named.items()
        if given.get(name) is not None
    ]
    filters += [{"Name": item["name"], "Values": item["values"]} for item in given.get("filters") or ()]
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (given.get("tags") or {}).items()]
    return filters


def describe(operation: Any, key: str, filters: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """All that match; nothing where what an id names does not exist."""
    parameters = {**more, **({"Filters": filters} if filters else {})}
    try:
        if operation.__self__.can_paginate(operation.__name__):
            pages = operation.__self__.get_paginator(operation.__name__).paginate(**parameters)
            return [item for page in pages for item in page[key]]
        return list(operation(**parameters)[key])
    except Exception as error:
        if is_gone(error):
            return []
        raise


def only(label: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one that matches."""
    if not found:
        raise Refused(f"no matching {label} found")
    if len(found) > 1:
        raise Refused(f"multiple {label}s matched; use additional constraints to reduce matches to a single {label}")
    return found[0]


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


def find_images(call: Call, given: Given) -> list[dict[str, Any]]:
    more = {"Owners": given["owners"]} if given.get("owners") else {}
    if given.get("executableUsers"):
        more["ExecutableUsers"] = given["executableUsers"]
    if given.get("includeDeprecated"):
        more["IncludeDeprecated"] = True
    images = describe(call.ec2.describe_images, "Images", narrow({**given, "tags": {}}), **more)
    if given.get("nameRegex"):
        images = [image for image in images if re.search(given["nameRegex"], image.get("Name", ""))]
    return images


def get_ami(call: Call, given: Given) -> dict[str, Any]:
    images = find_images(call, given)
    if not images:
        raise Refused("Your query returned no results. Please change your search criteria and try again.")
    if len(images) > 1 and not given.get("mostRecent"):
        raise Refused(
            "Your query returned more than one result. Please try a more specific search criteria, or set "
            "`most_recent` attribute to true."
        )
    image = max(images, key=lambda item: item.get("CreationDate", ""))
    shape = fields(
        "architecture bootMode creationDate deprecationTime description enaSupport hypervisor imageId imageLocation "
        "imageOwnerAlias imageType imdsSupport kernelId lastLaunchedTime name ownerId platform platformDetails public "
        "ramdiskId rootDeviceName rootDeviceType sriovNetSupport state tpmSupport usageOperation virtualizationType"
    )
    texts = dict.fromkeys(
        words(
            "architecture bootMode creationDate deprecationTime description hypervisor imageLocation imageOwnerAlias "
            "imageType imdsSupport kernelId lastLaunchedTime name ownerId platform platformDetails ramdiskId "
            "rootDeviceName "
            "rootDeviceType sriovNetSupport state tpmSupport usageOperation virtualizationType"
        ),
        "",
    )
    devices = fields(
        "deviceName noDevice virtualName", ebs=one(fields("deleteOnTermination encrypted iops snapshotId"))
    )
    mappings = []
    for device in image.get("BlockDeviceMappings", ()):
        ebs = {**device.get("Ebs", {})}
        spelled = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in ebs.items()}
        shape_ebs = fields("deleteOnTermination encrypted iops snapshotId throughput volumeSize volumeType")
        entry = {"deviceName": "", "noDevice": "", "virtualName": "", **from_api(fields("deviceName"), device)}
        mappings.append({**entry, "ebs": from_api(shape_ebs, spelled)})
    del devices
    found = {**texts, "enaSupport": False, "public": False, **from_api(shape, image)}
    root = next((item for item in mappings if item["deviceName"] == found["rootDeviceName"]), {})
    kept = ("executableUsers", "filters", "includeDeprecated", "mostRecent", "nameRegex", "owners")
    return {
        **found,
        **{name: given[name] for name in kept if name in given},
        "id": image["ImageId"],
        "arn": f"arn:{call.account.partition_of(call.region)}:ec2:{call.region}::image/{image['ImageId']}",
        "blockDeviceMappings": mappings,
        "productCodes": [],
        "region": call.region,
        "rootSnapshotId": root.get("ebs", {}).get("snapshotId", ""),
        "stateReason": {},
        "tags": tags.of(image),
    }


def get_ami_ids(call: Call, given: Given) -> dict[str, Any]:
    images = sorted(
        find_images(call, given),
        key=lambda image: image.get("CreationDate", ""),
        reverse=not given.get("sortAscending"),
    )
    return {**given, "id": call.region, "ids": [image["ImageId"] for image in images], "region": call.region}


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


def get_instance_type(call: Call, given: Given) -> dict[str, Any]:
    found = describe(call.ec2.describe_instance_types, "InstanceTypes", [], InstanceTypes=[given["instanceType"]])
    info = only("EC2 Instance Type", found)
    shape = fields(
        "instanceType currentGeneration freeTierEligible bareMetal hypervisor hibernationSupported "
        "burstablePerformanceSupported dedicatedHostsSupported autoRecoverySupported instanceStorageSupported"
        "=InstanceStorageSupported supportedRootDeviceTypes supportedVirtualizationTypes supportedUsagesClasses"
        "=SupportedUsageClasses"
    )
    processor, cpus, network = info.get("ProcessorInfo", {}), info.get("VCpuInfo", {}), info.get("NetworkInfo", {})
    ebs, storage = info.get("EbsInfo", {}), info.get("InstanceStorageInfo", {})
    bandwidth = fields(
        "ebsPerformanceBaselineBandwidth=BaselineBandwidthInMbps ebsPerformanceBaselineIops=BaselineIops "
        "ebsPerformanceBaselineThroughput=BaselineThroughputInMBps "
        "ebsPerformanceMaximumBandwidth=MaximumBandwidthInMbps "
        "ebsPerformanceMaximumIops=MaximumIops ebsPerformanceMaximumThroughput=MaximumThroughputInMBps"
    )
    devices = many(fields("count manufacturer name"))
    memory = info.get("GpuInfo", {}).get("TotalGpuMemoryInMiB")
    gpus = [
        {
            **from_api(fields("count manufacturer name"), gpu),
            "memorySize": gpu.get("MemoryInfo", {}).get("SizeInMiB", 0),
        }
        for gpu in info.get("GpuInfo", {}).get("Gpus", ())
    ]
    disks = [from_api(fields("count size=SizeInGB type"), disk) for disk in storage.get("Disks", ())]
    return {
        **from_api(shape, info),
        **from_api(fields("supportedArchitectures sustainedClockSpeed=SustainedClockSpeedInGhz"), processor),
        **from_api(
            fields(
                "defaultVcpus=DefaultVCpus defaultCores defaultThreadsPerCore validCores "
                "validThreadsPerCores=ValidThreadsPerCore"
            ),
            cpus,
        ),
        **from_api(
            fields(
                "networkPerformance maximumNetworkInterfaces maximumNetworkCards maximumIpv4AddressesPerInterface="
                "Ipv4AddressesPerInterface maximumIpv6AddressesPerInterface=Ipv6AddressesPerInterface ipv6Supported "
                "efaSupported enaSupport"
            ),
            network,
        ),
        **from_api(
            fields("ebsOptimizedSupport ebsEncryptionSupport=EncryptionSupport ebsNvmeSupport=NvmeSupport"), ebs
        ),
        **from_api(bandwidth, ebs.get("EbsOptimizedInfo", {})),
        **from_api(
            fields(inferenceAccelerators=many(devices.fields, "Accelerators")), info.get("InferenceAcceleratorInfo", {})
        ),
        "memorySize": info.get("MemoryInfo", {}).get("SizeInMiB", 0),
        **({"gpuses": gpus, "totalGpuMemory": memory} if gpus else {"gpuses": []}),
        **({"instanceDisks": disks, "totalInstanceStorage": storage.get("TotalSizeInGB", 0)} if disks else {}),
        "supportedPlacementStrategies": info.get("PlacementGroupInfo", {}).get("SupportedStrategies", []),
        "id": given["instanceType"],
        "region": call.region,
    }


def get_instance_type_offerings(call: Call, given: Given) -> dict[str, Any]:
    where = {"LocationType": given["locationType"]} if given.get("locationType") else {}
    offered = describe(call.ec2.describe_instance_type_offerings, "InstanceTypeOfferings", narrow(given), **where)
    return {
        **{key: given[key] for key in ("filters", "locationType") if key in given},
        "id": call.region,
        "region": call.region,
        "instanceTypes": [item["InstanceType"] for item in offered],
        "locations": [item["Location"] for item in offered],
        "locationTypes": [item["LocationType"] for item in offered],
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
