"""Which machine image a fleet boots: an image definition of a compute gallery."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.image_facts import VERSIONS, check_marks, choose_family, describe_missing_family
from daskfleet_images.definitions import DEFAULT_GALLERY, name_definition


class ImageArgs(TypedDict):
    """Which image: that of a family, or a definition by its name."""

    architecture: NotRequired[str]
    """`x86_64`, the default, or `aarch64`."""
    gpu: NotRequired[bool]
    """Whether it holds a driver for GPUs."""
    gallery: NotRequired[str]
    """Gallery that it is in, `RESOURCE_GROUP/GALLERY`; `daskfleet-images/daskfleet` if not given."""
    name: NotRequired[str]
    """Name of an image definition; its newest version is booted."""
    family: NotRequired[str]
    """Family of images that `daskfleet image build` made. `daskfleet`, with GPUs `daskfleet-gpu`, if not given."""
    versions: NotRequired[dict[str, str]]
    """What an image of the family must hold: versions by `python`, `dask`, `distributed` and `cloudpickle`, all four;
    not needed with a name. Of Python the minor version counts."""


class AzureImage(pulumi.ComponentResource):
    """An image definition of daskfleet, with what its versions hold. Nothing is made.

    A definition holds images of the same packages only: so its newest version fits whenever a machine boots.
    """

    image: pulumi.Output[str]
    """The image definition, by its identifier."""
    versions: pulumi.Output[dict[str, str]]
    """Versions of `python`, `dask`, `distributed` and `cloudpickle` in it."""

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureImage", name, {}, opts)
        gallery = args.get("gallery", DEFAULT_GALLERY)
        try:
            definition = args.get("name") or name_wanted(args)
            group, gallery_name = split_gallery(gallery)
        except ValueError as error:
            raise pulumi.RunError(f"image: {error}.") from None
        try:
            found = azure.compute.get_gallery_image(
                resource_group_name=group,
                gallery_name=gallery_name,
                gallery_image_name=definition,
                opts=pulumi.InvokeOptions(parent=self),
            )
        except Exception as error:
            if not is_missing(error):
                raise
            raise pulumi.RunError(f"image: {describe_missing(args, gallery, definition)}") from None
        self.facts = check_tags(definition, found.tags or {}, args)
        """Its versions, known in the program."""
        self.image = pulumi.Output.from_input(found.id)
        self.versions = pulumi.Output.from_input(self.facts)
        self.register_outputs({"image": self.image, "versions": self.versions})


def split_gallery(gallery: str) -> tuple[str, str]:
    """Resource group and name of a gallery. Pure.

    Raises:
        ValueError: it is something else.
    """
    group, slash, name = gallery.partition("/")
    if not (group and slash and name) or "/" in name:
        raise ValueError(f"gallery: {gallery!r} is none; give RESOURCE_GROUP/GALLERY")
    return group, name


def name_wanted(args: ImageArgs) -> str:
    """The definition of a family's images that hold these versions: Azure's provider finds it by its name. Pure.

    Raises:
        ValueError: a version is not given.
    """
    versions = args.get("versions", {})
    missing = [each for each in VERSIONS if not versions.get(each)]
    if missing:
        raise ValueError(
            "versions: in Azure an image of a family is found by what it holds, and nothing says which version of "
            f"{', '.join(missing)}; give it, or the name of an image definition"
        )
    gpu = args.get("gpu", False)
    family = choose_family(args.get("family"), gpu=gpu)
    return name_definition(family, args.get("architecture", "x86_64"), versions, gpu=gpu)


def is_missing(error: Exception) -> bool:
    """Whether Azure says that there is no such image, gallery or resource group. Pure."""
    text = str(error)
    return any(each in text for each in ("ResourceNotFound", "ResourceGroupNotFound", "StatusCode=404", "Status=404"))


def describe_missing(args: ImageArgs, gallery: str, definition: str) -> str:
    """What is told where there is no such image, with the remedy. Pure."""
    if "name" in args:
        return f"the gallery {gallery} has no image definition named {definition!r}; mend the name, or the gallery."
    gpu = args.get("gpu", False)
    return describe_missing_family(
        "azure",
        f"the gallery {gallery}",
        choose_family(args.get("family"), gpu=gpu),
        args.get("architecture", "x86_64"),
        args.get("versions", {}),
        gpu=gpu,
    )


def check_tags(name: str, tags: Mapping[str, str], args: ImageArgs) -> dict[str, str]:
    """The versions that the definition says its images hold. Pure.

    Raises:
        pulumi.RunError: it does not say them, or is for another architecture, or lacks the driver.
    """
    return check_marks(name, tags, args.get("architecture", "x86_64"), gpu=args.get("gpu", False), word="tags")
