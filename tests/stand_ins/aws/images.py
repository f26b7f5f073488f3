"""The functions that look up machine images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call
from stand_ins.aws.lookups import Given, describe, narrow
from stand_ins.core.errors import Refused
from stand_ins.core.shapes import fields, from_api, words

IMAGE_TEXTS = words(
    "architecture bootMode creationDate deprecationTime description hypervisor imageLocation imageOwnerAlias imageType "
    "imdsSupport kernelId lastLaunchedTime name ownerId platform platformDetails ramdiskId rootDeviceName "
    "rootDeviceType sriovNetSupport state tpmSupport usageOperation virtualizationType"
)
EBS = fields("deleteOnTermination encrypted iops snapshotId throughput volumeSize volumeType")


def read_device(device: Mapping[str, Any]) -> dict[str, Any]:
    """A block device of an image, whose every value the provider spells as text."""
    ebs = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in device.get("Ebs", {}).items()
    }
    empty = {"deviceName": "", "noDevice": "", "virtualName": ""}
    return {**empty, **from_api(fields("deviceName noDevice virtualName"), device), "ebs": from_api(EBS, ebs)}


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
    found = {**dict.fromkeys(IMAGE_TEXTS, ""), "enaSupport": False, "public": False}
    found |= from_api(fields(" ".join(("enaSupport imageId public", *IMAGE_TEXTS))), image)
    mappings = [read_device(device) for device in image.get("BlockDeviceMappings", ())]
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
