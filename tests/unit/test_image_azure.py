"""The images of an Azure subscription, as the command line asks the stand-in for them, on the loopback interface."""

from __future__ import annotations

import dataclasses
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

import daskfleet.azure
from azure_cloud.cloud import SUBSCRIPTION, TENANT
from azure_cloud.conftest import GROUP, LOCATION, azure, first_azure
from azure_cloud.conftest import Azure as StandIn
from daskfleet.azure import Azure
from daskfleet.errors import FleetError
from daskfleet.progress import Quiet
from daskfleet.services.images import azure as images
from daskfleet.services.images.build import BuildRequest, build_image
from daskfleet.services.images.model import Image
from daskfleet_images.definitions import name_definition
from harness import CommandLine
from images import FakePacker
from sshd import find_free_port

__all__ = ["azure", "first_azure"]

VERSIONS = {"python": "3.11.7", "dask": "2026.8.0", "distributed": "2026.8.0", "cloudpickle": "3.1.2"}
IMAGE = Image("azure", "daskfleet", "202611240830", "", arch="x86_64", lock="ab" * 8, **VERSIONS)
GALLERY = f"{GROUP}/providers/Microsoft.Compute/galleries/daskfleet"
MANAGED = "Microsoft.Compute/images"


@pytest.fixture
def cloud(azure: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in, which this process takes for Azure."""
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", azure.url)
    for name, value in (("TENANT_ID", TENANT), ("CLIENT_ID", str(uuid.uuid4())), ("CLIENT_SECRET", "of-nobody-s")):
        monkeypatch.setenv(f"ARM_{name}", value)
    for name in daskfleet.azure.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", "/nowhere")
    monkeypatch.setattr(daskfleet.azure, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(daskfleet.azure, "POLL_SECONDS", 0.01)
    return azure


@pytest.fixture
def client(cloud: StandIn) -> Azure:
    return images.connect(SUBSCRIPTION)


def publish(cloud: StandIn, client: Azure, **changes: Any) -> str:
    """Have packer make a managed image, and put it into the gallery; returns its identifier there."""
    managed = cloud.make_managed_image("made-by-packer", diskSizeGB=40)
    return images.publish_image(client, managed, dataclasses.replace(IMAGE, **changes))


def list_managed(cloud: StandIn) -> list[str]:
    return [each["name"] for each in cloud.list(f"{GROUP}/providers/{MANAGED}")]


def list_ids(client: Azure) -> list[str]:
    return [each.id for each in images.list_images(client)]


# Into the gallery


def test_an_image_goes_into_the_gallery_where_fleets_look_for_it_and_packers_own_is_removed(
    cloud: StandIn, client: Azure
):
    identifier = publish(cloud, client)
    definition = f"{GALLERY}/images/{name_definition('daskfleet', 'x86_64', VERSIONS, gpu=False)}"
    assert identifier == f"{definition}/versions/2026.1124.830"
    assert list_managed(cloud) == []
    told = cloud.get(definition)
    assert {key: told["tags"][f"daskfleet-{key}"] for key in VERSIONS} == VERSIONS
    assert "daskfleet-version" not in told["tags"], "of which there are many"
    assert (told["properties"]["architecture"], told["properties"]["hyperVGeneration"]) == ("x64", "V2")
    source = cloud.get(identifier)["properties"]["storageProfile"]["source"]["id"]
    assert source == cloud.place(MANAGED, "made-by-packer")
    assert publish(cloud, client, version="202611240831").startswith(f"{definition}/versions/")
    assert "-gpu-" in publish(cloud, client, gpu=True, family="daskfleet-gpu")


def test_packers_image_stays_until_the_version_made_of_it_is_there(cloud: StandIn, client: Azure):
    cloud.control("pace", seconds={"PUT Microsoft.Compute/galleries/images/versions": 0.2})
    identifier = publish(cloud, client)
    assert cloud.get(identifier)["properties"]["provisioningState"] == "Succeeded"
    versions = "PUT Microsoft.Compute/galleries/images/versions"
    cloud.control("refuse", match=versions, count=99, status=409, code="Conflict", message="is full")
    with pytest.raises(FleetError, match="Azure refuses it: Conflict: is full"):
        publish(cloud, client, version="202611240832")
    assert list_managed(cloud) == ["made-by-packer"]


class Told(Quiet):
    """Keeps what is told of the progress."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)


@pytest.fixture
def packer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: StandIn) -> FakePacker:
    fake = FakePacker(tmp_path)
    managed = cloud.make_managed_image("made-by-packer")
    settings = {"DASKFLEET_HOME": str(tmp_path / "home"), "FAKE_PACKER_IMAGE": managed}
    for name, value in fake.environment({"PATH": os.environ["PATH"], **settings}).items():
        monkeypatch.setenv(name, value)
    return fake


