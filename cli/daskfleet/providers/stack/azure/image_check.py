"""Whether there is an image for a fleet's machines that fits this client."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from daskfleet.azure import Azure, explain_azure_errors
from daskfleet.providers.stack.azure.places import is_same
from daskfleet.providers.stack.cloud import Check
from daskfleet.providers.stack.images import FAMILY, GPU_FAMILY, describe_differences, find_unfit
from daskfleet.services.images.labels import PREFIX, VERSIONS
from daskfleet_images.definitions import DEFAULT_GALLERY, name_definition
from daskfleet_stacks.spec.azure import AzureImage
from daskfleet_stacks.versions import read_own_versions


def check_image(azure: Azure, image: AzureImage, region: str, arch: str, *, gpu: bool) -> Check:
    """Look for the image that machines of an architecture would boot. Two calls."""
    name = f"image for {arch}{' with GPUs' if gpu else ''}"
    gallery = image.gallery or DEFAULT_GALLERY
    group, _, gallery_name = gallery.partition("/")
    own = read_own_versions()
    family = image.family or (GPU_FAMILY if gpu else FAMILY)
    definition = image.name or name_definition(family, arch, dataclasses.asdict(own), gpu=gpu)
    path = (
        f"{azure.scope}/resourceGroups/{group}/providers/Microsoft.Compute/galleries/{gallery_name}/images/{definition}"
    )
    with explain_azure_errors():
        found = azure.find(path)
        versions = [] if found is None else list(azure.list(f"{path}/versions"))
    if found is None:
        return Check(name, describe_missing(image, gallery, definition, family, arch, gpu=gpu))
    tags = {str(key): str(value) for key, value in (found.get("tags") or {}).items()}
    problem = find_problem(tags, definition, arch, gpu=gpu) or find_place_problem(versions, definition, region)
    if problem:
        return Check(name, problem)
    told = describe_differences({key: tags[f"{PREFIX}{key}"] for key in VERSIONS}, own)
    return Check(name, found=f"{definition}{told}")


def describe_missing(image: AzureImage, gallery: str, definition: str, family: str, arch: str, *, gpu: bool) -> str:
    """What is told where there is no such image. Pure."""
    if image.name is not None:
        return (
            f"image.name: '{image.name}': the gallery {gallery} has no such image definition; mend it, or leave it out"
        )
    return (
        f"image: there is no image of the family '{family}' that fits in the gallery {gallery} ({definition}). Build "
        f"one with `daskfleet image build --provider azure --family {family} --arch {arch}{' --gpu' if gpu else ''} "
        "--environment FILE`, where FILE is the lock of the environment that your scripts run in"
    )


def find_problem(tags: Mapping[str, str], definition: str, arch: str, *, gpu: bool) -> str:
    """Why machines of an architecture cannot boot an image, by its tags; empty where they can. Pure."""
    held = {key.removeprefix(PREFIX): value for key, value in tags.items()}
    return find_unfit(held, definition, arch, gpu=gpu, marks="tags", types="VM sizes")


def find_place_problem(versions: Iterable[Mapping[str, Any]], definition: str, region: str) -> str:
    """Why no version of an image can be booted in a region; empty where one can. Pure."""
    places: set[str] = set()
    for version in versions:
        properties = version.get("properties") or {}
        publishing = properties.get("publishingProfile") or {}
        if properties.get("provisioningState") == "Succeeded" and not publishing.get("excludeFromLatest"):
            regions = [str(each["name"]) for each in publishing.get("targetRegions") or ()]
            places |= {each.replace(" ", "").lower() for each in (regions or [str(version.get("location") or "")])}
    if not places:
        return f"image: {definition} has no version yet; put an image into it"
    if not any(is_same(place, region) for place in places):
        return (
            f"image: {definition} is in {', '.join(sorted(places))} and not in {region}; replicate its newest version "
            "there (`az sig image-version update --add publishingProfile.targetRegions …`)"
        )
    return ""
