"""The images of a project of Google Cloud: a session of google-auth asks a stand-in on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daskfleet.errors import FleetError
from daskfleet.services.images import gcp
from google_images import GCP_IMAGES, PROJECT, ImageCloud, open_cloud, render_labels, write_service_account
from harness import CommandLine


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageCloud]:
    with open_cloud() as cloud:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(write_service_account(tmp_path)))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", f"{cloud.url}/compute/v1/")
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        yield cloud


def add(cloud: ImageCloud, name: str, status: str = "READY", **changes: str) -> str:
    labels = render_labels(**changes)
    cloud.images[name] = {"name": name, "labels": labels, "diskSizeGb": "10", "status": status}
    return f"projects/{PROJECT}/global/images/{name}"


def test_images_are_listed_by_their_labels(cloud: ImageCloud):
    project = gcp.connect(None)
    assert project.project == PROJECT, "the credentials say it"
    assert gcp.list_images(project) == []
    old, new = add(cloud, "old", version="202601010000"), add(cloud, "new", dask="2026-8-0rc1")
    other = add(cloud, "other", family="other", gpu="true", status="PENDING")
    found = gcp.list_images(project)
    assert [each.id for each in found] == [new, old, other]
    assert (found[0].name, found[0].arch, found[0].gpu) == ("daskfleet/202611240830", "x86_64", False)
    assert (found[0].python, found[0].dask, found[0].cloudpickle) == ("3.11", "2026.8.0rc1", "3.1.2")
    assert found[0].size == 10 * 2**30
    assert (found[2].gpu, found[2].problem) == (True, "Google Cloud calls it PENDING")
    assert [each.id for each in gcp.list_images(project, "other")] == [other]


def test_an_image_is_deleted_and_nothing_else_is_and_its_end_is_awaited(cloud: ImageCloud):
    gone, kept = add(cloud, "gone"), add(cloud, "kept", version="202601010000")
    project = gcp.connect(PROJECT)
    assert gcp.delete_images(project, "daskfleet", "202611240830") == [gone]
    assert f"DELETE {GCP_IMAGES}/gone" in " ".join(cloud.asked)
    assert cloud.pending == {"gone": 0}
    assert [each.id for each in gcp.list_images(project)] == [kept]
    assert gcp.delete_images(project, "daskfleet", "202611240830") == []


def test_a_deletion_that_fails_in_the_end_is_told(cloud: ImageCloud):
    add(cloud, "used")
    cloud.failure = "The image resource 'used' is already being used"
    with pytest.raises(FleetError, match="Google Cloud refuses it: The image resource 'used' is already being used"):
        gcp.delete_images(gcp.connect(PROJECT), "daskfleet", "202611240830")


def test_a_refusal_is_told_with_its_reason(cloud: ImageCloud):
    cloud.refusal = (403, "Required 'compute.images.list' permission for 'projects/lab'")
    with pytest.raises(FleetError, match=r"Google Cloud refuses it: .*'compute\.images\.list'"):
        gcp.list_images(gcp.connect(PROJECT))


def test_credentials_that_are_missing_or_wrong_are_told(
    cloud: ImageCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing"))
    with pytest.raises(FleetError, match="there are no credentials for Google Cloud"):
        gcp.connect(PROJECT)


def test_without_the_library_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "google.auth.transport.requests", None)
    with pytest.raises(FleetError, match=r"pip install 'daskfleet\[gcp\]'"):
        gcp.connect(PROJECT)


def test_the_commands_list_show_and_delete_an_image_of_a_project(cloud: ImageCloud, cli: CommandLine):
    add(cloud, "old", version="202601010000", dask="2020-1-0")
    for_gcp = ("--provider", "gcp", "--project", PROJECT)
    assert cli.ok("image", "list", *for_gcp).splitlines()[1].split()[:3] == ["daskfleet", "202601010000", "x86_64"]
    done = cli.run("image", "show", "daskfleet", *for_gcp)
    assert "machines  x86_64" in done.stdout
    assert "dask is 2020.1.0 in it" in done.stderr
    name = "daskfleet/202601010000"
    assert "say --yes" in cli.run("image", "delete", name, *for_gcp).stderr
    assert f"deleted {name}: projects/{PROJECT}/global/images/old" in cli.ok("image", "delete", name, "--yes", *for_gcp)
    assert cloud.images == {}
    done = cli.run("image", "list", "--provider", "gcp", "--region", "europe-west1")
    assert "--region: 'europe-west1': this is for aws, and the provider is gcp" in done.stderr
