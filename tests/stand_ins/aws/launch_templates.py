"""EC2's launch templates."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call
from stand_ins.aws.ec2 import filters
from stand_ins.aws.instances import CAPACITY, METADATA, NAMES
from stand_ins.aws.launching import check_user_data
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many, one, to_api, words

RANGE = fields("min max")


REQUIREMENTS = fields(
    "acceleratorManufacturers acceleratorNames acceleratorTypes allowedInstanceTypes bareMetal burstablePerformance "
    "cpuManufacturers excludedInstanceTypes instanceGenerations localStorage localStorageTypes "
    "maxSpotPriceAsPercentageOfOptimalOnDemandPrice onDemandMaxPricePercentageOverLowestPrice requireHibernateSupport "
    "spotMaxPricePercentageOverLowestPrice",
    acceleratorCount=one(RANGE),
    acceleratorTotalMemoryMib=one(RANGE, "AcceleratorTotalMemoryMiB"),
    baselineEbsBandwidthMbps=one(RANGE),
    memoryGibPerVcpu=one(RANGE, "MemoryGiBPerVCpu"),
    memoryMib=one(RANGE, "MemoryMiB"),
    networkBandwidthGbps=one(RANGE),
    networkInterfaceCount=one(RANGE),
    totalLocalStorageGb=one(RANGE, "TotalLocalStorageGB"),
    vcpuCount=one(RANGE, "VCpuCount"),
)


TEMPLATE_EBS = fields(
    "deleteOnTermination:flag encrypted:flag iops kmsKeyId snapshotId throughput volumeInitializationRate volumeSize "
    "volumeType"
)


TEMPLATE_INTERFACE = fields(
    "associateCarrierIpAddress:flag associatePublicIpAddress:flag deleteOnTermination:flag description deviceIndex "
    "interfaceType ipv4PrefixCount ipv6AddressCount networkCardIndex networkInterfaceId primaryIpv6:flag "
    "privateIpAddress ipv4AddressCount=SecondaryPrivateIpAddressCount securityGroups=Groups subnetId"
)


TEMPLATE = fields(
    "disableApiStop disableApiTermination ebsOptimized:flag imageId instanceInitiatedShutdownBehavior instanceType "
    "kernelId keyName ramDiskId securityGroupNames=SecurityGroups userData vpcSecurityGroupIds=SecurityGroupIds",
    blockDeviceMappings=many(fields("deviceName noDevice virtualName", ebs=one(TEMPLATE_EBS))),
    capacityReservationSpecification=one(CAPACITY),
    cpuOptions=one(fields("amdSevSnp coreCount threadsPerCore nestedVirtualization")),
    creditSpecification=one(fields("cpuCredits")),
    enclaveOptions=one(fields("enabled")),
    hibernationOptions=one(fields("configured")),
    iamInstanceProfile=one(fields("arn name")),
    instanceMarketOptions=one(
        fields(
            "marketType",
            spotOptions=one(
                fields("blockDurationMinutes instanceInterruptionBehavior maxPrice spotInstanceType validUntil")
            ),
        )
    ),
    instanceRequirements=one(REQUIREMENTS),
    licenseSpecifications=many(fields("licenseConfigurationArn")),
    maintenanceOptions=one(fields("autoRecovery")),
    metadataOptions=one(METADATA),
    monitoring=one(fields("enabled")),
    networkInterfaces=many(TEMPLATE_INTERFACE),
    placement=one(
        fields(
            "affinity availabilityZone groupId groupName hostId hostResourceGroupArn partitionNumber spreadDomain "
            "tenancy"
        )
    ),
    privateDnsNameOptions=one(NAMES),
)


class LaunchTemplate(Resource[Call]):
    """A change makes another version; the template stays."""

    token = "aws:ec2/launchTemplate:LaunchTemplate"
    label = "EC2 Launch Template"
    inputs = {
        **TEMPLATE,
        **fields("name namePrefix description defaultVersion updateDefaultVersion tags region"),
        **fields(tagSpecifications=many(fields("resourceType tags"))),
    }
    replaces = ("name", "namePrefix", "region")
    sets = words(
        "vpcSecurityGroupIds securityGroupNames securityGroups licenseSpecifications allowedInstanceTypes "
        "excludedInstanceTypes cpuManufacturers instanceGenerations"
    )
    kept = ("updateDefaultVersion",)
    autoname = AutoName(longest=128)
    at_most_one = (
        ("name", "namePrefix"),
        ("instanceType", "instanceRequirements"),
        ("defaultVersion", "updateDefaultVersion"),
        ("securityGroupNames", "vpcSecurityGroupIds"),
    )
    own = ("name", "namePrefix", "defaultVersion", "updateDefaultVersion", "tags", "tagsAll", "region")

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        text = given.get("userData")
        if is_known(text):
            try:
                base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                yield Problem("userData", 'expected "user_data" to be base64-encoded')
        for index, interface in enumerate(given.get("networkInterfaces") or ()):
            if isinstance(interface, dict) and interface.get("securityGroups") and given.get("vpcSecurityGroupIds"):
                yield Problem(
                    f"networkInterfaces[{index}].securityGroups", "give these or vpcSecurityGroupIds, not both"
                )

    def _data(self, given: Properties) -> dict[str, Any]:
        data = to_api(TEMPLATE, given)
        if specs := given.get("tagSpecifications"):
            data["TagSpecifications"] = [
                {"ResourceType": item["resourceType"], "Tags": tags.to_list(item.get("tags") or {})} for item in specs
            ]
        check_user_data("CreateLaunchTemplate", given.get("userData"))
        return data

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.create_launch_template(
            LaunchTemplateName=given.get("name") or make_suffixed(given["namePrefix"]),
            VersionDescription=given.get("description") or "",
            LaunchTemplateData=self._data(given),
            **tags.spec("launch-template", given),
        )
        return str(answer["LaunchTemplate"]["LaunchTemplateId"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        template = call.find_one(call.ec2.describe_launch_templates, "LaunchTemplates", LaunchTemplateIds=[id_])
        if template is None:
            return None
        latest = str(template["LatestVersionNumber"])
        versions = call.ec2.describe_launch_template_versions(LaunchTemplateId=id_, Versions=[latest])
        version = versions["LaunchTemplateVersions"][0]
        data = version["LaunchTemplateData"]
        found = {
            **from_api(TEMPLATE, data),
            "name": template["LaunchTemplateName"],
            "description": version.get("VersionDescription", ""),
            "defaultVersion": template["DefaultVersionNumber"],
            "latestVersion": template["LatestVersionNumber"],
            "arn": call.arn("ec2", f"launch-template/{id_}"),
            # moto's description of a template keeps the tags that it was made with
            "tagsAll": tags.of(call.ec2.describe_tags(Filters=filters(resource_id=id_))),
        }
        # moto mixes the template's own tags into them
        if specs := [item for item in data.get("TagSpecifications", ()) if item["ResourceType"] != "launch-template"]:
            found["tagSpecifications"] = [
                {"resourceType": item["ResourceType"], "tags": tags.from_list(item["Tags"])} for item in specs
            ]
        prefix = known.get("namePrefix")
        return {**found, "namePrefix": prefix} if prefix and found["name"].startswith(prefix) else found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        default = new.get("defaultVersion") if "defaultVersion" in changed else None
        if set(changed) - set(self.own):
            answer = call.ec2.create_launch_template_version(
                LaunchTemplateId=id_,
                VersionDescription=new.get("description") or "",
                LaunchTemplateData=self._data(new),
            )
            if new.get("updateDefaultVersion"):
                default = answer["LaunchTemplateVersion"]["VersionNumber"]
        elif new.get("updateDefaultVersion"):
            default = old["latestVersion"]
        if default is not None:
            call.ec2.modify_launch_template(LaunchTemplateId=id_, DefaultVersion=str(default))
        tags.update_ec2(call, id_, old, new)

    def replan(self, changed: Collection[str]) -> Collection[str]:
        if set(changed) - set(self.own):
            return ("latestVersion", "defaultVersion")
        return ("defaultVersion",) if "updateDefaultVersion" in changed else ()

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.ec2.delete_launch_template(LaunchTemplateId=id_))
