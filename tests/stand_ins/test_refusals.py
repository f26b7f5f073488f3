"""What AWS or the real provider refuses is refused; what the stand-in does not know is said."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from stand_ins.conftest import Cloud
from stand_ins.plugin_client import PluginClient, Refusal
from stand_ins.world import (
    EIP,
    GROUP,
    INGRESS,
    INPUTS,
    INSTANCE,
    INTERFACE,
    INTERNET_GATEWAY,
    LOG_GROUP,
    NAT_GATEWAY,
    PROFILE,
    ROLE,
    ROLE_POLICY,
    ROUTE,
    SCALING_GROUP,
    SECRET,
    SUBNET,
    TEMPLATE,
    TRUST,
    VPC,
    World,
)

IN_A = {"vpcId": "v", "availabilityZone": "a"}
INTERFACE_ONE = {"deviceIndex": 0, "networkInterfaceId": "e"}
SIZES = {"minSize": 0, "maxSize": 1}
SHORT = 1.0
"""Seconds that a deletion may take here; the engine's `customTimeouts` are honoured."""


@pytest.mark.parametrize(
    ("kind", "inputs", "path", "reason"),
    [
        (VPC, {"cidrBlock": 10}, "cidrBlock", "is no str"),
        (VPC, {"cidrBlock": "10.0.0.1/16"}, "cidrBlock", "host bits set"),
        (VPC, {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "between /16 and /28"),
        (VPC, {"cidrBlock": "10.0.0.0/16", "tags": ["x"]}, "tags", "is no object"),
        (VPC, {"ipv4IpamPoolId": "x"}, "ipv4IpamPoolId", "the stand-in for aws does not know"),
        (SUBNET, {**IN_A, "availabilityZoneId": "b"}, "availabilityZoneId", "Conflicting"),
        (NAT_GATEWAY, {"subnetId": "s"}, "allocationId", "required"),
        (ROUTE, {"routeTableId": "r", "destinationCidrBlock": "0.0.0.0/0"}, "gatewayId", "one of"),
        (ROUTE, {"routeTableId": "r", "gatewayId": "i", "natGatewayId": "n"}, "natGatewayId", "Conflicting"),
        (GROUP, {"name": "sg-mine"}, "name", "must not begin with sg-"),
        (GROUP, {"ingress": [{"protocol": "-1", "fromPort": 0, "toPort": 65535}]}, "ingress[0]", "must both be 0"),
        (GROUP, {"ingress": [{"cidr": "x"}]}, "ingress[0].cidr", "no such property"),
        (GROUP, {"ingress": [{"protocol": "tcp", "fromPort": 1}]}, "ingress[0].toPort", "Missing required argument"),
        (INGRESS, {"securityGroupId": "s", "ipProtocol": "tcp", "cidrIpv4": "192.0.2.1/24"}, "cidrIpv4", "host bits"),
        (INGRESS, {"securityGroupId": "s", "ipProtocol": "-1", "fromPort": 1}, "fromPort", "all protocols"),
        (INSTANCE, {"ami": "ami-1"}, "instanceType", "one of"),
        (INSTANCE, {"subnetId": "s", "networkInterfaces": [INTERFACE_ONE]}, "subnetId", "Conflicting"),
        (INSTANCE, {"ami": "a", "instanceType": "t", "userData": "x" * 16385}, "userData", "16384"),
        (TEMPLATE, {"userData": "not base 64!"}, "userData", "base64-encoded"),
        (TEMPLATE, {"metadataOptions": {"httpToken": "required"}}, "metadataOptions.httpToken", "no such property"),
        (TEMPLATE, {"secondaryInterfaces": [{"deviceIndex": 1}]}, "secondaryInterfaces", "does not know"),
        (ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy", "invalid JSON policy"),
        (SECRET, {"recoveryWindowInDays": 3}, "recoveryWindowInDays", "7 - 30"),
        (LOG_GROUP, {"retentionInDays": 2}, "retentionInDays", "expected it to be one of"),
        (SCALING_GROUP, SIZES, "launchTemplate", "one of"),
        (SCALING_GROUP, {**SIZES, "waitForCapacityTimeout": "10"}, "waitForCapacityTimeout", "invalid duration"),
        (SCALING_GROUP, {**SIZES, "warmPool": {"minSize": 1}}, "warmPool", "does not know"),
    ],
)  # fmt: skip
def test_inputs_are_refused(aws: PluginClient, kind: str, inputs: dict[str, Any], path: str, reason: str):
    failures = aws.check_failures(kind, inputs)
    assert reason in failures.get(path, ""), failures


def create_in_use(world: World) -> None:
    """An instance with the group and the subnet of the world."""
    inputs = {
        "ami": world.image,
        "instanceType": "m7i.large",
        "subnetId": world.subnet.id,
        "vpcSecurityGroupIds": [world.group.id],
    }
    world.aws.create(INSTANCE, inputs)


def group_that_refers(world: World) -> None:
    rule = {"protocol": "tcp", "fromPort": 1, "toPort": 2, "securityGroups": [world.group.id]}
    world.aws.create(GROUP, {"vpcId": world.vpc.id, "ingress": [rule]}, "other")


def address_in_the_network(world: World) -> None:
    world.aws.create(EIP, {"networkInterface": world.interface.id}, "other")


IN_USE: dict[str, tuple[Callable[[World], Any], Callable[[World], Any], str]] = {
    "a VPC with a subnet": (lambda w: w.vpc, lambda w: w.subnet, "DependencyViolation"),
    "a VPC with a gateway": (lambda w: w.vpc, lambda w: w.gateway, "DependencyViolation"),
    "a VPC with a route table": (lambda w: w.vpc, lambda w: w.table, "DependencyViolation"),
    "a VPC with a security group": (lambda w: w.vpc, lambda w: w.group, "DependencyViolation"),
    "a subnet with an interface": (lambda w: w.subnet, lambda w: w.interface, "DependencyViolation"),
    "a subnet with an instance": (lambda w: w.subnet, create_in_use, "DependencyViolation"),
    "a security group of an interface": (lambda w: w.group, lambda w: w.interface, "DependencyViolation"),
    "a security group of an instance": (lambda w: w.group, create_in_use, "DependencyViolation"),
    "a security group of another's rule": (lambda w: w.group, group_that_refers, "DependencyViolation"),
    "a gateway of a network with an address": (lambda w: w.gateway, address_in_the_network, "mapped public address"),
    "an address of a NAT gateway": (
        lambda w: w.address,
        lambda w: w.aws.create(NAT_GATEWAY, INPUTS[NAT_GATEWAY](w)),
        "AuthFailure",
    ),
    "an interface of an instance": (
        lambda w: w.interface,
        lambda w: w.aws.create(INSTANCE, INPUTS[INSTANCE](w)),
        "currently in use",
    ),
    "a role with a policy": (
        lambda w: w.role,
        lambda w: w.aws.create(ROLE_POLICY, INPUTS[ROLE_POLICY](w)),
        "DeleteConflict",
    ),
}


@pytest.mark.parametrize("case", IN_USE)
def test_aws_does_not_delete_what_is_in_use(aws: PluginClient, world: World, case: str):
    wanted, user, reason = IN_USE[case]
    made = wanted(world)
    user(world)
    with pytest.raises(Refusal, match=reason):
        aws.delete(made, timeout=SHORT)
    assert aws.refresh(made) is not None


def test_a_deletion_waits_until_the_last_user_is_gone(aws: PluginClient, world: World, cloud: Cloud):
    made, interface = world.subnet, world.interface
    looks = 0

    def remove_the_user(call: Any) -> None:
        nonlocal looks
        looks += call.action == "DescribeNetworkInterfaces"
        if looks == 3:
            looks += 1
            cloud.client("ec2").delete_network_interface(NetworkInterfaceId=interface.id)

    cloud.calls.after = remove_the_user
    aws.delete(made)
    assert aws.refresh(made) is None


LAUNCHES: dict[str, tuple[dict[str, Any], str]] = {
    "an image": ({"ami": "ami-00000000000000001"}, "InvalidAMIID.NotFound"),
    "a type": ({"instanceType": "m7i.huge"}, "Invalid value 'm7i.huge' for InstanceType"),
    "a key": ({"keyName": "nobody"}, "InvalidKeyPair.NotFound"),
    "a profile": ({"iamInstanceProfile": "nobody"}, "Invalid IAM Instance Profile"),
    "an interface": ({"primaryNetworkInterface": {"networkInterfaceId": "eni-0123456789abcdef0"}}, "NotFound"),
}


@pytest.mark.parametrize("case", LAUNCHES)
def test_an_instance_needs_what_it_names(aws: PluginClient, world: World, case: str):
    change, reason = LAUNCHES[case]
    with pytest.raises(Refusal, match=reason):
        aws.create(INSTANCE, {**INPUTS[INSTANCE](world), **change})


def test_an_interface_is_of_one_instance_at_a_time(aws: PluginClient, world: World):
    inputs = INPUTS[INSTANCE](world)
    first = aws.create(INSTANCE, inputs)
    with pytest.raises(Refusal, match=r"InvalidNetworkInterface\.InUse"):
        aws.create(INSTANCE, inputs, "second")
    aws.delete(first)
    aws.create(INSTANCE, inputs, "third")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.77.9.1", "does not fall within"),
        ("10.77.0.3", "reserved"),
        ("10.77.0.255", "reserved"),
        ("10.77.0.10", "Address is in use"),
    ],
)
def test_an_interface_gets_only_a_free_address_of_its_subnet(
    aws: PluginClient, world: World, address: str, reason: str
):
    assert world.interface["privateIp"] == "10.77.0.10"
    with pytest.raises(Refusal, match=reason):
        aws.create(INTERFACE, {"subnetId": world.subnet.id, "privateIps": [address]})


