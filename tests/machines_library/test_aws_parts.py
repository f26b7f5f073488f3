"""What AWS describes, as machines and as a packet filter."""

from __future__ import annotations

from typing import Any

import yaml

from machines import Network, require_machines
from machines.aws.instances import parse_instance
from machines.aws.launch import add_endpoint
from machines.aws.security_groups import Rule, SecurityGroup, parse_security_group, render_table

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


def test_nftables_takes_rules_of_every_kind_and_groups_that_are_gone(network: Network):
    require_machines("nft")
    everybody = ("0.0.0.0/0",)
    kinds = [Rule(protocol, (7, 9), everybody, ("sg-1", "sg-gone")) for protocol in ("tcp", "udp", "icmp", "50", "-1")]
    groups = {"sg-1": SecurityGroup(tuple(kinds), tuple(kinds)), "sg-2": SecurityGroup((), ())}
    interfaces = {"10.77.0.10": ("sg-1", "sg-gone"), "10.77.0.11": ("sg-1", "sg-2"), "10.77.0.12": ()}
    for rules in (render_table({}, {}, []), render_table(groups, interfaces, [("10.77.0.1", 5000)])):
        network.run_inside(["nft", "-f", "-"], input=rules)
    kept = network.run_inside(["nft", "list", "table", "bridge", "security_groups"]).stdout
    chain = kept.partition("chain ingress_10_77_0_11 {")[2].partition("}")[0]
    *opening, last = (line.strip() for line in chain.splitlines()[1:-1])
    assert [line.partition(" ")[0] for line in opening] == ["ip"] * 10
    assert all(line.endswith("accept") for line in opening)
    assert last == "counter packets 0 bytes 0 drop"


def test_user_data_gets_a_file_more_that_says_where_aws_is():
    text = add_endpoint("#cloud-config\nwrite_files: [{path: /a, content: b}]\n", "http://10.77.0.1:5000")
    assert text.startswith("#cloud-config\n")
    first, second = yaml.safe_load(text)["write_files"]
    assert first == {"path": "/a", "content": "b"}
    assert second["content"] == "[default]\nendpoint_url = http://10.77.0.1:5000\n"
    assert add_endpoint("#!/bin/sh\n", "http://10.77.0.1:5000") == "#!/bin/sh\n"
