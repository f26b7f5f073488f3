"""Which image a client is given where it names only a family. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from daskfleet.errors import FleetError
from daskfleet.services.images.model import Image
from daskfleet_images.definitions import find_minor
from daskfleet_stacks.connection import Versions

PACKAGES = ("dask", "distributed", "cloudpickle")


class NoFittingImage(FleetError):
    """No image of the family fits the architecture and the client."""


def find_differences(image: Image, client: Versions, arch: str | None = None) -> list[str]:
    """What keeps `image` from working with `client` on machines of `arch` (`None`: any); empty where nothing does.

    Of Python the minor version counts, of the packages every digit: as in the check before the first task.
    """
    if image.problem:
        return [f"it is damaged: {image.problem}"]
    differences = []
    if arch is not None and image.arch != arch:
        differences.append(f"it is for {image.arch}, and {arch} is wanted")
    if find_minor(image.python) != find_minor(client.python):
        differences.append(f"python is {image.python} in it and {client.python} here")
    for package in PACKAGES:
        theirs, own = getattr(image, package), getattr(client, package)
        if theirs != own:
            differences.append(f"{package} is {theirs or 'unknown'} in it and {own} here")
    return differences


def choose_image(
    images: Iterable[Image], family: str, arch: str, client: Versions, *, provider: str | None = None
) -> Image:
    """The newest image of `family` that fits `arch` and the client's versions.

    Raises:
        NoFittingImage: none does; with what differs of the nearest, and how to build one that fits.
    """
    candidates = sorted((each for each in images if each.family == family), key=lambda each: each.version, reverse=True)
    for image in candidates:
        if not find_differences(image, client, arch):
            return image
    place = f" --provider {provider}" if provider is not None else ""
    remedy = (
        f"Build one that fits with `daskfleet image build{place} --family {family} --arch {arch} --environment FILE`, "
        "where FILE is "
        "the lock of the environment that your scripts run in (uv.lock, requirements.txt or environment.yml)."
    )
    if not candidates:
        raise NoFittingImage(f"there is no image of the family '{family}'. {remedy}")
    # The newest of those that differ least.
    nearest = min(candidates, key=lambda each: len(find_differences(each, client, arch)))
    differences = "; ".join(find_differences(nearest, client, arch))
    raise NoFittingImage(
        f"none of the {len(candidates)} images of the family '{family}' fits. The nearest is {nearest.name}: "
        f"{differences}. "
        f"{remedy}"
    )


def find_defaults(images: Iterable[Image], client: Versions) -> set[str]:
    """The ids of the images that a client gets where it names only a family: one for each family and architecture."""
    newest: dict[tuple[str, str], Image] = {}
    for image in images:
        if find_differences(image, client):
            continue
        key = (image.family, image.arch)
        if key not in newest or newest[key].version < image.version:
            newest[key] = image
    return {image.id for image in newest.values()}
