"""The images of an AWS account, asked for through boto3 from a server on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from daskfleet.errors import FleetError
from daskfleet.services.images import aws
from daskfleet.services.images.catalogue import list_images
from harness import CommandLine

FACTS = {"family": "daskfleet", "version": "202611240830", "arch": "x86_64", "gpu": "false", "python": "3.11"}
FACTS |= {"dask": "2026.8.0", "distributed": "2026.8.0", "cloudpickle": "3.1.2", "lock": "ab" * 8}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = aws.connect("eu-west-1")
    for image in aws.list_images(client):
        aws.delete_images(client, image.family, image.version)
    return client


def make_image(client: Any, **changes: str) -> str:
    """An image such as packer leaves: of a machine's disk, with the facts as tags on it and on its snapshots."""
    facts = FACTS | changes
    base = client.describe_images(Owners=["amazon"], Filters=[{"Name": "root-device-type", "Values": ["ebs"]}])
    instance = client.run_instances(ImageId=base["Images"][0]["ImageId"], MinCount=1, MaxCount=1)["Instances"][0]
    tags = [{"Key": f"daskfleet:{key}", "Value": value} for key, value in facts.items()]
    name = f"{facts['family']}-{facts['version']}-{facts['arch']}"
    image: str = client.create_image(InstanceId=instance["InstanceId"], Name=name)["ImageId"]
    client.create_tags(Resources=[image, *find_snapshots(client, image)], Tags=tags)
    client.terminate_instances(InstanceIds=[instance["InstanceId"]])
    return image


def find_snapshots(client: Any, image: str) -> list[str]:
    (found,) = client.describe_images(ImageIds=[image])["Images"]
    return [each["Ebs"]["SnapshotId"] for each in found["BlockDeviceMappings"] if "Ebs" in each]


def snapshots_left(client: Any) -> set[str]:
    filters = [{"Name": "tag:daskfleet:family", "Values": ["daskfleet", "other"]}]
    return {each["SnapshotId"] for each in client.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]}


def test_images_are_listed_by_their_tags(client: Any):
    assert aws.list_images(client) == []
    old, new = make_image(client, version="202601010000"), make_image(client)
    other = make_image(client, family="other", gpu="true")
    found = aws.list_images(client)
    assert [each.id for each in found] == [new, old, other]
    first = found[0]
    assert (first.name, first.arch, first.gpu) == ("daskfleet/202611240830", "x86_64", False)
    assert (first.python, first.dask, first.lock) == ("3.11", "2026.8.0", "ab" * 8)
    assert first.size
    assert found[2].gpu
    assert [each.id for each in aws.list_images(client, "other")] == [other]
    assert [each.id for each in list_images("aws", "eu-west-1", "other")] == [other]
    assert list_images("aws", "us-east-1") == []


def test_an_image_is_deleted_with_its_snapshots_and_nothing_else_is(client: Any):
    gone, kept = make_image(client), make_image(client, version="202601010000")
    theirs = set(find_snapshots(client, gone))
    assert theirs
    removed = aws.delete_images(client, "daskfleet", "202611240830")
    assert set(removed) == {gone, *theirs}
    assert [each.id for each in aws.list_images(client)] == [kept]
    assert snapshots_left(client) == set(find_snapshots(client, kept))
    assert aws.delete_images(client, "daskfleet", "202611240830") == []


def test_snapshots_that_a_killed_deletion_has_left_are_found(client: Any):
    image = make_image(client)
    client.deregister_image(ImageId=image)
    left = snapshots_left(client)
    assert left
    assert set(aws.delete_images(client, "daskfleet", "202611240830")) == left
    assert snapshots_left(client) == set()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "there are no AWS credentials"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS cannot be asked"),
        ({"AWS_PROFILE": "nobody"}, "mend AWS_PROFILE"),
    ],
)
def test_what_aws_cannot_be_asked_for_is_told(
    client: Any, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], words: str
):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name, value in changes.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(FleetError, match=words):
        aws.list_images(aws.connect("eu-west-1"))


def test_a_region_that_nothing_says_is_told(client: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(FleetError, match="give --region or AWS_REGION"):
        aws.connect(None)


def test_a_refusal_is_told_with_its_reason(client: Any):
    with pytest.raises(FleetError, match=r"AWS refuses DeregisterImage: .*\(InvalidAMIID"), aws.explain_aws_errors():
        client.deregister_image(ImageId="ami-00000000000000000")


def test_aws_without_boto3_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(FleetError, match=r"pip install 'daskfleet\[aws\]'"):
        aws.connect("eu-west-1")


def test_the_commands_list_show_and_delete_an_image_of_an_account(client: Any, cli: CommandLine):
    make_image(client, version="202601010000", dask="2020.1.0")
    for_aws = ("--provider", "aws", "--region", "eu-west-1")
    lines = cli.ok("image", "list", *for_aws).splitlines()
    assert lines[1].split()[:3] == ["daskfleet", "202601010000", "x86_64"]
    done = cli.run("image", "show", "daskfleet", "--packages", *for_aws)
    assert "machines  x86_64" in done.stdout
    assert "nothing here says which packages" in done.stderr
    assert "this client does not fit it" in done.stderr
    name = "daskfleet/202601010000"
    assert "say --yes" in cli.run("image", "delete", name, *for_aws).stderr
    assert "deleted daskfleet/202601010000: ami-" in cli.ok("image", "delete", name, "--yes", *for_aws)
    done = cli.run("image", "delete", name, "--yes", *for_aws)
    assert done.returncode == 1
    assert "there is no image daskfleet/202601010000 in this region" in done.stderr
