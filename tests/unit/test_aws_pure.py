"""The pure parts of the components for AWS: addresses, names, policies, and what instance types have in common."""

from __future__ import annotations

import ipaddress
import json

import pulumi
import pytest

from daskfleet_components.access import is_public
from daskfleet_components.aws.addresses import plan_subnets
from daskfleet_components.aws.image import build_filters, describe_missing
from daskfleet_components.aws.policies import allow_data, allow_logs, parse_location
from daskfleet_components.image_facts import check_same_versions
from daskfleet_components.kinds import InstanceKind, TypeFacts, combine
from daskfleet_components.naming import build_tags, limit_name


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.77.0.0/16", "192.168.4.0/22"])
def test_subnets_lie_in_the_network_and_apart(cidr: str) -> None:
    plan = plan_subnets(cidr, 3)
    subnets = [ipaddress.IPv4Network(each) for zone in plan for each in (zone.private, zone.public)]
    assert all(each.subnet_of(ipaddress.IPv4Network(cidr)) for each in subnets)
    assert not any(one.overlaps(other) for index, one in enumerate(subnets) for other in subnets[:index])
    assert plan_subnets(cidr, 2) == plan[:2], "a zone that is added moves nothing"


def test_a_zone_holds_the_largest_worker_group() -> None:
    assert ipaddress.IPv4Network(plan_subnets("10.0.0.0/16", 2)[0].private).num_addresses > 10_000


@pytest.mark.parametrize(
    ("cidr", "zones", "told"),
    [
        ("10.0.0.0/8", 2, "16 to 22"),
        ("10.0.0.0/24", 2, "16 to 22"),
        ("10.0.0.1/16", 2, "host bits"),
        ("ten", 2, "no IPv4 network"),
        ("10.0.0.0/16", 4, "1 to 3"),
        ("10.0.0.0/16", 0, "1 to 3"),
    ],
)
def test_a_network_that_cannot_be_shared_is_refused_with_what_can(cidr: str, zones: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        plan_subnets(cidr, zones)


@pytest.mark.parametrize(
    ("cidr", "public"),
    [
        ("10.20.0.0/16", False),
        ("172.31.0.0/16", False),
        ("192.168.0.0/24", False),
        ("198.51.100.7/32", True),
        ("0.0.0.0/0", True),
        ("10.0.0.0/7", True),
    ],
)
def test_a_network_is_public_unless_it_lies_in_a_private_one(cidr: str, public: bool) -> None:
    assert is_public(cidr) is public


def test_a_tag_of_the_person_cannot_change_the_fleets() -> None:
    tags = build_tags("research", "worker", group="cpu", extra={"team": "climate", "daskfleet:fleet": "other"})
    assert tags == {
        "team": "climate",
        "Name": "daskfleet-research-cpu",
        "daskfleet:fleet": "research",
        "daskfleet:role": "worker",
        "daskfleet:group": "cpu",
    }


def test_long_names_fit_with_what_pulumi_adds_and_stay_apart() -> None:
    one, other = (limit_name(f"{'a' * 80}-{end}", 64) for end in ("one", "other"))
    assert max(len(one), len(other)) <= 64 - len("-1234567")
    assert one != other
    assert limit_name("short", 64) == "short"


def test_a_role_reads_below_its_prefixes_and_writes_only_where_it_may() -> None:
    statements = allow_data(["s3://climate/era5/"], ["s3://results"], "aws")
    allowed = {action: each["Resource"] for each in statements for action in each["Action"] if "List" not in action}
    assert allowed["s3:GetObject"] == [
        "arn:aws:s3:::climate/era5/*",
        "arn:aws:s3:::climate/era5",
        "arn:aws:s3:::results/*",
    ]
    assert allowed["s3:PutObject"] == ["arn:aws:s3:::results/*"]
    listing = [each for each in statements if each["Action"] == ["s3:ListBucket"]]
    assert listing[0]["Condition"] == {"StringLike": {"s3:prefix": ["era5", "era5/*"]}}
    assert "Condition" not in listing[1]


def test_without_data_a_role_has_nothing_to_do_with_s3() -> None:
    assert allow_data([], [], "aws") == []


@pytest.mark.parametrize("location", ["gs://bucket", "s3://", "bucket/prefix", "s3://bucket/*", "s3://Bucket/x"])
def test_what_is_no_location_of_s3_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="give s3://bucket"):
        parse_location(location)


def test_logs_go_to_the_streams_of_one_group_only() -> None:
    arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/daskfleet/research/x"
    assert allow_logs(arn) == allow_logs(f"{arn}:*")
    assert allow_logs(arn)["Resource"] == [f"{arn}:*"]


def test_types_of_one_architecture_go_together_and_the_fewest_gpus_count() -> None:
    facts = [TypeFacts("g6.12xlarge", frozenset({"x86_64"}), 4), TypeFacts("g6.xlarge", frozenset({"x86_64"}), 1)]
    assert combine(facts) == InstanceKind("x86_64", 1)
    assert combine([TypeFacts("m7g.large", frozenset({"aarch64"}), 0)]) == InstanceKind("aarch64", 0)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (("m7i.large", "x86_64", 0, "m7g.large", "aarch64", 0), "of different architectures .*groups of their own"),
        (("m7i.large", "x86_64", 0, "g6.xlarge", "x86_64", 1), "some have GPUs .*g6.xlarge has 1"),
    ],
)
def test_types_that_do_not_fit_one_another_are_refused(facts: tuple[str, str, int, str, str, int], told: str) -> None:
    one, one_arch, one_gpus, other, other_arch, other_gpus = facts
    with pytest.raises(pulumi.RunError, match=told):
        combine(
            [TypeFacts(one, frozenset({one_arch}), one_gpus), TypeFacts(other, frozenset({other_arch}), other_gpus)]
        )


def test_an_image_is_looked_for_by_family_architecture_and_what_the_client_runs() -> None:
    filters = build_filters({"architecture": "aarch64", "versions": {"python": "3.11.7", "dask": "2026.1.0"}})
    assert json.loads(json.dumps(filters)) == [
        {"name": "state", "values": ["available"]},
        {"name": "tag:daskfleet:family", "values": ["daskfleet"]},
        {"name": "architecture", "values": ["arm64"]},
        {"name": "tag:daskfleet:python", "values": ["3.11", "3.11.*"]},
        {"name": "tag:daskfleet:dask", "values": ["2026.1.0"]},
    ]


def test_a_missing_image_is_told_with_the_command_that_builds_it() -> None:
    told = describe_missing({"architecture": "x86_64", "gpu": True, "versions": {"dask": "2026.1.0"}})
    assert "family 'daskfleet-gpu' for x86_64" in told
    assert "dask 2026.1.0" in told
    assert "daskfleet image build --provider aws --family daskfleet-gpu --arch x86_64 --gpu" in told


def test_images_of_different_versions_make_no_fleet() -> None:
    with pytest.raises(pulumi.RunError, match=r"hold dask 1 and 2"):
        check_same_versions([{"dask": "1"}, {"dask": "2"}])
