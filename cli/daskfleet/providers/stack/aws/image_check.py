"""Whether there is an image for a fleet's machines that fits this client."""

from __future__ import annotations

from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, find_tag
from daskfleet.providers.stack.cloud import Check
from daskfleet.providers.stack.images import check_family, describe_differences
from daskfleet.services.images import aws as images
from daskfleet_stacks.spec.aws import AwsImage
from daskfleet_stacks.versions import read_own_versions

TAGS = ("python", "dask", "distributed", "cloudpickle")


def check_image(clients: Clients, image: AwsImage, arch: str, *, gpu: bool) -> Check:
    """Look for the image that machines of an architecture would boot."""
    name = f"image for {arch}{' with GPUs' if gpu else ''}"
    if image.id is None and image.name is None and image.ssm_parameter is None:
        ec2 = clients.get("ec2")
        return check_family("aws", lambda family: images.list_images(ec2, family), image.family, arch, name, gpu=gpu)
    found = _find(clients, image)
    if found is None:
        what = image.id or image.name or image.ssm_parameter
        return Check(name, f"image: '{what}': there is no such image in {clients.region}; mend it, or leave it out")
    own = {"arm64": "aarch64"}.get(found.get("Architecture", ""), found.get("Architecture", ""))
    if own != arch:
        return Check(
            name,
            f"image: {found['ImageId']} is for {own}, and the instance types are {arch}; choose another image, or "
            "other instance types",
        )
    missing = [f"daskfleet:{tag}" for tag in TAGS if not find_tag(found, f"daskfleet:{tag}")]
    if missing:
        return Check(
            name,
            f"image: {found['ImageId']} lacks the tags {', '.join(missing)}, and so does not say what clients must "
            "fit; take one that `daskfleet image build` made, or give it its tags",
        )
    held = {tag: find_tag(found, f"daskfleet:{tag}") or "" for tag in TAGS}
    return Check(name, found=f"{found['ImageId']}{describe_differences(held, read_own_versions())}")


def _find(clients: Clients, image: AwsImage) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    client = clients.get("ec2")
    with explain_aws_errors():
        try:
            if image.ssm_parameter is not None:
                value = clients.get("ssm").get_parameter(Name=image.ssm_parameter)["Parameter"]["Value"]
                answer = client.describe_images(ImageIds=[value])
            elif image.id is not None:
                answer = client.describe_images(ImageIds=[image.id])
            else:
                answer = client.describe_images(
                    Owners=[image.owner or "self"], Filters=[{"Name": "name", "Values": [image.name]}]
                )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("ParameterNotFound", "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"):
                return None
            raise
    found: list[dict[str, Any]] = sorted(answer["Images"], key=lambda each: str(each.get("CreationDate", "")))
    return found[-1] if found else None