def test_a_group_and_a_subnet_of_different_networks_do_not_meet(aws: PluginClient, world: World):
    other = aws.create(VPC, INPUTS[VPC](world))
    group = aws.create(GROUP, {"vpcId": other.id})
    with pytest.raises(Refusal, match="belong to different networks"):
        aws.create(INTERFACE, {"subnetId": world.subnet.id, "securityGroups": [group.id]})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"imageId": "ami-00000000000000001"}, "does not exist"),
        ({"instanceType": None}, "must contain the parameter InstanceType"),
        ({"vpcSecurityGroupIds": ["sg-0123456789abcdef0"]}, "does not exist"),
    ],
)
def test_a_group_needs_a_template_that_could_launch(
    aws: PluginClient, world: World, change: dict[str, Any], reason: str
):
    inputs = {key: value for key, value in {**INPUTS[TEMPLATE](world), **change}.items() if value is not None}
    template = aws.create(TEMPLATE, inputs)
    group = {"minSize": 0, "maxSize": 1, "vpcZoneIdentifiers": [world.subnet.id], "waitForCapacityTimeout": "0"}
    with pytest.raises(Refusal, match=f"valid fully-formed launch template.*{reason}"):
        aws.create(SCALING_GROUP, {**group, "launchTemplate": {"id": template.id, "version": "$Latest"}})


