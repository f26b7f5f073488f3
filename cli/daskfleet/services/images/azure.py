"""The images of an Azure subscription: versions of image definitions in compute galleries, by their tags.

packer leaves a managed image. What fleets boot is a version of a definition in a gallery, made of it: a definition
holds images of the same packages only, and its name says which, so that a fleet's program finds it by its name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.services.images.labels import PREFIX, VERSIONS, choose, read_labels
from daskfleet.services.images.model import Image
from daskfleet_images.definitions import GALLERY, name_definition

HOW = "pip install 'daskfleet[azure]'"

ARCHITECTURES = {"x86_64": "x64", "aarch64": "Arm64"}

WHAT_COUNTS = ("family", "arch", "gpu", *VERSIONS)
"""Facts that all versions of a definition share: its tags."""


def connect(subscription: str | None) -> Any:
    """A client of Azure's compute service.

    Raises:
        FleetError: the libraries are not installed, or nothing says which subscription.
    """
    if not subscription:
        raise FleetError("nothing says which subscription: give --subscription or ARM_SUBSCRIPTION_ID.")
    try:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.compute import ComputeManagementClient
    except ImportError:
        raise FleetError(
            f"Azure is asked through azure-identity and azure-mgmt-compute, which are not installed: {HOW}."
        ) from None
    with explain_azure_errors():
        return ComputeManagementClient(DefaultAzureCredential(), subscription)


def list_images(client: Any, family: str | None = None, version: str | None = None) -> list[Image]:
    """The subscription's own images of daskfleet, by family, newest first."""
    with explain_azure_errors():
        found = [
            _describe(definition, each)
            for gallery in client.galleries.list()
            for definition in client.gallery_images.list_by_gallery(*parse_id(gallery.id))
            if family in (None, (definition.tags or {}).get(f"{PREFIX}family"))
            for each in client.gallery_image_versions.list_by_gallery_image(*parse_id(definition.id))
        ]
    return choose(found, family, version)


def delete_images(client: Any, family: str, version: str) -> list[str]:
    """Remove an image, and its definition with the last of them; returns what was removed. Safe to repeat."""
    images = list_images(client, family, version)
    with explain_azure_errors():
        for image in images:
            *definition, number = parse_id(image.id)
            client.gallery_image_versions.begin_delete(*definition, number).result()
            if not any(True for _ in client.gallery_image_versions.list_by_gallery_image(*definition)):
                client.gallery_images.begin_delete(*definition).result()
    return [image.id for image in images]


def publish_image(client: Any, managed: str, image: Image) -> str:
    """Make the managed image a version in the gallery of its resource group, and remove it; returns the version.

    Args:
        managed: identifier of what packer has made.
        image: what it says of itself.

    Raises:
        FleetError: Azure refuses it; the managed image is still there then.
    """
    group, name = parse_id(managed)
    facts = {fact: str(getattr(image, fact)) for fact in ("family", "version", "arch", "lock", *VERSIONS)}
    facts["gpu"] = str(image.gpu).lower()
    tags = {f"{PREFIX}{fact}": value for fact, value in facts.items()}
    held = {package: facts[package] for package in VERSIONS}
    definition = name_definition(image.family, image.arch, held, gpu=image.gpu)
    with explain_azure_errors():
        location = client.images.get(group, name).location
        client.galleries.begin_create_or_update(group, GALLERY, {"location": location}).result()
        client.gallery_images.begin_create_or_update(
            group, GALLERY, definition, render_definition(location, image, definition, tags)
        ).result()
        version = client.gallery_image_versions.begin_create_or_update(
            group, GALLERY, definition, number_version(image.version), render_version(location, managed, tags)
        ).result()
        client.images.begin_delete(group, name).result()
    return str(version.id)


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


def parse_id(identifier: str) -> list[str]:
    """The resource group in an identifier of Azure's, and the names after it from the outermost on. Pure."""
    parts = identifier.split("/")
    return [parts[4], *parts[8::2]]


def _describe(definition: Any, version: Any) -> Image:
    disk = version.storage_profile.os_disk_image if version.storage_profile else None
    size = disk.size_in_gb if disk else None
    state = getattr(version.provisioning_state, "value", version.provisioning_state) or "Succeeded"
    return read_labels(
        "azure",
        version.id,
        {**(definition.tags or {}), **(version.tags or {})},
        size * 2**30 if size else None,
        "" if state == "Succeeded" else f"Azure calls it {state}",
    )


@contextlib.contextmanager
def explain_azure_errors() -> Iterator[None]:
    """Turn what Azure's libraries raise into what a person can do about it."""
    from azure.core import exceptions

    try:
        yield
    except exceptions.ClientAuthenticationError as error:
        raise FleetError(
            f"Azure does not know who you are ({_first_line(error.message)}): `az login`, or the variables that "
            "azure-identity reads."
        ) from None
    except exceptions.HttpResponseError as error:
        raise FleetError(
            f"Azure refuses it: {_first_line(error.message)}. Look at the subscription, and at the roles that your "
            "identity has in it."
        ) from None
    except exceptions.AzureError as error:
        raise FleetError(f"Azure cannot be asked: {_first_line(error.message)}. Look at the network.") from None


def _first_line(message: str) -> str:
    return (message.strip() or "no reason is given").splitlines()[0].rstrip(".")
