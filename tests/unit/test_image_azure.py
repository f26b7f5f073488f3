"""The images of an Azure subscription: Azure's own library asks a stand-in on the loopback interface."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.compute import ComputeManagementClient

from daskfleet.errors import FleetError
from daskfleet.progress import Quiet
from daskfleet.services.images import azure
from daskfleet.services.images.build import BuildRequest, build_image
from daskfleet.services.images.model import Image
from daskfleet_images.definitions import name_definition
from harness import CommandLine
from image_clouds import AZURE, GROUP, SUBSCRIPTION, ImageCloud, open_cloud
from images import FakePacker

VERSIONS = {"python": "3.11.7", "dask": "2026.8.0", "distributed": "2026.8.0", "cloudpickle": "3.1.2"}


class _Token(SansIOHTTPPolicy[Any, Any]):
    """What `az login` gives. The library's own policy wants TLS."""

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = "Bearer secret-token"


class _Nobody:
    """Never asked, as the policy has a token."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        raise AssertionError(scopes)


@pytest.fixture
def cloud() -> Iterator[ImageCloud]:
    with open_cloud() as cloud:
        yield cloud


@pytest.fixture
def client(cloud: ImageCloud) -> Any:
    return ComputeManagementClient(
        _Nobody(),
        SUBSCRIPTION,
        base_url=cloud.url,
        authentication_policy=_Token(),
        credential_scopes=["none"],
        retry_total=0,
        polling_interval=0,
    )


IMAGE = Image(
    "azure",
    "daskfleet",
    "202611240830",
    "",
    arch="x86_64",
    python="3.11.7",
    dask="2026.8.0",
    distributed="2026.8.0",
    cloudpickle="3.1.2",
    lock="ab" * 8,
)


def build(cloud: ImageCloud, client: Any, **changes: Any) -> str:
    """Have packer make a managed image, and put it into the gallery; returns its identifier there."""
    managed = f"{AZURE}/images/made-by-packer"
    cloud.images[managed] = {"id": managed, "name": "made-by-packer", "location": "westeurope"}
    return azure.publish_image(client, managed, dataclasses.replace(IMAGE, **changes))


def test_an_image_goes_into_the_gallery_where_fleets_look_for_it_and_packers_own_is_removed(
    cloud: ImageCloud, client: Any
):
    identifier = build(cloud, client)
    name = name_definition("daskfleet", "x86_64", VERSIONS, gpu=False)
    definition = f"{AZURE}/galleries/daskfleet/images/{name}"
    assert identifier == f"{definition}/versions/2026.1124.830"
    assert set(cloud.images) == {f"{AZURE}/galleries/daskfleet", definition, identifier}
    told = cloud.images[definition]
    assert {key: told["tags"][f"daskfleet-{key}"] for key in VERSIONS} == VERSIONS
    assert "daskfleet-version" not in told["tags"], "of which there are many"
    assert (told["properties"]["architecture"], told["properties"]["hyperVGeneration"]) == ("x64", "V2")
    source = cloud.images[identifier]["properties"]["storageProfile"]["source"]["id"]
    assert source == f"{AZURE}/images/made-by-packer"
    assert build(cloud, client, version="202611240831").startswith(f"{definition}/versions/")
    assert "-gpu-" in build(cloud, client, gpu=True, family="daskfleet-gpu")


class Told(Quiet):
    """Keeps what is told of the progress."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)


