"""What changes in place and what makes another one, as the real provider decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stand_ins.conftest import DEFAULT_TAGS, REGION, Cloud, render_environment
from stand_ins.core.wire import UNKNOWN, plain
from stand_ins.plugin_client import PluginClient
from stand_ins.world import (
    ASSOCIATION,
    EGRESS,
    EIP,
    ENDPOINT,
    GROUP,
    INGRESS,
    INPUTS,
    INSTANCE,
    INTERFACE,
    INTERNET_GATEWAY,
    KEY_PAIR,
    LOG_GROUP,
    NAT_GATEWAY,
    POLICY,
    PROFILE,
    ROLE,
    ROLE_POLICY,
    ROUTE,
    ROUTE_TABLE,
    SCALING_GROUP,
    SECRET,
    SECRET_VERSION,
    SUBNET,
    TEMPLATE,
    TRUST,
    VPC,
    World,
)

Change = Callable[[World], dict[str, Any]]
OTHER_POLICY = POLICY.replace("GetObject", "PutObject")
OTHER_TRUST = TRUST.replace("ec2.amazonaws.com", "ssm.amazonaws.com")


def mixed(world: World, **template: Any) -> dict[str, Any]:
    """The policy of the group in `INPUTS`, with another template's version or other types."""
    policy = INPUTS[SCALING_GROUP](world)["mixedInstancesPolicy"]
    return {**policy, "launchTemplate": {**policy["launchTemplate"], **template}}


REPLACED: list[tuple[str, str, Change]] = [
    (VPC, "cidrBlock", lambda world: {"cidrBlock": "10.79.0.0/16"}),
    (VPC, "instanceTenancy", lambda world: {"instanceTenancy": "dedicated"}),
    (VPC, "region", lambda world: {"region": "eu-north-1"}),
    (SUBNET, "cidrBlock", lambda world: {"cidrBlock": "10.77.8.0/24"}),
    (SUBNET, "availabilityZone", lambda world: {"availabilityZone": "eu-west-1c"}),
    (EIP, "networkBorderGroup", lambda world: {"networkBorderGroup": "eu-west-1-lhr-1"}),
    (NAT_GATEWAY, "connectivityType", lambda world: {"connectivityType": "private", "allocationId": None}),
    (ROUTE, "destinationCidrBlock", lambda world: {"destinationCidrBlock": "192.0.2.0/24"}),
    (ASSOCIATION, "subnetId", lambda world: {"subnetId": "subnet-other"}),
    (ENDPOINT, "serviceName", lambda world: {"serviceName": "com.amazonaws.eu-west-1.dynamodb"}),
    (GROUP, "description", lambda world: {"description": "other"}),
    (GROUP, "name", lambda world: {"name": "other"}),
    (INGRESS, "cidrIpv4", lambda world: {"referencedSecurityGroupId": None, "cidrIpv4": "192.0.2.1/32"}),
    (INTERFACE, "subnetId", lambda world: {"subnetId": "subnet-other"}),
    (INTERFACE, "privateIps", lambda world: {"privateIps": ["10.77.0.30"]}),
    (INSTANCE, "ami", lambda world: {"ami": "ami-00000000000000001"}),
    (INSTANCE, "userData", lambda world: {"userData": "#cloud-config\n{other: 1}\n"}),
    (INSTANCE, "keyName", lambda world: {"keyName": "other"}),
    (INSTANCE, "primaryNetworkInterface", lambda world: {"primaryNetworkInterface": {"networkInterfaceId": "eni-1"}}),
    (INSTANCE, "rootBlockDevice", lambda world: {"rootBlockDevice": {"volumeSize": 20, "encrypted": False}}),
    (TEMPLATE, "name", lambda world: {"name": "other"}),
    (KEY_PAIR, "publicKey", lambda world: {"publicKey": "ssh-ed25519 AAAA other"}),
    (ROLE, "path", lambda world: {"path": "/other/"}),
    (ROLE_POLICY, "role", lambda world: {"role": "other"}),
    (PROFILE, "path", lambda world: {"path": "/other/"}),
    (SECRET, "name", lambda world: {"name": "other"}),
    (SECRET_VERSION, "secretString", lambda world: {"secretString": "0th3r"}),
    (LOG_GROUP, "name", lambda world: {"name": "/other"}),
    (SCALING_GROUP, "name", lambda world: {"name": "other"}),
]

