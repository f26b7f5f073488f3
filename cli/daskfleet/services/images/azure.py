"""The images of an Azure subscription: versions of image definitions in compute galleries, by their tags.

packer leaves a managed image. What fleets boot is a version of a definition in a gallery, made of it: a definition
holds images of the same packages only, and its name says which, so that a fleet's program finds it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daskfleet.azure import Azure, explain_azure_errors
from daskfleet.services.images.labels import PREFIX, VERSIONS, choose, read_labels
from daskfleet.services.images.model import Image
from daskfleet_images.definitions import GALLERY, name_definition

GALLERIES = "providers/Microsoft.Compute/galleries"

ARCHITECTURES = {"x86_64": "x64", "aarch64": "Arm64"}

WHAT_COUNTS = ("family", "arch", "gpu", *VERSIONS)
"""Facts that all versions of a definition share: its tags."""


def connect(subscription: str | None) -> Azure:
    """A subscription that may be asked for its images.

    Raises:
        FleetError: the library is not installed, there are no credentials, or nothing says which subscription.
    """
    azure = Azure(subscription or "")
    azure.sign_in()
    return azure


def list_images(azure: Azure, family: str | None = None, version: str | None = None) -> list[Image]:
    """The subscription's own images of daskfleet, by family, newest first."""
    with explain_azure_errors():
        found = [
            describe(definition, each)
            for gallery in azure.list(f"{azure.scope}/{GALLERIES}")
            for definition in azure.list(f"{gallery['id']}/images")
            if family in (None, (definition.get("tags") or {}).get(f"{PREFIX}family"))
            for each in azure.list(f"{definition['id']}/versions")
        ]
    return choose(found, family, version)


def delete_images(azure: Azure, family: str, version: str) -> list[str]:
    """Remove an image, and its definition with the last of them; returns what was removed. Safe to repeat."""
    images = list_images(azure, family, version)
    with explain_azure_errors():
        for image in images:
            azure.change("DELETE", image.id)
            definition, _, _ = image.id.rpartition("/versions/")
            if not any(True for _ in azure.list(f"{definition}/versions")):
                azure.change("DELETE", definition)
    return [image.id for image in images]


def publish_image(azure: Azure, managed: str, image: Image) -> str:
    """Make the managed image a version in the gallery of its resource group, and remove it; returns the version.

    Args:
        managed: identifier of what packer has made.
        image: what it says of itself.

    Raises:
        FleetError: Azure refuses it; the managed image is still there then.
    """
    facts = {fact: str(getattr(image, fact)) for fact in ("family", "version", "arch", "lock", *VERSIONS)}
    facts["gpu"] = str(image.gpu).lower()
    tags = {f"{PREFIX}{fact}": value for fact, value in facts.items()}
    held = {package: facts[package] for package in VERSIONS}
    name = name_definition(image.family, image.arch, held, gpu=image.gpu)
    group, _, _ = managed.rpartition("/providers/")
    gallery = f"{group}/{GALLERIES}/{GALLERY}"
    definition = f"{gallery}/images/{name}"
    version = f"{definition}/versions/{number_version(image.version)}"
    with explain_azure_errors():
        location = azure.ask("GET", managed)["location"]
        azure.change("PUT", gallery, body={"location": location})
        azure.change("PUT", definition, body=render_definition(location, image, name, tags))
        azure.change("PUT", version, body=render_version(location, managed, tags))
        azure.change("DELETE", managed)
    return version


def number_version(version: str) -> str:
    """Azure's spelling of a version: `2026.1124.830` of `202611240830`. Pure."""
    return f"{int(version[:4])}.{int(version[4:8])}.{int(version[8:])}"


def render_definition(location: str, image: Image, name: str, tags: dict[str, str]) -> dict[str, Any]:
    """An image definition. Pure."""
    return {
        "location": location,
        "tags": {key: value for key, value in tags.items() if key.removeprefix(PREFIX) in WHAT_COUNTS},
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": "V2",
            "architecture": ARCHITECTURES[image.arch],
            "identifier": {"publisher": "daskfleet", "offer": image.family, "sku": name},
        },
    }


def render_version(location: str, managed: str, tags: dict[str, str]) -> dict[str, Any]:
    """A version made of a managed image, in that image's region. Pure."""
    return {
        "location": location,
        "tags": tags,
        "properties": {
            "storageProfile": {"source": {"id": managed}},
            "publishingProfile": {"targetRegions": [{"name": location}]},
        },
    }


def describe(definition: Mapping[str, Any], version: Mapping[str, Any]) -> Image:
    """The image that a version of a definition is. Pure."""
    told = version.get("properties") or {}
    size = ((told.get("storageProfile") or {}).get("osDiskImage") or {}).get("sizeInGB")
    state = told.get("provisioningState") or "Succeeded"
    return read_labels(
        "azure",
        version["id"],
        {**(definition.get("tags") or {}), **(version.get("tags") or {})},
        size * 2**30 if size else None,
        "" if state == "Succeeded" else f"Azure calls it {state}",
    )
