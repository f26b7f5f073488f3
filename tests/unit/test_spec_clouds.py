"""The specs of fleets in clouds: what they accept, and what they refuse with a way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daskfleet_stacks import aws, azure, gcp
from daskfleet_stacks.spec import FleetSpec, SpecError, parse_fleet_spec

VERSIONS = {"python": "3.11.7", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
TYPES = {"aws": "m7i.large", "azure": "Standard_D8s_v5", "gcp": "n2-standard-8"}
REGIONS = {"aws": "eu-west-1", "azure": "westeurope", "gcp": "europe-west1"}
ABFS = "abfs://era5@weather.dfs.core.windows.net/x"
DATA: dict[str, dict[str, Any]] = {
    "aws": {"read": ["s3://era5/x"]},
    "azure": {"read": [ABFS], "storage_accounts": {"weather": "climate"}},
    "gcp": {"read": ["gs://era5/x"]},
}
BUILDERS: dict[str, Any] = {
    "aws": aws.build_fleet_args,
    "azure": azure.build_fleet_args,
    "gcp": gcp.build_fleet_args,
}
VNET = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shared"
    "/providers/Microsoft.Network/virtualNetworks/shared"
)
SHARED = "projects/host-project/global/networks/shared"
SUBNET = "projects/host-project/regions/europe-west1/subnetworks/dask"


@pytest.fixture(params=TYPES)
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def make_group(provider: str, **changes: Any) -> dict[str, Any]:
    return {"name": "cpu", "instance_types": [TYPES[provider]], **changes}


def parse(provider: str, **changes: Any) -> Any:
    base = {"name": "research", "provider": provider, "region": REGIONS[provider], "workers": [make_group(provider)]}
    spec: FleetSpec = parse_fleet_spec({**base, **changes})
    assert spec.provider == provider
    return spec


def refuse(provider: str, path: str, told: str, **changes: Any) -> None:
    with pytest.raises(SpecError) as caught:
        parse(provider, **changes)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{path}:")
    assert told in lines[0]


def test_a_region_and_one_group_make_a_fleet_that_nobody_reaches(provider: str) -> None:
    spec = parse(provider)
    assert (spec.access.mode, spec.access.allowed_cidrs, spec.network.egress) == ("private", (), "nat")
    assert (spec.workers[0].count, spec.workers[0].spot) == (1, "never")


def test_what_a_spec_says_comes_back_from_a_stacks_configuration(provider: str) -> None:
    group = make_group(provider, count=3, spot="only", threads=2, memory_limit="4GiB", resources={"BIG": 1})
    spec = parse(
        provider,
        workers=[group],
        access={"mode": "direct", "allowed_cidrs": ["everyone", "10.0.0.0/8"]},
        image={"family": "climate"},
        data=DATA[provider],
        tags={"team": "climate"},
    )
    assert parse_fleet_spec(json.loads(spec.model_dump_json())) == spec


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"instance_types": []}, "instance_types", "at least one is needed"),
        ({"instance_types": ["large"]}, "instance_types[0]", "give one such as"),
        ({"count": "auto"}, "count", "give a whole number from 0 to 10000"),
        ({"count": -1}, "count", "give a whole number from 0 to 10000"),
        ({"count": {"min": 0, "max": 9}}, "count", "autoscaled counts are not"),
        ({"spot": "sometimes"}, "spot", "'never', 'only' or 'fallback'"),
        ({"placement": "far"}, "placement", "'zones' or 'cluster'"),
        ({"name": "scheduler"}, "name", "the scheduler's own node"),
    ],
)
def test_a_group_that_cannot_be_is_refused_with_its_place_and_a_way_out(
    provider: str, changes: dict[str, Any], path: str, told: str
) -> None:
    refuse(provider, f"workers[0].{path}", told, workers=[make_group(provider, **changes)])


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"region": "eu_west_1"}, "region", "give one such as "),
        ({"workers": []}, "workers", "at least one is needed"),
        ({"lifetime": {"idle": "20m"}}, "lifetime", "not available yet"),
        ({"environment": {}}, "environment", "daskfleet image build --environment"),
        ({"hosts": ["a"]}, "hosts", "made, not listed"),
        ({"scheduler": {"port": 8786}}, "scheduler.port", "leave it out"),
        ({"access": {"mode": "direct"}}, "access.allowed_cidrs", "give the networks that your clients are in"),
        ({"access": {"allowed_cidrs": ["10.0.0.0/8"]}}, "access.allowed_cidrs", "nothing is opened"),
        ({"access": {"mode": "ssh", "allowed_cidrs": ["0.0.0.0/0"]}}, "access.allowed_cidrs[0]", "the word everyone"),
        ({"access": {"mode": "ssh", "allowed_cidrs": ["1.2.3.4/24"]}}, "access.allowed_cidrs[0]", "host bits set"),
        ({"image": {"name": "one", "family": "climate"}}, "image.name", "already said by family"),
        ({"data": {"read": ["abfs://bucket"]}}, "data.read[0]", "/prefix"),
    ],
)
def test_what_no_cloud_can_do_is_refused_with_its_place_and_a_way_out(
    provider: str, changes: dict[str, Any], path: str, told: str
) -> None:
    refuse(provider, path, told, **changes)


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
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
def test_what_aws_cannot_do_is_refused(changes: dict[str, Any], path: str, told: str) -> None:
    refuse("aws", path, told, **changes)


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"project": "Climate"}, "project", "such as climate-dask-1234"),
        ({"network": {"zones": 2}}, "network.zones", "in all zones of its region"),
        ({"zones": ["us-east1-b"]}, "zones[0]", "not in europe-west1"),
        ({"zones": ["b"]}, "zones[0]", "such as europe-west1-b"),
        ({"network": {"cidr": "10.0.0.0/30"}}, "network.cidr", "8 to 29 bits"),
        ({"network": {"egress": "nat-per-zone"}}, "network.egress", "'nat', 'public-ip' or 'none'"),
        ({"network": {"vpc": SHARED}}, "network.subnets", "give at least one of its subnets"),
        ({"network": {"vpc": "shared", "subnets": [SUBNET]}}, "network.vpc", "such as projects/"),
        (
            {"network": {"vpc": SHARED, "subnets": [SUBNET.replace("europe-west1", "us-east1")]}},
            "network.subnets[0]",
            "not in europe-west1",
        ),
        ({"image": {"id": "ami-0a1b2c3d"}}, "image.id", "images of Google's have names"),
        ({"image": {"owner": "self"}}, "image.owner", "give image.project"),
        ({"image": {"ssm_parameter": "/x"}}, "image.ssm_parameter", "give image.family"),
        ({"data": {"read": ["s3://bucket"]}}, "data.read[0]", "give gs://bucket"),
        ({"tags": {"team": "Climate Science"}}, "tags.team", "give one such as 'climate-science'"),
        (
            {"workers": [make_group("gcp", accelerator={"type": "tesla"})]},
            "workers[0].accelerator.type",
            "such as nvidia-tesla-t4",
        ),
    ],
)
def test_what_google_cannot_do_is_refused(changes: dict[str, Any], path: str, told: str) -> None:
    refuse("gcp", path, told, **changes)


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"subscription": "mine"}, "subscription", "such as 11111111-2222"),
        ({"project": "climate"}, "project", "give subscription"),
        ({"network": {"zones": 2}}, "network.zones", "name zones under zones"),
        ({"zones": [4]}, "zones[0]", "give 1, 2 or 3"),
        ({"scheduler": {"volume_size": 20}}, "scheduler.volume_size", "greater than or equal to 30"),
        ({"zones": [True]}, "zones[0]", "give 1, 2 or 3"),
        ({"network": {"cidr": "10.0.0.0/28"}}, "network.cidr", "8 to 27 bits"),
        ({"network": {"egress": "nat-per-zone"}}, "network.egress", "'nat', 'public-ip' or 'none'"),
        ({"network": {"vpc": VNET}}, "network.subnets", "give at least one of its subnets"),
        ({"network": {"vpc": "shared", "subnets": [f"{VNET}/subnets/a"]}}, "network.vpc", "such as /subscriptions/"),
        (
            {"network": {"vpc": VNET, "subnets": [f"{VNET}-2/subnets/a"]}},
            "network.subnets[0]",
            "not of the network",
        ),
        ({"image": {"id": "ami-0a1b2c3d"}}, "image.id", "give image.gallery and image.name"),
        ({"image": {"gallery": "daskfleet"}}, "image.gallery", "give RESOURCE_GROUP/GALLERY"),
        ({"data": {"read": ["gs://bucket"]}}, "data.read[0]", "give abfs://container@account"),
        ({"data": {"write": [ABFS]}}, "data.write[0]", "storage_accounts: {weather: RESOURCE_GROUP}"),
        (
            {"workers": [make_group("azure", accelerator={"type": "nvidia-t4"})]},
            "workers[0].accelerator",
            "Standard_NC4as_T4_v3",
        ),
        (
            {"workers": [make_group("azure", instance_types=[f"Standard_D{n}s_v5" for n in (2, 4, 8, 16, 32, 48)])]},
            "workers[0].instance_types",
            "at most 5",
        ),
    ],
)
def test_what_azure_cannot_do_is_refused(changes: dict[str, Any], path: str, told: str) -> None:
    refuse("azure", path, told, **changes)


def test_zones_of_azures_may_be_written_as_numbers() -> None:
    assert parse("azure", zones=[1, "3"]).zones == ("1", "3")


def test_two_groups_of_one_name_are_refused(provider: str) -> None:
    refuse(
        provider,
        "workers[1].name",
        "another group has this name",
        workers=[make_group(provider), make_group(provider)],
    )


def test_every_problem_is_told_at_once(provider: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(
            provider,
            region="over there",
            workers=[make_group(provider, count=-1)],
            access={"mode": "direct"},
            image={"family": "one", "name": "two"},
        )
    assert len(caught.value.problems) == 4


def test_the_whole_internet_is_let_in_by_its_word_only(provider: str) -> None:
    spec = parse(provider, access={"mode": "direct", "allowed_cidrs": ["everyone"]})
    assert BUILDERS[provider](spec, VERSIONS)["allowed_cidrs"] == ["0.0.0.0/0"]


@pytest.mark.parametrize(
    ("provider", "network", "args"),
    [
        (
            "aws",
            {"vpc": "vpc-0a1b2c3d", "subnets": ["subnet-0a1b2c3d"]},
            {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d"]},
        ),
        ("azure", {"vpc": VNET, "subnets": [f"{VNET}/subnets/a"]}, {"subnet": f"{VNET}/subnets/a"}),
        ("gcp", {"vpc": SHARED, "subnets": [SUBNET]}, {"vpc": SHARED, "subnet": SUBNET}),
    ],
)
def test_a_network_that_exists_replaces_the_plan_of_a_new_one(
    provider: str, network: dict[str, Any], args: dict[str, Any]
) -> None:
    assert BUILDERS[provider](parse(provider, network=network), VERSIONS)["network"] == args


def test_a_fleet_file_differs_between_the_clouds_in_provider_region_and_types_only() -> None:
    text = {
        "count": 3,
        "spot": "fallback",
        "threads": 4,
        "memory_limit": "8GiB",
        "placement": "cluster",
        "volume_size": 60,
    }
    specs = [
        parse(
            provider,
            workers=[make_group(provider, **text)],
            access={"mode": "ssh", "allowed_cidrs": ["198.51.100.7/32"]},
            network={"cidr": "10.7.0.0/16", "egress": "none"},
            image={"family": "climate"},
            scheduler={"volume_size": 30},
            tags={"team": "climate"},
        )
        for provider in TYPES
    ]
    plain = [spec.model_dump(exclude={"provider", "region", "project", "subscription", "zones"}) for spec in specs]
    for each in plain:
        each["scheduler"].pop("instance_type")
        for group in each["workers"]:
            group.pop("instance_types")
            group.pop("accelerator", None)
        for key in ("zones",):
            each["network"].pop(key, None)
        each["data"].pop("storage_accounts", None)
        each["image"] = {key: value for key, value in each["image"].items() if value is not None}
    assert all(each == plain[0] for each in plain)
