"""The images of an Azure subscription: Azure's own library asks a stand-in on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.compute import ComputeManagementClient

from daskfleet.errors import FleetError
from daskfleet.services.images import azure
from harness import CommandLine
from image_clouds import GROUP, SUBSCRIPTION, ImageCloud, open_cloud, render_labels


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


def add(cloud: ImageCloud, name: str, state: str = "Succeeded", **changes: str) -> str:
    identifier = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/images/{name}"
    disk = {"osDisk": {"diskSizeGB": 30, "osType": "Linux", "osState": "Generalized"}}
    properties = {"provisioningState": state, "storageProfile": disk}
    cloud.images[name] = {
        "id": identifier,
        "name": name,
        "location": "westeurope",
        "tags": render_labels(**changes),
        "properties": properties,
    }
    return identifier


def test_images_are_listed_by_their_tags(cloud: ImageCloud, client: Any):
    assert azure.list_images(client) == []
    old, new = add(cloud, "old", version="202601010000"), add(cloud, "new")
    other = add(cloud, "other", family="other", gpu="true", arch="aarch64", state="Failed")
    cloud.images["foreign"] = {"id": "/x", "name": "foreign", "location": "westeurope"}
    found = azure.list_images(client)
    assert [each.id for each in found] == [new, old, other]
    assert (found[0].name, found[0].arch, found[0].python, found[0].dask) == (
        "daskfleet/202611240830",
        "x86_64",
        "3.11",
        "2026.8.0",
    )
    assert found[0].size == 30 * 2**30
    assert (found[2].gpu, found[2].arch, found[2].problem) == (True, "aarch64", "Azure calls it Failed")
    assert [each.id for each in azure.list_images(client, "other")] == [other]


def test_an_image_is_deleted_and_nothing_else_is_and_its_end_is_awaited(cloud: ImageCloud, client: Any):
    gone, kept = add(cloud, "gone"), add(cloud, "kept", version="202601010000")
    assert azure.delete_images(client, "daskfleet", "202611240830") == [gone]
    assert cloud.pending == {"gone": 0}
    assert [each.id for each in azure.list_images(client)] == [kept]
    assert azure.delete_images(client, "daskfleet", "202611240830") == []


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
