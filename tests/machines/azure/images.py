"""Images in a compute gallery, with tags as their build gives them."""

from __future__ import annotations

from collections.abc import Mapping

from azure_cloud.client import AzureClient
from azure_cloud.cloud import SUBSCRIPTION
from daskfleet_images.definitions import name_definition

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/daskfleet-images"
GALLERY = f"{GROUP}/providers/Microsoft.Compute/galleries/daskfleet"
"""Where fleets look for images of a family."""

ARCHITECTURES = {"x86_64": "x64", "aarch64": "Arm64"}
NAME = "daskfleet-lab-name"
"""Tag of a definition: by what name the test has registered it."""


def register_image(
    client: AzureClient, location: str, name: str, facts: Mapping[str, str], arch: str = "x86_64"
) -> list[str]:
    """Make an image definition of this name, and one as the build of a family names it; returns their identifiers."""
    client.call("PUT", GROUP, {"location": location})
    client.change("PUT", GALLERY, {"location": location})
    names = [name]
    if "family" in facts:
        names.append(name_definition(facts["family"], arch, facts, gpu=facts.get("gpu") == "true"))
    return [define(client, location, each, {**render_tags(facts), NAME: name}, arch) for each in dict.fromkeys(names)]


def define(client: AzureClient, location: str, name: str, tags: Mapping[str, str], arch: str) -> str:
    """An image definition with one version; returns its identifier."""
    path = f"{GALLERY}/images/{name}"
    properties = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "architecture": ARCHITECTURES[arch],
        "identifier": {"publisher": "daskfleet", "offer": "daskfleet", "sku": name},
    }
    client.change("PUT", path, {"location": location, "tags": dict(tags), "properties": properties})
    source = {"id": f"{GROUP}/providers/Microsoft.Compute/virtualMachines/builder"}
    version = {"location": location, "properties": {"storageProfile": {"source": source}}}
    client.change("PUT", f"{path}/versions/1.0.0", version)
    return path


def render_tags(facts: Mapping[str, str]) -> dict[str, str]:
    return {f"daskfleet-{key}": value for key, value in facts.items()}