UPDATED: list[tuple[str, str, Change]] = [
    (VPC, "enableDnsHostnames", lambda world: {"enableDnsHostnames": False}),
    (VPC, "enableDnsSupport", lambda world: {"enableDnsSupport": False, "enableDnsHostnames": False}),
    (SUBNET, "mapPublicIpOnLaunch", lambda world: {"mapPublicIpOnLaunch": False}),
    (INTERNET_GATEWAY, "vpcId", lambda world: {"vpcId": world.aws.create(VPC, INPUTS[VPC](world), "other").id}),
    (ROUTE, "natGatewayId", lambda world: {"gatewayId": None, "natGatewayId": make_nat(world)}),
    (ROUTE_TABLE, "routes", lambda world: {"routes": [{"cidrBlock": "192.0.2.0/24", "gatewayId": world.gateway.id}]}),
    (ASSOCIATION, "routeTableId", lambda world: {"routeTableId": make_table(world)}),
    (ENDPOINT, "routeTableIds", lambda world: {"routeTableIds": [make_table(world)]}),
    (
        GROUP,
        "ingress",
        lambda world: {
            "ingress": [{"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["192.0.2.0/24"]}]
        },
    ),
    (INGRESS, "toPort", lambda world: {"toPort": 8787}),
    (EGRESS, "cidrIpv4", lambda world: {"cidrIpv4": "192.0.2.0/24"}),
    (INTERFACE, "description", lambda world: {"description": "other"}),
    (INTERFACE, "securityGroups", lambda world: {"securityGroups": [make_group(world)]}),
    (INSTANCE, "instanceType", lambda world: {"instanceType": "m7i.xlarge"}),
    (INSTANCE, "instanceInitiatedShutdownBehavior", lambda world: {"instanceInitiatedShutdownBehavior": "stop"}),
    (INSTANCE, "disableApiTermination", lambda world: {"disableApiTermination": True}),
    (INSTANCE, "iamInstanceProfile", lambda world: {"iamInstanceProfile": make_profile(world)}),
    (TEMPLATE, "instanceType", lambda world: {"instanceType": "m7i.xlarge"}),
    (TEMPLATE, "blockDeviceMappings", lambda world: {"blockDeviceMappings": []}),
    (TEMPLATE, "description", lambda world: {"description": "other"}),
    (ROLE, "assumeRolePolicy", lambda world: {"assumeRolePolicy": OTHER_TRUST}),
    (ROLE, "description", lambda world: {"description": "other"}),
    (ROLE_POLICY, "policy", lambda world: {"policy": OTHER_POLICY}),
    (SECRET, "description", lambda world: {"description": "other"}),
    (SECRET, "recoveryWindowInDays", lambda world: {"recoveryWindowInDays": 7}),
    (LOG_GROUP, "retentionInDays", lambda world: {"retentionInDays": 30}),
    (LOG_GROUP, "retentionInDays", lambda world: {"retentionInDays": 0}),
    (SCALING_GROUP, "maxSize", lambda world: {"maxSize": 20}),
    (SCALING_GROUP, "desiredCapacity", lambda world: {"desiredCapacity": 3}),
    (SCALING_GROUP, "suspendedProcesses", lambda world: {"suspendedProcesses": []}),
    (
        SCALING_GROUP,
        "mixedInstancesPolicy",
        lambda world: {"mixedInstancesPolicy": mixed(world, overrides=[{"instanceType": "c7i.large"}])},
    ),
    (SCALING_GROUP, "tags", lambda world: {"tags": [{"key": "Name", "value": "other", "propagateAtLaunch": False}]}),
]


def make_table(world: World) -> str:
    return world.aws.create(ROUTE_TABLE, {"vpcId": world.vpc.id}, "other").id


def make_group(world: World) -> str:
    return world.aws.create(GROUP, {"vpcId": world.vpc.id}, "other").id


def make_profile(world: World) -> str:
    return world.aws.create(PROFILE, {}, "other").id


def make_nat(world: World) -> str:
    return world.aws.create(NAT_GATEWAY, {"allocationId": world.address.id, "subnetId": world.subnet.id}, "nat").id


@pytest.mark.parametrize(("kind", "name", "change"), REPLACED, ids=[f"{kind}-{name}" for kind, name, _ in REPLACED])
def test_another_one_is_made_for(aws: PluginClient, world: World, kind: str, name: str, change: Change):
    inputs = INPUTS[kind](world)
    made = aws.create(kind, inputs)
    difference = aws.diff(made, apply(inputs, change(world)))
    assert name in {path.partition(".")[0].partition("[")[0] for path in difference.replaces}


@pytest.mark.parametrize(("kind", "name", "change"), UPDATED, ids=[f"{kind}-{name}" for kind, name, _ in UPDATED])
def test_in_place_changes(aws: PluginClient, world: World, kind: str, name: str, change: Change):
    inputs = INPUTS[kind](world)
    made = aws.create(kind, inputs)
    changed = apply(inputs, change(world))
    difference = aws.diff(made, changed)
    assert difference.replaces == []
    assert name in {path.partition(".")[0].partition("[")[0] for path in difference.paths}

    planned = plain(aws.update(made, changed, preview=True).state)
    updated = aws.update(made, changed)
    for key, value in planned.items():
        if value is not UNKNOWN and key in changed and not isinstance(value, list | dict):
            assert updated[key] == value, f"{key} came out otherwise than the preview said"
    assert aws.diff(updated, changed).paths == {}
    refreshed = aws.refresh(updated)
    assert refreshed is not None
    assert refreshed.state == updated.state


def apply(inputs: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**inputs, **change}.items() if value is not None}


def test_another_version_of_a_template_is_the_latest_one_and_the_preview_does_not_know_it(
    aws: PluginClient, world: World
):
    inputs = INPUTS[TEMPLATE](world)
    made = aws.create(TEMPLATE, inputs)
    assert (made["latestVersion"], made["defaultVersion"]) == (1, 1)
    changed = {**inputs, "instanceType": "m7i.xlarge"}
    planned = aws.update(made, changed, preview=True).state
    assert (planned["latestVersion"], planned["defaultVersion"]) == (UNKNOWN, UNKNOWN)
    updated = aws.update(made, changed)
    assert (updated["latestVersion"], updated["defaultVersion"]) == (2, 2)
    tagged = aws.update(updated, {**changed, "tags": {"only": "tags"}})
    assert tagged["latestVersion"] == 2


def test_user_data_changes_in_place_where_no_other_machine_is_asked_for(aws: PluginClient, world: World, cloud: Cloud):
    inputs = {**INPUTS[INSTANCE](world), "userDataReplaceOnChange": False}
    made = aws.create(INSTANCE, inputs)
    changed = {**inputs, "userData": "#cloud-config\n{other: 1}\n"}
    assert aws.diff(made, changed).replaces == []
    cloud.calls.clear()
    updated = aws.update(made, changed)
    assert updated["userData"] == changed["userData"]
    assert {"ec2:StopInstances", "ec2:StartInstances"} <= cloud.calls.names()


def test_a_value_that_is_not_known_yet_counts_as_another_one(aws: PluginClient, world: World):
    inputs = INPUTS[SUBNET](world)
    made = aws.create(SUBNET, inputs)
    assert aws.diff(made, {**inputs, "vpcId": UNKNOWN}).replaces == ["vpcId"]
    assert aws.diff(made, {**inputs, "mapPublicIpOnLaunch": UNKNOWN}).replaces == []


def test_what_the_engine_ignores_is_no_change(aws: PluginClient, world: World, cloud: Cloud):
    inputs = INPUTS[SCALING_GROUP](world)
    made = aws.create(SCALING_GROUP, inputs)
    name = made["name"]
    cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=5)
    refreshed = aws.refresh(made)
    assert refreshed is not None
    assert refreshed["desiredCapacity"] == 5
    assert refreshed.inputs["desiredCapacity"] == 5
    assert aws.diff(refreshed, inputs).paths == {"desiredCapacity": "UPDATE"}
    assert aws.diff(refreshed, inputs, ignore=["desiredCapacity"]).paths == {}
    left_out = {key: value for key, value in inputs.items() if key != "desiredCapacity"}
    assert aws.diff(refreshed, left_out).paths == {}, "the group's own where the program says none"