@pytest.fixture
def packer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: ImageCloud, client: Any) -> FakePacker:
    fake = FakePacker(tmp_path)
    managed = f"{AZURE}/images/made-by-packer"
    cloud.images[managed] = {"id": managed, "name": "made-by-packer", "location": "westeurope"}
    settings = {"DASKFLEET_HOME": str(tmp_path / "home"), "FAKE_PACKER_IMAGE": managed}
    for name, value in fake.environment({"PATH": os.environ["PATH"], **settings}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(azure, "connect", lambda subscription: client)
    return fake


REQUEST = BuildRequest(
    "azure", settings={"subscription": SUBSCRIPTION, "resource-group": GROUP, "location": "westeurope"}
)


def test_a_build_ends_in_the_gallery(packer: FakePacker, cloud: ImageCloud, client: Any):
    told = Told()
    built = build_image(REQUEST, told)
    assert built.id is not None
    assert built.image is not None
    assert built.id == built.image.id == azure.list_images(client)[0].id
    assert "/galleries/daskfleet/images/daskfleet-x86_64-py" in built.id
    assert any("into the gallery" in step for step in told.steps)
    assert f"{AZURE}/images/made-by-packer" not in cloud.images
    assert packer.calls[-1]["variables"]["azure_resource_group"] == GROUP


@pytest.mark.parametrize(
    ("mode", "told"), [("silent", "packer does not tell what it made"), ("partial", "does not say what it holds")]
)
def test_an_image_that_cannot_go_into_the_gallery_is_told_and_left(
    packer: FakePacker, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch, mode: str, told: str
):
    monkeypatch.setenv("FAKE_PACKER", mode)
    with pytest.raises(FleetError, match=f"cannot be put into the gallery: .*{told}"):
        build_image(REQUEST, Told())
    assert list(cloud.images) == [f"{AZURE}/images/made-by-packer"]


def test_images_are_listed_by_their_tags(cloud: ImageCloud, client: Any):
    assert azure.list_images(client) == []
    old, new = build(cloud, client, version="202601010000"), build(cloud, client)
    other = build(cloud, client, family="other", gpu=True, arch="aarch64", dask="2026.9.0")
    cloud.images[new]["properties"]["storageProfile"]["osDiskImage"] = {"sizeInGB": 30}
    cloud.images[other]["properties"]["provisioningState"] = "Failed"
    foreign = f"{AZURE}/galleries/daskfleet/images/foreign"
    cloud.images[foreign] = {"id": foreign, "name": "foreign", "location": "westeurope"}
    found = azure.list_images(client)
    assert [each.id for each in found] == [new, old, other]
    assert (found[0].name, found[0].arch, found[0].python, found[0].dask) == (
        "daskfleet/202611240830",
        "x86_64",
        "3.11.7",
        "2026.8.0",
    )
    assert found[0].size == 30 * 2**30
    assert (found[2].gpu, found[2].arch, found[2].problem) == (True, "aarch64", "Azure calls it Failed")
    assert [each.id for each in azure.list_images(client, "other")] == [other]


def test_an_image_is_deleted_and_nothing_else_is_and_its_end_is_awaited(cloud: ImageCloud, client: Any):
    kept, gone = build(cloud, client, version="202601010000"), build(cloud, client)
    cloud.pending.clear()
    assert azure.delete_images(client, "daskfleet", "202611240830") == [gone]
    assert set(cloud.pending.values()) == {0}
    assert [each.id for each in azure.list_images(client)] == [kept]
    assert azure.delete_images(client, "daskfleet", "202611240830") == []
    assert azure.delete_images(client, "daskfleet", "202601010000") == [kept]
    assert list(cloud.images) == [f"{AZURE}/galleries/daskfleet"], "a definition goes with its last version"


def test_a_refusal_is_told_with_its_reason_and_without_a_token(cloud: ImageCloud, client: Any):
    cloud.refusal = (403, "The client does not have authorization to perform action 'Microsoft.Compute/images/read'")
    with pytest.raises(FleetError, match=r"Azure refuses it: .*'Microsoft\.Compute/images/read'") as told:
        azure.list_images(client)
    assert "secret-token" not in str(told.value)


def test_a_cloud_that_is_not_there_is_told(client: Any, cloud: ImageCloud):
    lost = ComputeManagementClient(
        _Nobody(),
        SUBSCRIPTION,
        base_url="http://127.0.0.1:9",
        authentication_policy=_Token(),
        credential_scopes=["none"],
        retry_total=0,
    )
    with pytest.raises(FleetError, match="Azure cannot be asked: "):
        azure.list_images(lost)


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, cli: CommandLine):
    with pytest.raises(FleetError, match="give --subscription or ARM_SUBSCRIPTION_ID"):
        azure.connect(None)
    # Without a machine's own identity: nothing is to be asked over the network.
    cli.variables = {"AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": str(cli.cwd)}
    done = cli.run("image", "list", "--provider", "azure", "--subscription", SUBSCRIPTION)
    assert done.returncode == 1
    assert "Azure does not know who you are" in done.stderr
    assert "Traceback" not in done.stderr
    monkeypatch.setitem(__import__("sys").modules, "azure.mgmt.compute", None)
    with pytest.raises(FleetError, match=r"pip install 'daskfleet\[azure\]'"):
        azure.connect(SUBSCRIPTION)
