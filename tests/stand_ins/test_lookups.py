"""The functions say what is there."""

from __future__ import annotations

from typing import Any

import pytest

from stand_ins.aws.registry import FUNCTIONS
from stand_ins.conftest import REGION, Cloud
from stand_ins.core.schema import load_schema
from stand_ins.core.wire import plain
from stand_ins.plugin_client import PluginClient, Refusal
from stand_ins.world import SUBNET, TAGS, World

ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"
GET_VPC = "aws:ec2/getVpc:getVpc"
GET_SUBNET = "aws:ec2/getSubnet:getSubnet"
GET_SUBNETS = "aws:ec2/getSubnets:getSubnets"
GET_AMI = "aws:ec2/getAmi:getAmi"
GET_AMI_IDS = "aws:ec2/getAmiIds:getAmiIds"
GET_PARAMETER = "aws:ssm/getParameter:getParameter"
GET_TYPE = "aws:ec2/getInstanceType:getInstanceType"
OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
X86_64 = [{"name": "architecture", "values": ["x86_64"]}]


def test_zones_of_the_region(aws: PluginClient):
    found = aws.invoke(ZONES, state="available")
    assert found["names"] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert len(found["zoneIds"]) == 3
    assert aws.invoke(ZONES, excludeNames=["eu-west-1b"])["names"] == ["eu-west-1a", "eu-west-1c"]


def test_a_network_by_id_and_by_tag(aws: PluginClient, world: World):
    found = aws.invoke(GET_VPC, id=world.vpc.id)
    for name in ("cidrBlock", "enableDnsHostnames", "mainRouteTableId", "arn"):
        assert found[name] == world.vpc[name]
    assert not found["default"]
    assert aws.invoke(GET_VPC, tags={"daskfleet:fleet": "tests"})["id"] == world.vpc.id
    assert aws.invoke(GET_VPC, default=True)["default"]
    assert aws.invoke(GET_VPC, id=world.vpc.id, region=REGION)["id"] == world.vpc.id


@pytest.mark.parametrize(("token", "label"), [(GET_VPC, "EC2 VPC"), (GET_SUBNET, "EC2 Subnet")])
def test_what_does_not_exist_is_not_found(aws: PluginClient, token: str, label: str):
    missing = {GET_VPC: "vpc-0123456789abcdef0", GET_SUBNET: "subnet-0123456789abcdef0"}[token]
    with pytest.raises(Refusal, match=f"no matching {label} found"):
        aws.invoke(token, id=missing)


def test_of_several_none_is_chosen(aws: PluginClient):
    with pytest.raises(Refusal, match="multiple EC2 Subnets matched"):
        aws.invoke(GET_SUBNET, defaultForAz=True)


def test_subnets_by_network_and_tag(aws: PluginClient, world: World):
    tagged = aws.create(SUBNET, {"vpcId": world.vpc.id, "cidrBlock": "10.77.9.0/24", "tags": TAGS}, "tagged")
    ids = sorted([world.subnet.id, tagged.id])
    by_network = [{"name": "vpc-id", "values": [world.vpc.id]}]
    assert aws.invoke(GET_SUBNETS, filters=by_network)["ids"] == ids
    assert aws.invoke(GET_SUBNETS, filters=by_network, tags=TAGS)["ids"] == [tagged.id]
    assert aws.invoke(GET_SUBNETS, tags={"no": "such"})["ids"] == []
    assert aws.invoke(GET_SUBNET, vpcId=world.vpc.id, cidrBlock="10.77.9.0/24")["id"] == tagged.id


def test_images(aws: PluginClient):
    found = aws.invoke(GET_AMI, mostRecent=True, owners=["amazon"], filters=X86_64)
    assert found["architecture"] == "x86_64"
    assert found["id"] == found["imageId"]
    assert found["id"] in aws.invoke(GET_AMI_IDS, owners=["amazon"], filters=X86_64)["ids"]
    with pytest.raises(Refusal, match="Your query returned no results"):
        aws.invoke(GET_AMI, owners=["amazon"], filters=[{"name": "name", "values": ["none-of-this-name"]}])
    with pytest.raises(Refusal, match="more than one result"):
        aws.invoke(GET_AMI, owners=["amazon"], filters=X86_64)


