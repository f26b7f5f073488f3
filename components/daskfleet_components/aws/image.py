"""Which machine image a fleet boots."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.image_facts import VERSIONS, choose_family, describe_missing_family
from daskfleet_images.definitions import find_minor

TAG = "daskfleet:"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


class ImageArgs(TypedDict):
    """Which image: by its id, by name and owner, by a parameter of SSM, or by its family, which is the default."""

    architecture: NotRequired[str]
    """`x86_64`, the default, or `aarch64`."""
    gpu: NotRequired[bool]
    """Whether it holds a driver for GPUs."""
    id: NotRequired[str]
    """Identifier of the image, `ami-…`."""
    name: NotRequired[str]
    """Name of the image, which may hold `*`; the newest is taken. Goes with `owner`."""
    owner: NotRequired[str]
    """Account that the image is of, or `self`; `self` if not given."""
    ssm_parameter: NotRequired[str]
    """Name of a parameter of SSM whose value is the identifier."""
    family: NotRequired[str]
    """Family of images that `daskfleet image build` made; the newest that fits is taken. `daskfleet`, with GPUs
    `daskfleet-gpu`, if not given."""
    versions: NotRequired[dict[str, str]]
    """What an image of the family must hold: versions by `python`, `dask`, `distributed` and `cloudpickle`. Of Python
    the minor version counts."""


class AwsImage(pulumi.ComponentResource):
    """A machine image of daskfleet, with what it holds. Nothing is made."""

    image_id: pulumi.Output[str]
    """Identifier, `ami-…`."""
    root_device_name: pulumi.Output[str]
    """Name of the device that its root file system is on."""
    versions: pulumi.Output[dict[str, str]]
    """Versions of `python`, `dask`, `distributed` and `cloudpickle` in it."""

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsImage", name, {}, opts)
        found = _find(args, pulumi.InvokeOptions(parent=self))
        self.facts = check_image(found, args)
        """Its versions, known in the program."""
        self.image_id = pulumi.Output.from_input(found.id)
        self.root_device_name = pulumi.Output.from_input(found.root_device_name)
        self.versions = pulumi.Output.from_input(self.facts)
        self.register_outputs(
            {"imageId": self.image_id, "rootDeviceName": self.root_device_name, "versions": self.versions}
        )


def _find(args: ImageArgs, opts: pulumi.InvokeOptions) -> aws.ec2.GetAmiResult:
    filters = build_filters(args)
    owners: list[str] | None = [args.get("owner", "self")]
    if "ssm_parameter" in args:
        value = aws.ssm.get_parameter(name=args["ssm_parameter"], opts=opts).value
        filters = [{"name": "image-id", "values": [value]}]
    if "ssm_parameter" in args or "id" in args:
        owners = None  # Whoever it is of.
    elif not aws.ec2.get_ami_ids(owners=owners or [], filters=[{**each} for each in filters], opts=opts).ids:
        # Asked first: `get_ami` would fail without saying what was looked for.
        raise pulumi.RunError(f"image: {describe_missing(args)}")
    return aws.ec2.get_ami(most_recent=True, owners=owners, filters=filters, opts=opts)


def build_filters(args: ImageArgs) -> list[aws.ec2.GetAmiFilterArgsDict]:
    """How EC2 is asked for the image. Pure."""
    if "id" in args:
        return [{"name": "image-id", "values": [args["id"]]}]
    filters: list[aws.ec2.GetAmiFilterArgsDict] = [{"name": "state", "values": ["available"]}]
    if "name" in args:
        return [*filters, {"name": "name", "values": [args["name"]]}]
    filters += [
        {"name": f"tag:{TAG}family", "values": [choose_family(args.get("family"), gpu=args.get("gpu", False))]},
        {"name": "architecture", "values": [ARCHITECTURES[args.get("architecture", "x86_64")]]},
    ]
    for package, version in args.get("versions", {}).items():
        minor = find_minor(version)
        wanted = [minor, f"{minor}.*"] if package == "python" else [version]
        filters.append({"name": f"tag:{TAG}{package}", "values": wanted})
    return filters


def describe_missing(args: ImageArgs) -> str:
    """What is told where there is no such image, with the remedy."""
    if "name" in args:
        owner = args.get("owner", "this account")
        return f"{owner} has no image named {args['name']!r} in this region; mend the name."
    gpu = args.get("gpu", False)
    return describe_missing_family(
        "aws",
        "this account and region",
        choose_family(args.get("family"), gpu=gpu),
        args.get("architecture", "x86_64"),
        args.get("versions", {}),
        gpu=gpu,
    )


def check_image(found: aws.ec2.GetAmiResult, args: ImageArgs) -> dict[str, str]:
    """The versions that the image says it holds.

    Raises:
        pulumi.RunError: it does not say them, or is for another architecture, or lacks the driver.
    """
    tags = found.tags or {}
    missing = [f"{TAG}{each}" for each in VERSIONS if not tags.get(f"{TAG}{each}")]
    if missing:
        raise pulumi.RunError(
            f"image: {found.id} lacks the tags {', '.join(missing)}, and so does not say what clients must fit; take "
            "an image that `daskfleet image build` made, or give this one its tags (other accounts do not see those of "
            "a shared one)."
        )
    wanted = args.get("architecture", "x86_64")
    if found.architecture != ARCHITECTURES[wanted]:
        raise pulumi.RunError(
            f"image: {found.id} is for {found.architecture}, and the instance types are {wanted}; choose another "
            "image, or other instance types."
        )
    if args.get("gpu") and tags.get(f"{TAG}gpu") != "true":
        raise pulumi.RunError(
            f"image: {found.id} holds no driver for the GPUs of the instance types; build one with `daskfleet image "
            "build --gpu`."
        )
    return {each: tags[f"{TAG}{each}"] for each in VERSIONS}
