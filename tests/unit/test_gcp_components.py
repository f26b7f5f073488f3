"""What the components of Google Cloud compute: names, labels, grants, zones, disks."""

from __future__ import annotations

import re

import pulumi
import pytest

from daskfleet_components.gcp.grants import READ, WRITE, BucketGrant, grant_data, parse_location
from daskfleet_components.gcp.image import build_filter, check_labels, fits_versions
from daskfleet_components.gcp.labels import build_labels, describe, name_account, name_instances, name_log, name_secret
from daskfleet_components.gcp.machine_types import Offer, choose_disk_type, choose_zones, describe_kind
from daskfleet_components.gcp.machines import build_metadata
from daskfleet_components.gcp.network import check_cidr, find_project
from daskfleet_components.kinds import InstanceKind, TypeFacts

LONGEST = "a" * 40
REGION = "northamerica-northeast1"
RFC_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def test_a_mark_says_the_same_in_labels_and_in_a_description() -> None:
    labels = build_labels("research", "europe-west1", "worker", group="cpu", extra={"team": "climate"})
    assert labels["team"] == "climate"
    text = describe("research", "europe-west1", "worker", group="cpu")
    assert dict(each.split("=") for each in text.split()) == {k: v for k, v in labels.items() if k != "team"}


def test_a_persons_label_does_not_take_the_place_of_ours() -> None:
    assert build_labels("research", "r", "worker", extra={"daskfleet-fleet": "other"})["daskfleet-fleet"] == "research"


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_the_longest_names_fit_googles_limits(role: str) -> None:
    account = name_account(LONGEST, REGION, role)
    assert re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", account)
    assert len(name_secret(LONGEST, REGION, role)) <= 255
    assert len(name_log("p", LONGEST, REGION).rpartition("logs/")[2]) < 512
    for suffix in ("", "-od"):
        base = name_instances(LONGEST, LONGEST, suffix)
        assert RFC_1035.fullmatch(f"{base}-x1y2")
        assert base.endswith(suffix)


def test_fleets_of_one_name_in_two_regions_have_names_of_their_own() -> None:
    for name in (name_account, name_secret):
        assert name("research", "europe-west1", "worker") != name("research", "us-east1", "worker")


def test_both_groups_of_one_that_falls_back_name_their_machines_apart() -> None:
    assert name_instances("research", "cpu") == "research-cpu"
    assert name_instances("research", "cpu", "-od") == "research-cpu-od"


def test_who_may_write_may_read_by_one_grant() -> None:
    assert grant_data(["gs://all", "gs://part/x/"], ["gs://all", "gs://part/y"]) == [
        BucketGrant("all", WRITE),
        BucketGrant("part", WRITE, "y"),
        BucketGrant("part", READ, "x"),
    ]


def test_a_grant_below_a_prefix_does_not_reach_its_neighbour() -> None:
    assert '/objects/era5/")' in BucketGrant("b", READ, "era5").condition
    assert BucketGrant("b", READ).condition == ""


@pytest.mark.parametrize("location", ["s3://b", "gs://B", "gs://", "gs://b/*", 'gs://b/" || true || "'])
def test_what_is_no_location_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="no location of Cloud Storage"):
        parse_location(location)


def make_offer(**zones: str) -> Offer:
    types = {"n2": 0, "g2": 1, "c4a": 0}
    facts = {
        f"{name}-standard-8": TypeFacts(
            f"{name}-standard-8", frozenset({"aarch64" if name == "c4a" else "x86_64"}), gpus
        )
        for name, gpus in types.items()
        if name in zones
    }
    return Offer(facts, {f"{name}-standard-8": frozenset(zones[name]) for name in zones})


def test_a_group_is_in_the_zones_that_have_all_of_its_types() -> None:
    offer = make_offer(n2="abc", g2="bc", c4a="a")
    assert choose_zones(offer, ["n2-standard-8", "g2-standard-8"], "r") == ["b", "c"]
    with pytest.raises(pulumi.RunError, match=r"no zone of r has all of them \(g2-standard-8: b, c; c4a-standard-8: a"):
        choose_zones(offer, ["g2-standard-8", "c4a-standard-8"], "r")