def test_parameters(aws: PluginClient, cloud: Cloud):
    cloud.client("ssm").put_parameter(Name="/open", Value="1", Type="String")
    cloud.client("ssm").put_parameter(Name="/hidden", Value="s3cr3t", Type="SecureString")
    opened = aws.invoke(GET_PARAMETER, name="/open")
    assert (plain(opened["value"]), opened["insecureValue"], opened["type"]) == ("1", "1", "String")
    hidden = aws.invoke(GET_PARAMETER, name="/hidden")
    assert (plain(hidden["value"]), hidden["insecureValue"]) == ("s3cr3t", "")
    with pytest.raises(Refusal, match="ParameterNotFound"):
        aws.invoke(GET_PARAMETER, name="/none")


def test_instance_types(aws: PluginClient):
    found = aws.invoke(GET_TYPE, instanceType="m7i.2xlarge")
    assert (found["defaultVcpus"], found["memorySize"], found["supportedArchitectures"]) == (8, 32768, ["x86_64"])
    gpu = aws.invoke(GET_TYPE, instanceType="g4dn.xlarge")
    assert (gpu["gpuses"][0]["manufacturer"], gpu["gpuses"][0]["count"]) == ("NVIDIA", 1)
    with pytest.raises(Refusal, match=r"no matching EC2 Instance Type found|InvalidInstanceType"):
        aws.invoke(GET_TYPE, instanceType="m7i.huge")


def test_offerings_of_types(aws: PluginClient):
    wanted = [{"name": "instance-type", "values": ["m7i.2xlarge", "m6i.2xlarge", "m7i.huge"]}]
    assert sorted(set(aws.invoke(OFFERINGS, filters=wanted)["instanceTypes"])) == ["m6i.2xlarge", "m7i.2xlarge"]
    by_zone = aws.invoke(OFFERINGS, filters=wanted, locationType="availability-zone")
    assert set(by_zone["locations"]) <= {"eu-west-1a", "eu-west-1b", "eu-west-1c"}
    assert len(by_zone["instanceTypes"]) == len(by_zone["locations"])


def test_who_and_where(aws: PluginClient):
    identity = aws.invoke("aws:index/getCallerIdentity:getCallerIdentity")
    assert identity["accountId"] == identity["id"] == "123456789012"
    assert aws.invoke("aws:index/getRegion:getRegion")["region"] == REGION
    partition = aws.invoke("aws:index/getPartition:getPartition")
    assert (partition["partition"], partition["dnsSuffix"]) == ("aws", "amazonaws.com")
    assert partition["reverseDnsPrefix"] == "com.amazonaws"


ARGUMENTS: dict[str, dict[str, Any]] = {
    GET_AMI: {"mostRecent": True, "owners": ["amazon"], "filters": X86_64},
    GET_AMI_IDS: {"owners": ["amazon"]},
    GET_PARAMETER: {"name": "/open"},
    GET_SUBNET: {"availabilityZone": "eu-west-1a"},
    GET_TYPE: {"instanceType": "g4dn.xlarge"},
    GET_VPC: {"default": True},
}


@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_answers_have_the_names_of_the_sdk(aws: PluginClient, cloud: Cloud, token: str):
    cloud.client("ssm").put_parameter(Name="/open", Value="1", Type="String")
    found = aws.invoke(token, **ARGUMENTS.get(token, {}))
    assert set(found) <= set(load_schema("aws").functions[token].outputs)


@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_an_argument_that_the_sdk_has_not_is_refused(aws: PluginClient, token: str):
    with pytest.raises(AssertionError, match="no such property"):
        aws.invoke(token, **ARGUMENTS.get(token, {}), nmae="x")
