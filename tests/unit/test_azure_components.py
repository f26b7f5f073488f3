"""What the components of Azure compute, without Azure."""

from __future__ import annotations

import base64

import pulumi
import pytest

from daskfleet_components.azure import grants, image, network, roles, sizes, worker_group
from daskfleet_components.azure.machines import encode_user_data
from daskfleet_components.azure.naming import shorten_name
from daskfleet_components.azure.place import name_group
from daskfleet_components.azure.scheduler import find_private_address

VERSIONS = {"python": "3.11.7", "dask": "2026.1.0", "distributed": "2026.1.0", "cloudpickle": "3.1.0"}
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
ERA5 = grants.Location("weather", "climate", "era5")


@pytest.mark.parametrize(
    ("names", "architecture", "gpus"),
    [
        (["Standard_D8s_v5"], "x86_64", 0),
        (["Standard_D8s_v5", "Standard_E8as_v5", "Standard_F8s_v2"], "x86_64", 0),
        (["Standard_D4ps_v5", "Standard_E4pds_v5"], "aarch64", 0),
        (["Standard_E4-2s_v5"], "x86_64", 0),
        (["Standard_NC4as_T4_v3"], "x86_64", 1),
        (["Standard_NC64as_T4_v3", "Standard_NC24ads_A100_v4"], "x86_64", 1),
        (["Standard_NC80adis_H100_v5"], "x86_64", 2),
    ],
)
def test_a_size_tells_its_architecture_and_its_gpus(names: list[str], architecture: str, gpus: int) -> None:
    kind = sizes.describe_kind(names)
    assert (kind.architecture, kind.gpus) == (architecture, gpus)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["m7i.large"], "is no VM size of Azure"),
        (["Standard_NV36ads_A10_v5"], "no driver for its accelerators"),
        (["Standard_ND96isr_H100_v5"], "no driver for its accelerators"),
        (["Standard_D8s_v5", "Standard_D8ps_v5"], "different architectures"),
        (["Standard_D8s_v5", "Standard_NC4as_T4_v3"], "some have GPUs and some have none"),
    ],
)
def test_sizes_that_no_image_boots_on_are_refused(names: list[str], told: str) -> None:
    with pytest.raises(pulumi.RunError, match=told):
        sizes.describe_kind(names)


def test_disks_are_fast_where_every_size_can_have_fast_ones() -> None:
    assert sizes.choose_disk_type(["Standard_D8s_v5", "Standard_D8ads_v5"]) == "Premium_LRS"
    assert sizes.choose_disk_type(["Standard_D8s_v5", "Standard_D8_v5"]) == "StandardSSD_LRS"


@pytest.mark.parametrize(
    ("location", "parsed"),
    [
        ("abfs://climate@weather.dfs.core.windows.net", grants.Location("weather", "climate")),
        ("abfss://climate@weather.dfs.core.windows.net/", grants.Location("weather", "climate")),
        ("abfs://climate@weather.dfs.core.windows.net/era5/", ERA5),
        ("abfs://a-b-c@weather.dfs.core.windows.net/x/y", grants.Location("weather", "a-b-c", "x/y")),
    ],
)
def test_a_location_is_an_account_a_container_and_a_prefix(location: str, parsed: grants.Location) -> None:
    assert grants.parse_location(location) == parsed


@pytest.mark.parametrize(
    "location",
    [
        "abfs://climate",
        "abfs://Climate@weather.dfs.core.windows.net",
        "abfs://a--b@weather.dfs.core.windows.net",
        "abfs://climate@weather.dfs.core.windows.net/era*",
        "abfs://climate@weather.dfs.core.windows.net/a'b",
        "abfs://climate@weather.dfs.core.windows.net.example.org/x",
    ],
)
def test_what_is_no_location_is_refused_with_the_form(location: str) -> None:
    with pytest.raises(ValueError, match="give abfs://container@account"):
        grants.parse_location(location)


def test_who_may_write_needs_no_second_role_to_read() -> None:
    place = "abfs://climate@weather.dfs.core.windows.net/era5"
    (grant,) = grants.grant_data([place, f"{place}/"], [place])
    assert (grant.role, grant.location) == (roles.WRITE_BLOBS, ERA5)


def test_a_condition_speaks_of_listing_reading_and_for_writers_of_everything_that_changes_a_blob() -> None:
    reading = grants.ContainerGrant(ERA5, roles.READ_BLOBS).condition
    writing = grants.ContainerGrant(ERA5, roles.WRITE_BLOBS).condition
    assert reading.count("StringStartsWith 'era5/'") == 2
    for action in ("write", "add/action", "delete", "move/action"):
        assert f"blobs/{action}'" in writing
        assert f"blobs/{action}'" not in reading
    for condition in (reading, writing):
        assert condition.count("(") == condition.count(")")
    assert grants.ContainerGrant(grants.Location("weather", "climate"), roles.READ_BLOBS).condition == ""