def test_user_data_of_a_template_has_a_limit(aws: PluginClient):
    for size in (16384, 16385):
        inputs = {"userData": base64.b64encode(b"x" * size).decode()}
        if size == 16384:
            aws.create(TEMPLATE, inputs)
        else:
            with pytest.raises(Refusal, match="limited to 16384 bytes"):
                aws.create(TEMPLATE, inputs, "other")


def test_a_name_that_is_taken_is_taken(aws: PluginClient, world: World):
    for kind, inputs in (
        (GROUP, {"name": "mine", "vpcId": world.vpc.id}),
        (ROLE, {"name": "mine", "assumeRolePolicy": TRUST}),
        (PROFILE, {"name": "mine"}),
        (SECRET, {"name": "mine"}),
        (LOG_GROUP, {"name": "mine"}),
    ):
        aws.create(kind, inputs)
        with pytest.raises(Refusal, match=r"Duplicate|AlreadyExists|ResourceExists"):
            aws.create(kind, inputs, "other")


def test_a_secret_that_is_scheduled_for_deletion_keeps_its_name(aws: PluginClient):
    made = aws.create(SECRET, {"name": "mine", "recoveryWindowInDays": 7})
    aws.delete(made)
    assert aws.refresh(made) is None
    with pytest.raises(Refusal, match=r"scheduled for deletion|already exists"):
        aws.create(SECRET, {"name": "mine"}, "other")


def test_a_protected_instance_is_not_terminated(aws: PluginClient, world: World):
    inputs = {**INPUTS[INSTANCE](world), "disableApiTermination": True}
    made = aws.create(INSTANCE, inputs)
    with pytest.raises(Refusal, match="disableApiTermination"):
        aws.delete(made, timeout=SHORT)
    forced = aws.update(made, {**inputs, "forceDestroy": True})
    aws.delete(forced)
    assert aws.refresh(made) is None


def test_a_gateway_moves_between_networks(aws: PluginClient, world: World):
    other = aws.create(VPC, INPUTS[VPC](world))
    moved = aws.update(world.gateway, {"vpcId": other.id})
    assert moved["vpcId"] == other.id
    assert aws.diff(moved, {"vpcId": other.id}).paths == {}
    aws.delete(moved)
    assert aws.find(INTERNET_GATEWAY, moved.id) is None


def test_what_no_type_knows_is_named(aws: PluginClient):
    with pytest.raises(Refusal, match="the stand-in for aws does not know aws:s3/bucket:Bucket"):
        aws.create("aws:s3/bucket:Bucket", {})
    with pytest.raises(Refusal, match="does not know how to invoke aws:s3/getBucket:getBucket"):
        aws.invoke("aws:s3/getBucket:getBucket", bucket="x")
