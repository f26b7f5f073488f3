"""What is particular to one kind of thing."""

from __future__ import annotations

import pytest

from stand_ins.conftest import Cloud
from stand_ins.plugin_client import PluginClient, Refusal
from stand_ins.world import ENDPOINT, GROUP, INPUTS, INSTANCE, INTERFACE, SCALING_GROUP, SUBNET, TEMPLATE, World


def test_an_end_point_with_interfaces_takes_them_along(aws: PluginClient, world: World):
    inputs = {
        "vpcId": world.vpc.id,
        "serviceName": "com.amazonaws.eu-west-1.logs",
        "vpcEndpointType": "Interface",
        "privateDnsEnabled": True,
        "subnetIds": [world.subnet.id],
        "securityGroupIds": [world.group.id],
    }
    made = aws.create(ENDPOINT, inputs)
    assert len(made["networkInterfaceIds"]) == 1
    assert aws.diff(made, inputs).paths == {}
    with pytest.raises(Refusal, match="DependencyViolation"):
        aws.delete(world.subnet, timeout=0.5)
    aws.delete(made)
    aws.delete(world.subnet)
    aws.delete(world.group)


def test_interfaces_get_free_addresses_one_after_the_other(aws: PluginClient, world: World):
    inputs = {"subnetId": world.subnet.id}
    made = [aws.create(INTERFACE, inputs, name) for name in ("one", "two", "three")]
    assert [each["privateIp"] for each in made] == ["10.77.0.4", "10.77.0.5", "10.77.0.6"]


def test_a_full_subnet_has_no_address_left(aws: PluginClient, world: World):
    subnet = aws.create(SUBNET, {"vpcId": world.vpc.id, "cidrBlock": "10.77.9.0/28"}, "small")
    for number in range(11):
        aws.create(INTERFACE, {"subnetId": subnet.id}, f"number-{number}")
    with pytest.raises(Refusal, match="InsufficientFreeAddressesInSubnet"):
        aws.create(INTERFACE, {"subnetId": subnet.id}, "more")


def test_what_a_groups_instances_leave_does_not_hold_their_subnet(aws: PluginClient, world: World, cloud: Cloud):
    template = {
        "imageId": world.image,
        "instanceType": "m7i.large",
        "networkInterfaces": [
            {
                "deviceIndex": 0,
                "associatePublicIpAddress": "false",
                "securityGroups": [world.group.id],
                "deleteOnTermination": "true",
            }
        ],
        "tagSpecifications": [
            {"resourceType": kind, "tags": {"daskfleet:fleet": "tests"}}
            for kind in ("instance", "volume", "network-interface")
        ],
    }
    made = aws.create(TEMPLATE, template)
    assert aws.diff(made, template).paths == {}
    inputs = {
        "minSize": 0,
        "maxSize": 3,
        "desiredCapacity": 3,
        "vpcZoneIdentifiers": [world.subnet.id],
        "launchTemplate": {"id": made.id, "version": "$Latest"},
        "forceDelete": True,
        "waitForCapacityTimeout": "1m",
    }
    group = aws.create(SCALING_GROUP, inputs)
    assert aws.diff(group, inputs).paths == {}
    with pytest.raises(Refusal, match="DependencyViolation"):
        aws.delete(world.subnet, timeout=0.5)
    aws.delete(group)
    aws.delete(world.subnet)
    aws.delete(world.group)
    assert aws.refresh(world.subnet) is None


def test_a_group_without_force_is_emptied_before_it_goes(aws: PluginClient, world: World, cloud: Cloud):
    made = aws.create(SCALING_GROUP, {**INPUTS[SCALING_GROUP](world), "forceDelete": False})
    cloud.calls.clear()
    aws.delete(made)
    changes = [call.action for call in cloud.calls.calls if call.changes]
    assert changes == ["UpdateAutoScalingGroup", "DeleteAutoScalingGroup"]


def test_another_size_leaves_what_a_group_launches_as_it_is(aws: PluginClient, world: World, cloud: Cloud):
    """A person, or a command, may have changed it: the program ignores that, and the update says nothing of it."""
    inputs = INPUTS[SCALING_GROUP](world)
    ignore = ["mixedInstancesPolicy.instancesDistribution.onDemandBaseCapacity"]
    made = aws.create(SCALING_GROUP, inputs)
    groups = cloud.client("autoscaling")
    [group] = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    policy = group["MixedInstancesPolicy"]
    policy["InstancesDistribution"]["OnDemandBaseCapacity"] = 5
    del policy["LaunchTemplate"]["LaunchTemplateSpecification"]["LaunchTemplateName"]
    groups.update_auto_scaling_group(AutoScalingGroupName=made.id, MixedInstancesPolicy=policy)
    refreshed = aws.refresh(made)
    assert refreshed is not None
    assert aws.diff(refreshed, inputs, ignore).paths == {}
    larger = {**inputs, "maxSize": 50}
    assert aws.diff(refreshed, larger, ignore).paths == {"maxSize": "UPDATE"}
    aws.update(refreshed, larger, ignore)
    [group] = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandBaseCapacity"] == 5
    assert group["MaxSize"] == 50


def test_tags_of_a_volume_follow_those_of_its_block(aws: PluginClient, world: World, cloud: Cloud):
    inputs = INPUTS[INSTANCE](world)
    block = {**inputs["rootBlockDevice"], "tags": {"Name": "root"}}
    made = aws.create(INSTANCE, {**inputs, "rootBlockDevice": block})
    volume = made["rootBlockDevice"]["volumeId"]

    def tags() -> dict[str, str]:
        [found] = cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
        return {tag["Key"]: tag["Value"] for tag in found["Tags"]}

    assert tags() == {"Name": "root", "daskfleet:fleet": "tests"}
    other = {**inputs, "rootBlockDevice": {**block, "tags": {"Name": "other"}}}
    assert aws.diff(made, other).replaces == []
    aws.update(made, other)
    assert tags() == {"Name": "other", "daskfleet:fleet": "tests"}


def test_rules_beside_those_inside_a_group_are_two_ways_that_do_not_meet(aws: PluginClient, world: World):
    inside = {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["192.0.2.0/24"]}
    made = aws.create(GROUP, {"vpcId": world.vpc.id, "ingress": [inside]})
    rule = {"securityGroupId": made.id, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "192.0.2.0/24"}
    with pytest.raises(Refusal, match=r"InvalidPermission\.Duplicate"):
        aws.create("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", rule)
