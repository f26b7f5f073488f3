"""The images of an AWS account, by their tags."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.services.images.model import Image, order_images

FAMILY, VERSION = "daskfleet:family", "daskfleet:version"
HOW = "pip install 'daskfleet[aws]'"


def connect(region: str | None) -> Any:
    """A client of EC2.

    Raises:
        FleetError: boto3 is not installed, or nothing says which region.
    """
    try:
        import boto3
    except ImportError:
        raise FleetError(f"AWS is asked through boto3, which is not installed: {HOW}.") from None
    with explain_aws_errors():
        return boto3.client("ec2", region_name=region)


def list_images(client: Any, family: str | None = None, version: str | None = None) -> list[Image]:
    """The account's own images of daskfleet, by family, newest first."""
    return order_images(_describe(each) for each in _find_images(client, family, version))


def delete_images(client: Any, family: str, version: str) -> list[str]:
    """Remove an image and its snapshots, in the client's region; returns the identifiers of what was removed.

    Safe to repeat: snapshots that a killed deletion has left are found by their tags.
    """
    images = _find_images(client, family, version)
    snapshots = [
        mapping["Ebs"]["SnapshotId"]
        for image in images
        for mapping in image.get("BlockDeviceMappings", [])
        if "SnapshotId" in mapping.get("Ebs", {})
    ]
    with explain_aws_errors():
        pages = client.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=_render_filters(family, version)
        )
        snapshots += [each["SnapshotId"] for page in pages for each in page["Snapshots"]]
        for image in images:
            client.deregister_image(ImageId=image["ImageId"])
        for snapshot in dict.fromkeys(snapshots):
            _delete_snapshot(client, snapshot)
    return [*(image["ImageId"] for image in images), *dict.fromkeys(snapshots)]


def _delete_snapshot(client: Any, snapshot: str) -> None:
    from botocore.exceptions import ClientError

    try:
        client.delete_snapshot(SnapshotId=snapshot)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidSnapshot.NotFound":
            raise


def _find_images(client: Any, family: str | None, version: str | None) -> list[dict[str, Any]]:
    with explain_aws_errors():
        pages = client.get_paginator("describe_images").paginate(
            Owners=["self"], Filters=_render_filters(family, version)
        )
        return [image for page in pages for image in page["Images"]]


def _render_filters(family: str | None, version: str | None) -> list[dict[str, Any]]:
    if family is None:
        return [{"Name": "tag-key", "Values": [FAMILY]}]
    filters = [{"Name": f"tag:{FAMILY}", "Values": [family]}]
    if version is not None:
        filters.append({"Name": f"tag:{VERSION}", "Values": [version]})
    return filters


def _describe(image: dict[str, Any]) -> Image:
    tags = {tag["Key"].removeprefix("daskfleet:"): tag["Value"] for tag in image.get("Tags", [])}
    sizes = [
        mapping["Ebs"].get("VolumeSize", 0) for mapping in image.get("BlockDeviceMappings", []) if "Ebs" in mapping
    ]
    state = image.get("State", "available")
    architecture = image.get("Architecture", "")
    return Image(
        provider="aws",
        family=tags.get("family", ""),
        version=tags.get("version", ""),
        id=image["ImageId"],
        arch={"arm64": "aarch64"}.get(architecture, architecture),
        gpu=tags.get("gpu") == "true",
        python=tags.get("python", ""),
        dask=tags.get("dask", ""),
        distributed=tags.get("distributed", ""),
        cloudpickle=tags.get("cloudpickle", ""),
        lock=tags.get("lock", ""),
        size=sum(sizes) * 2**30 or None,
        problem="" if state == "available" else f"AWS calls it {state}",
    )


@contextlib.contextmanager
def explain_aws_errors() -> Iterator[None]:
    """Turn what boto3 raises into what a person can do about it."""
    from botocore import exceptions

    try:
        yield
    except exceptions.NoRegionError:
        raise FleetError("nothing says which AWS region: give --region or AWS_REGION.") from None
    except exceptions.ProfileNotFound as error:
        raise FleetError(f"AWS: {error}; mend AWS_PROFILE.") from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.TokenRetrievalError):
        raise FleetError(
            "there are no AWS credentials: give them as for `aws`, by AWS_PROFILE, `aws sso login`, or "
            "AWS_ACCESS_KEY_ID and "
            "its kin."
        ) from None
    except exceptions.ClientError as error:
        told = error.response.get("Error", {})
        raise FleetError(
            f"AWS refuses {error.operation_name}: {told.get('Message', '')} ({told.get('Code', '')}). Look at the "
            "identity that "
            "AWS_PROFILE or your environment gives, and at the rights it has."
        ) from None
    except exceptions.BotoCoreError as error:
        raise FleetError(f"AWS cannot be asked: {error}. Look at the network and at the region.") from None
