"""The spec of a fleet in AWS: what it accepts, and what it refuses with a way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daskfleet_stacks.aws import build_fleet_args
from daskfleet_stacks.spec import AwsFleetSpec, SpecError, parse_fleet_spec

VERSIONS = {"python": "3.11.7", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
CPU = {"name": "cpu", "instance_types": ["m7i.large"]}


def make(**changes: Any) -> dict[str, Any]:
    return {"name": "research", "provider": "aws", "region": "eu-west-1", "workers": [CPU], **changes}


def parse(**changes: Any) -> AwsFleetSpec:
    spec = parse_fleet_spec(make(**changes))
    assert isinstance(spec, AwsFleetSpec)
    return spec


def test_a_region_and_one_group_make_a_fleet_that_nobody_reaches() -> None:
    spec = parse()
    assert (spec.access.mode, spec.access.allowed_cidrs, spec.network.egress) == ("private", (), "nat")
    assert (spec.workers[0].count, spec.workers[0].spot) == (1, "never")


def test_what_a_spec_says_comes_back_from_a_stacks_configuration() -> None:
    spec = parse(
        workers=[{**CPU, "count": 3, "spot": "only", "threads": 2, "memory_limit": "4GiB", "resources": {"BIG": 1}}],
        access={"mode": "direct", "allowed_cidrs": ["everyone", "10.0.0.0/8"]},
        image={"family": "climate"},
        data={"read": ["s3://era5/x"]},
        tags={"team": "climate"},
    )
    assert parse_fleet_spec(json.loads(spec.model_dump_json())) == spec


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"region": "eu_west_1"}, "region", "give one such as eu-west-1"),
        ({"workers": []}, "workers", "at least one is needed"),
        ({"workers": [{**CPU, "instance_types": []}]}, "workers[0].instance_types", "at least one is needed"),
        ({"workers": [{**CPU, "instance_types": ["large"]}]}, "workers[0].instance_types[0]", "such as m7i.large"),
        ({"workers": [{**CPU, "count": "auto"}]}, "workers[0].count", "give a whole number from 0 to 10000"),
        ({"workers": [{**CPU, "count": -1}]}, "workers[0].count", "give a whole number from 0 to 10000"),
        ({"workers": [{**CPU, "count": {"min": 0, "max": 9}}]}, "workers[0].count", "autoscaled counts are not"),
        ({"workers": [{**CPU, "spot": "sometimes"}]}, "workers[0].spot", "'never', 'only' or 'fallback'"),
        ({"workers": [CPU, CPU]}, "workers[1].name", "another group has this name"),
        ({"workers": [{**CPU, "name": "scheduler"}]}, "workers[0].name", "the scheduler's own node"),
        ({"lifetime": {"idle": "20m"}}, "lifetime", "not available yet"),
        ({"environment": {}}, "environment", "daskfleet image build --environment"),
        ({"scheduler": {"port": 8786}}, "scheduler.port", "leave it out"),
        ({"access": {"mode": "direct"}}, "access.allowed_cidrs", "give the networks that your clients are in"),
        ({"access": {"allowed_cidrs": ["10.0.0.0/8"]}}, "access.allowed_cidrs", "nothing is opened"),
        (
            {"access": {"mode": "direct", "allowed_cidrs": ["0.0.0.0/0"]}},
            "access.allowed_cidrs[0]",
            "the word everyone",
        ),
        (
            {"access": {"mode": "direct", "allowed_cidrs": ["198.51.100.7/24"]}},
            "access.allowed_cidrs[0]",
            "host bits set",
        ),
        ({"network": {"cidr": "10.0.0.0/8"}}, "network.cidr", "16 to 22 bits"),
        ({"network": {"zones": 4}}, "network.zones", "less than or equal to 3"),
        ({"network": {"vpc": "vpc-0a1b2c3d"}}, "network.subnets", "give at least one of its subnets"),
        ({"network": {"subnets": ["subnet-0a1b2c3d"]}}, "network.subnets", "give their vpc"),
        (
            {"network": {"vpc": "vpc-0a1b2c3d", "subnets": ["subnet-0a1b2c3d"], "egress": "none"}},
            "network.egress",
            "an existing VPC is used as it is",
        ),
        ({"image": {"id": "ami-0a1b2c3d", "family": "climate"}}, "image.id", "already said by family"),
        ({"image": {"owner": "self"}}, "image.owner", "goes with a name"),
        ({"image": {"id": "my-image"}}, "image.id", "such as ami-"),
        ({"data": {"read": ["gs://bucket"]}}, "data.read[0]", "give s3://bucket"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_a_way_out(changes: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(**changes)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{path}:")
    assert told in lines[0]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse(region="here", workers=[{**CPU, "count": -1}], access={"mode": "direct"}, image={"owner": "self"})
    assert len(caught.value.problems) == 4


def test_the_whole_internet_is_let_in_by_its_word_only() -> None:
    spec = parse(access={"mode": "direct", "allowed_cidrs": ["everyone"]})
    assert build_fleet_args(spec, VERSIONS)["allowed_cidrs"] == ["0.0.0.0/0"]


def test_an_existing_vpc_replaces_the_plan_of_a_new_one() -> None:
    spec = parse(network={"vpc": "vpc-0a1b2c3d", "subnets": ["subnet-0a1b2c3d"]})
    assert build_fleet_args(spec, VERSIONS)["network"] == {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d"]}