def test_drift_is_found_by_a_refresh_and_taken_back(aws: PluginClient, world: World, cloud: Cloud):
    inputs = INPUTS[GROUP](world)
    made = aws.create(GROUP, inputs)
    extra = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    cloud.ec2.authorize_security_group_ingress(GroupId=made.id, IpPermissions=extra)
    refreshed = aws.refresh(made)
    assert refreshed is not None
    assert list(aws.diff(refreshed, inputs).paths) == ["ingress"]
    back = aws.update(refreshed, inputs)
    assert aws.diff(back, inputs).paths == {}
    opened = cloud.ec2.describe_security_groups(GroupIds=[made.id])["SecurityGroups"][0]["IpPermissions"]
    assert not any(rule.get("FromPort") == 1 for rule in opened)


def test_the_order_of_what_is_a_set_means_nothing(aws: PluginClient, world: World):
    inputs = INPUTS[GROUP](world)
    made = aws.create(GROUP, inputs)
    turned = {**inputs, "ingress": list(reversed(inputs["ingress"]))}
    assert aws.diff(made, turned).paths == {}


def test_a_protocol_has_several_spellings(aws: PluginClient, world: World):
    inputs = INPUTS[EGRESS](world)
    made = aws.create(EGRESS, {**inputs, "ipProtocol": "all"})
    assert made["ipProtocol"] == "-1"
    assert aws.diff(made, {**inputs, "ipProtocol": "ALL"}).paths == {}
    assert aws.diff(made, inputs).paths == {}


