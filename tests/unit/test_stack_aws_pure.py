"""What AWS answers, read: machines, activities, instance types, rules, leftovers, logs."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from daskfleet.errors import FleetError
from daskfleet.providers.stack.aws.checks import check_placements, check_region, check_types
from daskfleet.providers.stack.aws.clients import explain_aws_errors, is_missing
from daskfleet.providers.stack.aws.image_check import describe_differences
from daskfleet.providers.stack.aws.instance_types import Kind, TypeFacts, combine, parse_type
from daskfleet.providers.stack.aws.leftovers import EC2, ORDER, read_items
from daskfleet.providers.stack.aws.logs import parse_events
from daskfleet.providers.stack.aws.machines import find_refusal, name_node, read_machine
from daskfleet.providers.stack.aws.openings import describe_rule
from daskfleet.providers.stack.aws.removal import REMOVERS
from daskfleet_stacks.connection import Versions

NOW = datetime.datetime(2026, 1, 31, 10, tzinfo=datetime.UTC)


def instance(**changes: Any) -> dict[str, Any]:
    tags = [{"Key": "daskfleet:role", "Value": "worker"}, {"Key": "daskfleet:group", "Value": "cpu"}]
    return {
        "InstanceId": "i-1",
        "PrivateIpAddress": "10.77.0.12",
        "State": {"Name": "running"},
        "LaunchTime": NOW,
        "Tags": tags,
        **changes,
    }


def test_an_instance_is_a_machine_with_the_host_name_that_ec2_gives_it():
    machine = read_machine(instance())
    assert (machine.id, machine.group, machine.node, machine.state) == ("i-1", "cpu", "ip-10-77-0-12", "running")
    assert machine.launched == NOW.timestamp()
    assert name_node("10.0.0.1") == "ip-10-0-0-1"


def test_an_instance_without_a_group_is_the_schedulers():
    assert read_machine(instance(Tags=[{"Key": "daskfleet:role", "Value": "scheduler"}])).group is None


@pytest.mark.parametrize(
    ("word", "state"),
    [("pending", "starting"), ("shutting-down", "stopping"), ("terminated", "gone"), ("stopped", "gone")],
)
def test_states_of_instances(word: str, state: str):
    assert read_machine(instance(State={"Name": word})).state == state


def test_an_instance_that_has_gone_says_why():
    gone = instance(State={"Name": "terminated"}, StateReason={"Message": "Server.SpotInstanceTermination"})
    assert read_machine({**gone, "PrivateIpAddress": None}).reason == "Server.SpotInstanceTermination"


def activity(status: str, message: str = "") -> dict[str, Any]:
    return {"StatusCode": status, "StatusMessage": message, "Description": "Launching a new EC2 instance"}


def test_the_newest_refusal_to_launch_is_told_unless_a_launch_succeeded_since():
    refused = activity("Failed", "We currently do not have sufficient m7i.large capacity")
    assert find_refusal([activity("InProgress"), refused]) == refused["StatusMessage"]
    assert find_refusal([activity("Successful"), refused]) == ""
    assert find_refusal([]) == ""


def types(**facts: TypeFacts) -> dict[str, TypeFacts]:
    return {each.name: each for each in facts.values()}


INTEL = TypeFacts("m7i.large", frozenset({"x86_64"}), 0)
ARM = TypeFacts("m7g.large", frozenset({"aarch64"}), 0)
GPU = TypeFacts("g6.xlarge", frozenset({"x86_64"}), 1)


def test_instance_types_must_have_an_architecture_in_common_and_all_or_none_gpus():
    assert combine([INTEL]) == Kind("x86_64", 0)
    assert combine([GPU]) == Kind("x86_64", 1)
    assert combine([INTEL, ARM]) is None
    assert combine([INTEL, GPU]) is None
    assert combine([]) is None


def test_everything_wrong_with_instance_types_is_told_with_its_place():
    wanted = {"scheduler": ("m7i.large",), "cpu": ("m7i.large", "m7g.large"), "big": ("x9.huge", "m7i.large", "y.z")}
    scheduler, cpu, big = check_types(wanted, types(a=INTEL, b=ARM), "eu-west-1")
    assert scheduler.ok
    assert scheduler.found == "m7i.large (x86_64)"
    assert (
        "workers[0].instance_types: one image cannot boot on all of them (m7i.large is x86_64; m7g.large is aarch64)"
        in cpu.problem
    )
    assert "workers[1].instance_types[0]: 'x9.huge' is not offered in eu-west-1" in big.problem
    assert "workers[1].instance_types[2]: 'y.z' is not offered" in big.problem


def test_what_ec2_tells_of_a_type_is_read():
    answer = {
        "InstanceType": "g6.12xlarge",
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64", "i386"]},
        "GpuInfo": {"Gpus": [{"Manufacturer": "NVIDIA", "Count": 4}, {"Manufacturer": "AMD", "Count": 1}]},
        "PlacementGroupInfo": {"SupportedStrategies": ["cluster", "spread"]},
    }
    found = parse_type(answer)
    assert found == TypeFacts("g6.12xlarge", frozenset({"x86_64"}), 4, frozenset({"cluster", "spread"}))
    assert parse_type(answer).describe() == "x86_64 with 4 GPUs"


def test_a_misspelt_region_gets_the_nearest_and_a_new_one_passes():
    assert "did you mean 'eu-west-1'?" in check_region("eu-wset-1").problem
    assert check_region("eu-west-1").ok
    assert check_region("zz-nowhere-99").ok


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}, "tcp 22 from 0.0.0.0/0 into x"),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 9, "CidrIpv6": "::/0"}, "tcp 1-9 from ::/0 into x"),
        (
            {"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "ReferencedGroupInfo": {"GroupId": "sg-1"}},
            "everything from sg-1 into x",
        ),
    ],
)
def test_a_rule_is_told_in_words(rule: dict[str, Any], said: str):
    assert describe_rule(rule, "x") == said


def test_what_is_only_remembered_is_not_left():
    kinds = {each.kind: each for each in EC2}
    tags = [{"Key": "daskfleet:fleet", "Value": "x"}]
    two = [instance(Tags=tags), instance(Tags=tags, InstanceId="i-2", State={"Name": "terminated"})]
    assert [each.id for each in read_items(kinds["instance"], [{"Instances": two}], "x")] == ["i-1"]
    gateways = [{"NatGatewayId": "1", "State": "deleted"}, {"NatGatewayId": "2", "State": "deleting"}]
    assert [
        each.id for each in read_items(kinds["NAT gateway"], [{**each, "Tags": tags} for each in gateways], "x")
    ] == ["2"]


def test_what_carries_another_fleets_tag_is_not_left_whatever_the_filter_let_through():
    vpcs = next(each for each in EC2 if each.kind == "VPC")
    others = [{"VpcId": "vpc-1", "Tags": [{"Key": "daskfleet:fleet", "Value": "y"}]}, {"VpcId": "vpc-2"}]
    assert read_items(vpcs, others, "x") == []


def test_everything_that_can_be_left_can_be_removed():
    assert set(ORDER) <= {*REMOVERS, "instance"}


def test_events_of_cloudwatch_are_told_in_the_order_of_their_times():
    events = [
        {"logStreamName": "cpu/ip-1", "timestamp": 2000, "ingestionTime": 2500, "message": "b\n", "eventId": "2"},
        {"logStreamName": "scheduler/ip-0", "timestamp": 1000, "message": "a", "eventId": "1"},
    ]
    first, second = parse_events(events)
    assert (first.group, first.node, first.message, first.received) == ("scheduler", "ip-0", "a", 1.0)
    assert (second.group, second.node, second.message, second.time, second.received) == ("cpu", "ip-1", "b", 2.0, 2.5)


def client_error(code: str, message: str = "no") -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeVpcs")


@pytest.mark.parametrize("code", ["InvalidVpcID.NotFound", "NoSuchEntity", "ResourceNotFoundException"])
def test_what_is_not_there_is_told_apart(code: str):
    assert is_missing(client_error(code))
    assert not is_missing(client_error("DependencyViolation"))


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ExpiredToken", "Renew them"),
        ("UnauthorizedOperation", "this identity may not do that"),
        ("Throttling", "asked too often"),
        ("Strange", "look at the identity and the region"),
    ],
)
def test_errors_of_aws_say_what_was_refused_and_what_to_do(code: str, remedy: str):
    with pytest.raises(FleetError) as caught, explain_aws_errors():
        raise client_error(code, "the message")
    assert "DescribeVpcs: the message" in str(caught.value)
    assert remedy in str(caught.value)


def test_missing_credentials_are_told():
    from botocore.exceptions import NoCredentialsError

    with pytest.raises(FleetError, match="there are no AWS credentials"), explain_aws_errors():
        raise NoCredentialsError


def test_an_image_that_holds_other_versions_than_the_client_is_told():
    client = Versions(python="3.11.7", dask="2026.1.0", distributed="2026.1.0", cloudpickle="3.1.0")
    held = {"python": "3.11", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
    assert describe_differences(held, client) == ""
    told = describe_differences(held | {"python": "3.12", "dask": "2025.1.0"}, client)
    assert told.startswith(", with python 3.12 (here 3.11), dask 2025.1.0 (here 2026.1.0): scripts need")


def test_types_that_cannot_be_close_together_are_told():
    names = ("m7i.large", "t3.large")
    answers = [
        {"InstanceType": name, "PlacementGroupInfo": {"SupportedStrategies": strategies}}
        for name, strategies in zip(names, (["cluster", "spread"], ["partition", "spread"]), strict=True)
    ]
    facts = {each["InstanceType"]: parse_type(each) for each in answers}
    assert [check.ok for check in check_placements({"a": names[:1]}, facts)] == [True]
    (wrong,) = check_placements({"a": names}, facts)
    assert wrong.problem.startswith("placement: 'cluster': machines of t3.large cannot be close together; choose")