def test_what_machines_have_in_common_counts_added_gpus() -> None:
    offer = make_offer(n2="abc", c4a="a")
    assert describe_kind(offer, ["n2-standard-8"], "r", 2) == InstanceKind("x86_64", 2)
    with pytest.raises(pulumi.RunError, match="different architectures"):
        describe_kind(offer, ["n2-standard-8", "c4a-standard-8"], "r")
    with pytest.raises(pulumi.RunError, match="m9-gone-1: not offered in r"):
        describe_kind(offer, ["m9-gone-1"], "r")


@pytest.mark.parametrize(
    ("types", "disk"),
    [
        (["n2-standard-8"], "pd-balanced"),
        (["c4-standard-8", "c4a-standard-4"], "hyperdisk-balanced"),
        (["c3-standard-4"], "pd-balanced"),
        (["c3-standard-4", "c4-standard-8"], "hyperdisk-balanced"),
    ],
)
def test_machines_boot_from_a_disk_that_their_series_has(types: list[str], disk: str) -> None:
    assert choose_disk_type(types) == disk


def test_types_without_a_disk_in_common_are_refused() -> None:
    with pytest.raises(pulumi.RunError, match="boot from Hyperdisk, and n2-standard-8 from persistent disks"):
        choose_disk_type(["n2-standard-8", "c4-standard-8"])


def test_a_machine_takes_no_keys_but_the_fleets() -> None:
    metadata = build_metadata("#cloud-config", "ssh-ed25519 AAAA\n")
    assert metadata["ssh-keys"] == "fleet:ssh-ed25519 AAAA"
    assert (metadata["block-project-ssh-keys"], metadata["enable-oslogin"]) == ("TRUE", "FALSE")
    assert "ssh-keys" not in build_metadata("#cloud-config")


@pytest.mark.parametrize("cidr", ["10.0.0.0/30", "10.0.0.0/7", "here"])
def test_addresses_that_no_subnet_has_are_refused(cidr: str) -> None:
    with pytest.raises(ValueError, match=r"give one such as 10\.0\.0\.0/16"):
        check_cidr(cidr)


@pytest.mark.parametrize(
    ("network", "project"),
    [
        ("projects/host/global/networks/shared", "host"),
        ("https://www.googleapis.com/compute/v1/projects/own/global/networks/x-1", "own"),
    ],
)
def test_the_rules_of_a_network_are_in_its_project(network: str, project: str) -> None:
    assert find_project(network, "fleet") == project


def test_an_image_is_asked_for_by_its_labels() -> None:
    question = build_filter({"gpu": True, "versions": {"python": "3.11.7", "dask": "2026.1.0"}})
    assert question.split(") (") == [
        '(status = "READY"',
        'labels.daskfleet-family = "daskfleet-gpu"',
        'labels.daskfleet-arch = "x86_64"',
        'labels.daskfleet-gpu = "true")',
    ]


@pytest.mark.parametrize(
    ("python", "dask", "fits"), [("3-11", "2026-1-0", True), ("3-11-2", "2026-1-0", True), ("3-1", "2026-1-0", False)]
)
def test_an_image_fits_by_the_minor_version_of_python_and_all_of_the_others(python: str, dask: str, fits: bool) -> None:
    labels = {"daskfleet-python": python, "daskfleet-dask": dask}
    assert fits_versions(labels, {"python": "3.11.7", "dask": "2026.1.0"}) is fits


FACTS = {"python": "3-11", "dask": "2026-1-0", "distributed": "2026-1-0", "cloudpickle": "3-1-0", "arch": "x86_64"}


def test_an_image_says_its_versions_with_hyphens() -> None:
    labels = {f"daskfleet-{key}": value for key, value in FACTS.items()}
    assert check_labels("one", labels, {})["dask"] == "2026.1.0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dask": ""}, "lacks the labels daskfleet-dask"),
        ({"arch": "aarch64"}, "one is for aarch64, and the instance types are x86_64"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(change: dict[str, str], told: str) -> None:
    labels = {f"daskfleet-{key}": value for key, value in {**FACTS, **change}.items()}
    with pytest.raises(pulumi.RunError, match=told):
        check_labels("one", labels, {})