def test_a_policy_that_only_looks_different_is_no_change(aws: PluginClient, world: World):
    inputs = INPUTS[ROLE_POLICY](world)
    made = aws.create(ROLE_POLICY, inputs)
    spaced = POLICY.replace(" ", "  ").replace('["s3:GetObject"]', '"s3:GetObject"')
    assert aws.diff(made, {**inputs, "policy": spaced}).paths == {}


def test_a_change_of_default_tags_reaches_what_is_there(aws: PluginClient, world: World, cloud: Cloud):
    made = aws.create(VPC, INPUTS[VPC](world))
    with PluginClient("aws", render_environment(cloud)) as other:
        other.configure(region=REGION, defaultTags={"tags": {"daskfleet:fleet": "renamed"}})
        assert other.diff(made, INPUTS[VPC](world)).paths == {'tagsAll["daskfleet:fleet"]': "UPDATE"}
        updated = other.update(made, INPUTS[VPC](world))
    assert updated["tagsAll"]["daskfleet:fleet"] == "renamed"
    assert DEFAULT_TAGS["daskfleet:fleet"] != "renamed"


def test_names_are_made_once_and_kept(aws: PluginClient, world: World):
    made = aws.create(GROUP, {"vpcId": world.vpc.id}, name="workers")
    assert made["name"].startswith("workers-")
    assert len(made["name"]) == len("workers-") + 7
    assert made.inputs["__defaults"] == ["description", "name", "revokeRulesOnDelete"]
    assert aws.diff(made, {"vpcId": world.vpc.id}).paths == {}
    given = aws.diff(made, {"vpcId": world.vpc.id, "name": "mine"})
    assert given.replaces == ["name"]


def test_one_of_a_given_name_goes_before_the_other_is_made(aws: PluginClient, world: World):
    named = {"vpcId": world.vpc.id, "name": "mine", "description": "one"}
    made = aws.create(GROUP, named)
    assert aws.diff(made, {**named, "description": "two"}).delete_first
    free = aws.create(GROUP, {"vpcId": world.vpc.id, "description": "one"}, "other")
    assert not aws.diff(free, {"vpcId": world.vpc.id, "description": "two"}).delete_first


def test_a_name_from_a_prefix_is_one_of_the_cloud(aws: PluginClient, world: World):
    inputs = {"vpcId": world.vpc.id, "namePrefix": "worker-"}
    made = aws.create(GROUP, inputs)
    assert made["name"].startswith("worker-")
    assert aws.diff(made, inputs).paths == {}
