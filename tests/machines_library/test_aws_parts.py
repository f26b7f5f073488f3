"""What AWS describes, as machines and as a packet filter."""

from __future__ import annotations

from typing import Any

from machines.aws.instances import parse_instance
from machines.aws.security_groups import SecurityGroup, parse_security_group, plan_filter
from machines.launching.packet_filter import PacketFilter, Policy, Rule

DESCRIBED: dict[str, Any] = {
    "InstanceId": "i-1",
    "State": {"Name": "running"},
    "PrivateIpAddress": "10.77.1.4",
    "ImageId": "ami-1",
    "InstanceType": "m7i.large",
    "Placement": {"AvailabilityZone": "eu-west-1a"},
    "Tags": [{"Key": "aws:autoscaling:groupName", "Value": "cpu"}],
    "NetworkInterfaces": [{"Groups": [{"GroupId": "sg-default"}]}],
    "MetadataOptions": {"HttpTokens": "optional", "InstanceMetadataTags": "disabled"},
}

EVERYTHING = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def test_an_instance_is_what_ec2_describes():
    instance = parse_instance(DESCRIBED, {})
    assert (instance.group, instance.security_groups, instance.profile) == ("cpu", ("sg-default",), None)
    assert not instance.has_metadata_tags


def test_its_launch_template_adds_what_was_forgotten():
    template = {
        "IamInstanceProfile": {"Arn": "arn:aws:iam::123456789012:instance-profile/daskfleet/lab/worker"},
        "KeyName": "a key",
        "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-worker"]}],
    }
    instance = parse_instance(DESCRIBED, template)
    assert (instance.security_groups, instance.profile, instance.key) == (("sg-worker",), "worker", "a key")
    assert (instance.has_metadata_tags, instance.http_tokens) == (True, "required")


def test_a_security_group_is_its_rules():
    group = parse_security_group(
        {
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
                {"IpProtocol": "6", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
            ],
            "IpPermissionsEgress": [EVERYTHING],
        }
    )
    assert group == SecurityGroup(
        (Rule("tcp", (1, 2), (), ("sg-1",)), Rule("tcp", (0, 65535), ("10.0.0.0/8",), ())),
        (Rule("-1", (0, 65535), ("0.0.0.0/0",), ()),),
    )


def test_a_machine_may_do_what_any_of_its_groups_allows_and_groups_that_are_gone_allow_nothing():
    first, second = Rule("tcp", (1, 2), (), ("sg-1",)), Rule("-1", (0, 65535), ("0.0.0.0/0",), ())
    groups = {"sg-1": SecurityGroup((first,), (second,)), "sg-2": SecurityGroup((second,), ())}
    interfaces = {"10.77.0.10": ("sg-1", "sg-gone"), "10.77.0.11": ("sg-1", "sg-2"), "10.77.0.12": ()}
    assert plan_filter(groups, interfaces) == PacketFilter(
        {
            "10.77.0.10": Policy((first,), (second,)),
            "10.77.0.11": Policy((first, second), (second,)),
            "10.77.0.12": Policy((), ()),
        },
        {"sg-1": ["10.77.0.10", "10.77.0.11"], "sg-2": ["10.77.0.11"]},
    )