def test_the_scope_of_a_grant_is_its_container_and_needs_the_accounts_resource_group() -> None:
    scope = grants.find_scope(SUBSCRIPTION, {"weather": "climate"}, ERA5)
    account = "/resourceGroups/climate/providers/Microsoft.Storage/storageAccounts/weather"
    assert scope.endswith(f"{account}/blobServices/default/containers/climate")
    with pytest.raises(ValueError, match="give weather: RESOURCE_GROUP"):
        grants.find_scope(SUBSCRIPTION, {}, ERA5)


def test_the_scheduler_has_the_tenth_address_of_a_network_of_the_fleets_own() -> None:
    assert network.choose_scheduler_address(network.check_cidr("10.77.0.0/27")) == "10.77.0.10"
    for cidr, told in (("10.0.0.0/28", "8 to 27 bits"), ("10.0.0.1/16", "no IPv4 network")):
        with pytest.raises(ValueError, match=told):
            network.check_cidr(cidr)


def test_an_interface_without_an_address_yet_is_no_error() -> None:
    assert find_private_address(None) == ""


def test_one_size_is_the_scale_sets_own_and_several_are_a_mix_in_their_order() -> None:
    sku, profile = worker_group.build_sku(["Standard_D8s_v5"], 3)
    assert (sku.name, sku.capacity, profile) == ("Standard_D8s_v5", 3, None)
    sku, profile = worker_group.build_sku(["Standard_D8s_v5", "Standard_D8as_v5"], 3)
    assert (sku.name, sku.capacity) == ("Mix", 3)
    assert profile is not None
    assert profile.allocation_strategy == "Prioritized"
    with pytest.raises(ValueError, match="5 sizes at most"):
        worker_group.build_sku([f"Standard_D{cores}s_v5" for cores in (2, 4, 8, 16, 32, 48)], 1)


def test_names_stay_within_azures_limits_and_apart() -> None:
    long = "a-fleet-with-a-name-that-is-as-long-as-names-may-be-0123456789"
    assert len(name_group("f" * 40, "southafricanorth")) <= 90
    assert len(shorten_name(long, "df-")) + 8 <= 24
    assert shorten_name("one", "df") != shorten_name("two", "df")
    prefix = worker_group.name_prefix(long, "cpu")
    assert len(prefix) + 6 <= 64
    assert prefix != worker_group.name_prefix(long, "gpu")


def test_user_data_is_readable_again() -> None:
    assert base64.b64decode(encode_user_data("#cloud-config\nä")).decode() == "#cloud-config\nä"


def test_a_definition_holds_images_of_the_same_packages_only() -> None:
    name = image.name_wanted({"versions": VERSIONS})
    assert name == "daskfleet-x86_64-py3.11-2026.1.0-2026.1.0-3.1.0"
    assert image.name_wanted({"versions": {**VERSIONS, "python": "3.11.9"}}) == name
    others: list[image.ImageArgs] = [
        {"versions": {**VERSIONS, "dask": "2026.2.0"}},
        {"versions": {**VERSIONS, "cloudpickle": "3.2.0"}},
        {"versions": VERSIONS, "architecture": "aarch64"},
        {"versions": VERSIONS, "gpu": True},
        {"versions": VERSIONS, "family": "climate"},
    ]
    assert len({name, *map(image.name_wanted, others)}) == 1 + len(others)
    with pytest.raises(ValueError, match=r"nothing says which version of dask, cloudpickle; give it, or the name"):
        image.name_wanted({"versions": {"python": "3.11", "distributed": "2026.1.0"}})


@pytest.mark.parametrize("gallery", ["daskfleet", "/daskfleet", "group/", "a/b/c", ""])
def test_what_is_no_gallery_is_refused(gallery: str) -> None:
    with pytest.raises(ValueError, match="give RESOURCE_GROUP/GALLERY"):
        image.split_gallery(gallery)


def test_tags_must_say_what_an_image_holds_and_fit_what_it_is_for() -> None:
    tags = {"daskfleet-arch": "x86_64", **{f"daskfleet-{package}": version for package, version in VERSIONS.items()}}
    assert image.check_tags("i", tags, {}) == VERSIONS
    with pytest.raises(pulumi.RunError, match="lacks the tags daskfleet-python"):
        image.check_tags("i", {"daskfleet-arch": "x86_64"}, {})
    with pytest.raises(pulumi.RunError, match="is for x86_64, and the instance types are aarch64"):
        image.check_tags("i", tags, {"architecture": "aarch64"})
    with pytest.raises(pulumi.RunError, match="holds no driver"):
        image.check_tags("i", tags, {"gpu": True})
