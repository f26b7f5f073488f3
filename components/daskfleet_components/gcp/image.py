"""Which machine image a fleet boots."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.gcp.place import find_place
from daskfleet_components.image_facts import (
    PREFIX,
    check_marks,
    choose_family,
    describe_missing_family,
)
from daskfleet_images.definitions import find_minor


class ImageArgs(TypedDict):
    """Which image: by its name, or by its family, which is the default."""

    architecture: NotRequired[str]
    """`x86_64`, the default, or `aarch64`."""
    gpu: NotRequired[bool]
    """Whether it holds a driver for GPUs."""
    name: NotRequired[str]
    """Name of the image."""
    project: NotRequired[str]
    """Project that the image, or the family, is in; the fleet's if not given."""
    family: NotRequired[str]
    """Family of images that `daskfleet image build` made; the newest that fits is taken. `daskfleet`, with GPUs
    `daskfleet-gpu`, if not given."""
    versions: NotRequired[dict[str, str]]
    """What an image of the family must hold: versions by `python`, `dask`, `distributed` and `cloudpickle`. Of Python
    the minor version counts."""


class GcpImage(pulumi.ComponentResource):
    """A machine image of daskfleet, with what it holds. Nothing is made."""

    image: pulumi.Output[str]
    """The image, `projects/PROJECT/global/images/NAME`."""
    versions: pulumi.Output[dict[str, str]]
    """Versions of `python`, `dask`, `distributed` and `cloudpickle` in it."""

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpImage", name, {}, opts)
        invoke = pulumi.InvokeOptions(parent=self)
        project = args.get("project") or find_place(name, invoke).project
        found, labels = _find(args, project, invoke)
        self.facts = check_labels(found, labels, args)
        """Its versions, known in the program."""
        self.image = pulumi.Output.from_input(f"projects/{project}/global/images/{found}")
        self.versions = pulumi.Output.from_input(self.facts)
        self.register_outputs({"image": self.image, "versions": self.versions})


def _find(args: ImageArgs, project: str, opts: pulumi.InvokeOptions) -> tuple[str, Mapping[str, str]]:
    """Name and labels of the image."""
    question = f'name = "{args["name"]}"' if "name" in args else build_filter(args)
    images = gcp.compute.get_images(filter=question, project=project, opts=opts).images
    if "name" not in args:
        images = [each for each in images if fits_versions(each.labels or {}, args.get("versions", {}))]
    if not images:
        raise pulumi.RunError(f"image: {describe_missing(args, project)}")
    newest = max(images, key=lambda each: each.creation_timestamp)
    return newest.name, newest.labels or {}


def build_filter(args: ImageArgs) -> str:
    """How Compute Engine is asked for the images of a family. Pure."""
    gpu = args.get("gpu", False)
    wanted = {
        "family": choose_family(args.get("family"), gpu=gpu),
        "arch": args.get("architecture", "x86_64"),
        **({"gpu": "true"} if gpu else {}),
    }
    return " ".join(['(status = "READY")', *(f'(labels.{PREFIX}{fact} = "{value}")' for fact, value in wanted.items())])


def fits_versions(labels: Mapping[str, str], versions: Mapping[str, str]) -> bool:
    """Whether an image holds these versions; of Python the minor version counts. Pure."""
    held = {package: labels.get(f"{PREFIX}{package}", "").replace("-", ".") for package in versions}
    return all(
        find_minor(held[package]) == find_minor(version) if package == "python" else held[package] == version
        for package, version in versions.items()
    )


def describe_missing(args: ImageArgs, project: str) -> str:
    """What is told where there is no such image, with the remedy. Pure."""
    if "name" in args:
        return f"project {project} has no image named {args['name']!r}; mend the name."
    gpu = args.get("gpu", False)
    return describe_missing_family(
        "gcp",
        f"project {project}",
        choose_family(args.get("family"), gpu=gpu),
        args.get("architecture", "x86_64"),
        args.get("versions", {}),
        gpu=gpu,
    )


def check_labels(name: str, labels: Mapping[str, str], args: ImageArgs) -> dict[str, str]:
    """The versions that the image says it holds. Pure.

    Raises:
        pulumi.RunError: it does not say them, or is for another architecture, or lacks the driver.
    """
    versions = check_marks(name, labels, args.get("architecture", "x86_64"), gpu=args.get("gpu", False), word="labels")
    return {package: version.replace("-", ".") for package, version in versions.items()}
