"""Whether a family has an image for a fleet's machines that fits this client; the same in every cloud."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from daskfleet.providers.stack.cloud import Check
from daskfleet.services.images.choose import NoFittingImage, choose_image
from daskfleet.services.images.labels import PREFIX, VERSIONS
from daskfleet.services.images.model import Image
from daskfleet_images.definitions import find_minor
from daskfleet_stacks.connection import Versions
from daskfleet_stacks.versions import read_own_versions

FAMILY, GPU_FAMILY = "daskfleet", "daskfleet-gpu"


def check_family(
    provider: str,
    list_images: Callable[[str], Iterable[Image]],
    family: str | None,
    arch: str,
    name: str,
    *,
    gpu: bool,
) -> Check:
    """Look for the newest image of a family that fits.

    Args:
        list_images: those of a family.
        family: `None` is the one that is meant where none is named.
        name: of the check.
    """
    meant = family or (GPU_FAMILY if gpu else FAMILY)
    try:
        chosen = choose_image(list_images(meant), meant, arch, read_own_versions(), provider=provider)
    except NoFittingImage as error:
        return Check(name, f"image: {error}")
    return Check(name, found=f"{chosen.name} ({chosen.id})")


def find_unfit(held: Mapping[str, str], image: str, arch: str, *, gpu: bool, marks: str, types: str) -> str:
    """Why machines of an architecture cannot boot an image that somebody chose; empty where they can. Pure.

    Args:
        held: what it says of itself, by fact.
        marks: what the cloud calls the marks that say it: `labels`, `tags`.
        types: what the cloud calls types of machines.
    """
    missing = [f"{PREFIX}{each}" for each in (*VERSIONS, "arch") if not held.get(each)]
    if missing:
        return (
            f"image: {image} lacks the {marks} {', '.join(missing)}, and so does not say what clients must fit; take "
            f"one that `daskfleet image build` made, or give it its {marks}"
        )
    if held["arch"] != arch:
        return (
            f"image: {image} is for {held['arch']}, and the {types} are {arch}; choose another image, or other {types}"
        )
    if gpu and held.get("gpu") != "true":
        return f"image: {image} holds no driver for GPUs; build one with `daskfleet image build --gpu`"
    return ""


def describe_differences(held: Mapping[str, str], client: Versions) -> str:
    """What of an image that somebody chose does not fit this client, to be told: scripts may run elsewhere. Pure."""
    own = dataclasses.asdict(client) | {"python": find_minor(client.python)}
    differences = [
        f"{package} {version} (here {own[package]})"
        for package, version in held.items()
        if own[package] != (find_minor(version) if package == "python" else version)
    ]
    return f", with {', '.join(differences)}: scripts need the same versions as the image" if differences else ""
