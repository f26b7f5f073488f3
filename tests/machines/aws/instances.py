"""What EC2 says of its instances, and what a machine must know to be one.

moto's Auto Scaling groups forget much of their launch template (profile, metadata options, security groups of its
interfaces), so the template is read here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from machines.aws.security_groups import SecurityGroup, parse_security_group
from machines.launching import Instance
from machines.metadata import MotoServer

LIVING = ["pending", "running", "stopping", "stopped"]
GROUP_TAG = "aws:autoscaling:groupName"
TEMPLATE_TAG = "aws:ec2launchtemplate:id"
TEMPLATE_VERSION_TAG = "aws:ec2launchtemplate:version"


@dataclass(frozen=True, kw_only=True)
class AwsInstance(Instance):
    """An instance as EC2 describes it."""

    tags: Mapping[str, str]
    security_groups: tuple[str, ...]
    profile: str | None
    """Name of its instance profile."""
    key: str | None
    """Name of its key pair."""
    http_tokens: str
    """Whether its metadata service wants tokens: `required` or `optional`."""
    has_metadata_tags: bool
    """Whether its metadata service tells its tags."""

    @property
    def group(self) -> str | None:
        """Name of its Auto Scaling group."""
        return self.tags.get(GROUP_TAG)


def parse_instance(described: Mapping[str, Any], template: Mapping[str, Any]) -> AwsInstance:
    """An instance, with what its launch template adds.

    Args:
        described: what EC2 describes.
        template: the template's data; empty without one.
    """
    interfaces = template.get("NetworkInterfaces", [])
    groups = [group for each in interfaces[:1] for group in each.get("Groups", [])] or [
        *(group["GroupId"] for each in described.get("NetworkInterfaces", []) for group in each.get("Groups", [])),
        *(group["GroupId"] for group in described.get("SecurityGroups", [])),
    ]
    profile = described.get("IamInstanceProfile") or template.get("IamInstanceProfile") or {}
    options = {**described.get("MetadataOptions", {}), **template.get("MetadataOptions", {})}
    address = described.get("PrivateIpAddress")
    return AwsInstance(
        id=described["InstanceId"],
        name=f"ip-{str(address).replace('.', '-')}",
        state=described["State"]["Name"],
        address=address,
        image=described["ImageId"],
        type=described["InstanceType"],
        zone=described["Placement"]["AvailabilityZone"],
        tags=parse_tags(described),
        security_groups=tuple(dict.fromkeys(groups)),
        profile=profile.get("Name") or profile.get("Arn", "").rpartition("/")[2] or None,
        key=described.get("KeyName") or template.get("KeyName"),
        http_tokens=options.get("HttpTokens", "optional"),
        has_metadata_tags=options.get("InstanceMetadataTags") == "enabled",
    )


def parse_tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}


def is_refusal(error: Exception) -> bool:
    """Whether AWS refused something, for example as it does not exist any more."""
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError)


class Instances:
    """The instances of a region, read and ended."""

    def __init__(self, services: MotoServer, region: str) -> None:
        self._ec2 = services.client("ec2", region=region)
        self._iam = services.client("iam", region=region)
        self._scaling = services.client("autoscaling", region=region)
        self._templates: dict[str, Mapping[str, Any]] = {}
        """Launch templates' data by instance: neither changes."""
        self._roles: dict[str, str] = {}
        """Roles by profile: an instance keeps what it was given, also while both are removed."""

    def list_living(self) -> dict[str, AwsInstance]:
        """All that are not terminated, by their ids."""
        pages = self._ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-state-name", "Values": LIVING}]
        )
        found = [each for page in pages for reservation in page["Reservations"] for each in reservation["Instances"]]
        return {each["InstanceId"]: parse_instance(each, self._read_template(each)) for each in found}

    def describe_security_groups(self) -> dict[str, SecurityGroup]:
        """All security groups by their ids."""
        pages = self._ec2.get_paginator("describe_security_groups").paginate()
        return {each["GroupId"]: parse_security_group(each) for page in pages for each in page["SecurityGroups"]}

    def read_user_data(self, instance: AwsInstance) -> bytes:
        answer = self._ec2.describe_instance_attribute(InstanceId=instance.id, Attribute="userData")
        return base64.b64decode(answer["UserData"].get("Value", ""))

    def read_role(self, instance: AwsInstance) -> str | None:
        """Name of the role that its profile hands to it."""
        name = instance.profile
        if name is not None and name not in self._roles:
            try:
                roles = self._iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
            except self._iam.exceptions.NoSuchEntityException:
                return None
            for role in roles:
                self._roles[name] = role["RoleName"]
        return self._roles.get(name) if name is not None else None

    def read_public_key(self, instance: AwsInstance) -> str | None:
        """The key of SSH that it was launched with."""
        if instance.key is None:
            return None
        (pair,) = self._ec2.describe_key_pairs(KeyNames=[instance.key], IncludePublicKey=True)["KeyPairs"]
        key: str = pair["PublicKey"]
        return key.strip()

    def terminate(self, instance: AwsInstance) -> None:
        """Its Auto Scaling group, if it is in one, replaces it: so does moto's."""
        self._ec2.terminate_instances(InstanceIds=[instance.id])

    def end_as_its_machine_did(self, instance: AwsInstance) -> None:
        """What EC2 does when a machine powers itself off: it is stopped or terminated, as the instance wants it.

        A group terminates and replaces one that stopped.
        """
        attribute = "instanceInitiatedShutdownBehavior"
        answer = self._ec2.describe_instance_attribute(InstanceId=instance.id, Attribute=attribute)
        wanted = answer["InstanceInitiatedShutdownBehavior"]["Value"]
        if instance.group is not None or wanted == "terminate":
            self.terminate(instance)
        else:
            self._ec2.stop_instances(InstanceIds=[instance.id])

    def _read_template(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """The data of the launch template that an instance was made from; empty where there is none (any more)."""
        name, tags = described["InstanceId"], parse_tags(described)
        if name not in self._templates:
            self._templates[name] = {}
            if template := tags.get(TEMPLATE_TAG):
                version = self._read_groups_version(tags.get(GROUP_TAG)) or tags[TEMPLATE_VERSION_TAG]
                try:
                    answer = self._ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[version])
                except Exception as error:
                    if not is_refusal(error):
                        raise
                else:
                    self._templates[name] = answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        return self._templates[name]

    def _read_groups_version(self, group: str | None) -> str | None:
        """Which version of its template a group launches: moto tags instances with the template's default one."""
        if group is None:
            return None
        for found in self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]:
            policy = found.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
            chosen = found.get("LaunchTemplate") or policy.get("LaunchTemplateSpecification", {})
            version: str | None = chosen.get("Version")
            return version
        return None