REQUEST = BuildRequest("azure", settings={"subscription": SUBSCRIPTION, "resource-group": "lab", "location": LOCATION})


def test_a_build_ends_in_the_gallery(packer: FakePacker, cloud: StandIn, client: Azure):
    told = Told()
    built = build_image(REQUEST, told)
    assert built.id is not None
    assert built.image is not None
    assert [built.id] == [built.image.id] == list_ids(client)
    assert built.id.startswith(f"{GALLERY}/images/daskfleet-x86_64-py")
    assert any("into the gallery" in step for step in told.steps)
    assert list_managed(cloud) == []
    assert packer.calls[-1]["variables"]["azure_resource_group"] == "lab"


@pytest.mark.parametrize(
    ("mode", "told"), [("silent", "packer does not tell what it made"), ("partial", "does not say what it holds")]
)
def test_an_image_that_cannot_go_into_the_gallery_is_told_and_left(
    packer: FakePacker, cloud: StandIn, monkeypatch: pytest.MonkeyPatch, mode: str, told: str
):
    monkeypatch.setenv("FAKE_PACKER", mode)
    with pytest.raises(FleetError, match=f"cannot be put into the gallery: .*{told}"):
        build_image(REQUEST, Told())
    assert list_managed(cloud) == ["made-by-packer"]


# Listed and removed


def test_images_are_listed_by_their_tags_to_the_last_page(cloud: StandIn, client: Azure):
    assert images.list_images(client) == []
    cloud.control("pace", page=1)
    cloud.make_image(gallery=GALLERY, name="foreign")
    old, new = publish(cloud, client, version="202601010000"), publish(cloud, client)
    other = publish(cloud, client, family="other", gpu=True, arch="aarch64", dask="2026.9.0")
    found = images.list_images(client)
    assert [each.id for each in found] == [new, old, other]
    assert (found[0].name, found[0].arch, found[0].python, found[0].dask) == (
        "daskfleet/202611240830",
        "x86_64",
        "3.11.7",
        "2026.8.0",
    )
    assert (found[0].size, found[0].problem) == (40 * 2**30, "")
    assert (found[2].gpu, found[2].arch) == (True, "aarch64")
    assert [each.id for each in images.list_images(client, "other")] == [other]


def test_a_version_that_is_not_whole_is_told():
    tags = {f"daskfleet-{key}": str(value) for key, value in {"family": "daskfleet", "version": "202611240830"}.items()}
    told = images.describe({"tags": tags}, {"id": "x", "properties": {"provisioningState": "Failed"}})
    assert (told.problem, told.size) == ("Azure calls it Failed", None)


def test_an_image_is_deleted_and_nothing_else_is_and_its_end_is_awaited(cloud: StandIn, client: Azure):
    kept, gone = publish(cloud, client, version="202601010000"), publish(cloud, client)
    cloud.control("pace", seconds={"DELETE Microsoft.Compute/galleries/images/versions": 0.2})
    assert images.delete_images(client, "daskfleet", "202611240830") == [gone]
    assert cloud.find(gone) is None
    assert list_ids(client) == [kept]
    assert images.delete_images(client, "daskfleet", "202611240830") == []
    assert images.delete_images(client, "daskfleet", "202601010000") == [kept]
    assert cloud.find(kept.rpartition("/versions/")[0]) is None, "a definition goes with its last version"
    assert cloud.find(GALLERY) is not None


# What may go wrong


def test_a_refusal_is_told_with_its_reason_and_without_a_token(cloud: StandIn, client: Azure):
    said = "The client does not have authorization to perform action 'Microsoft.Compute/galleries/read'"
    refusal = {"status": 403, "code": "AuthorizationFailed", "message": said}
    cloud.control("refuse", match="LIST Microsoft.Compute/galleries", count=99, **refusal)
    with pytest.raises(FleetError, match=r"Azure refuses it: .*'Microsoft\.Compute/galleries/read'") as told:
        images.list_images(client)
    assert client._find_token(daskfleet.azure.MANAGER) not in str(told.value)


def test_a_cloud_that_is_not_there_is_told(cloud: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", f"http://127.0.0.1:{find_free_port()}")
    with pytest.raises(FleetError, match="Azure cannot be asked: "):
        images.connect(SUBSCRIPTION)


def test_who_is_unknown_is_told_how_to_become_known(cli: CommandLine):
    # Without a machine's own identity: nothing is to be asked over the network.
    cli.variables = {"AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": str(cli.cwd)}
    done = cli.run("image", "list", "--provider", "azure", "--subscription", SUBSCRIPTION)
    assert done.returncode == 1
    assert "Azure does not know who you are" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_library_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "azure.identity", None)
    with pytest.raises(FleetError, match=r"pip install 'daskfleet\[azure\]'"):
        images.connect(SUBSCRIPTION)
