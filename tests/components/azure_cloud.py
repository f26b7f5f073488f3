"""What the provider of Azure answers to a program that runs without an engine."""

from __future__ import annotations

import uuid
from typing import Any

import grpc

from components.plans import VERSIONS, Cloud
from daskfleet_components.azure import Fleet
from daskfleet_images.definitions import name_definition
from daskfleet_stacks.azure import build_fleet_args, deploy_azure

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
OPERATOR = "0b0b0b0b-1111-2222-3333-444444444444"
GALLERY = "daskfleet-images/daskfleet"
GALLERY_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/daskfleet-images/providers/Microsoft.Compute/galleries/daskfleet"
)


def make_image(*, name: str = "", arch: str = "x86_64", gpu: bool = False, **tags: str) -> dict[str, Any]:
    """An image definition as Azure tells it."""
    facts = {
        "family": "daskfleet-gpu" if gpu else "daskfleet",
        "arch": arch,
        "gpu": str(gpu).lower(),
        **VERSIONS,
        **tags,
    }
    versions = {package: facts[package] for package in VERSIONS}
    known = name_definition(facts["family"], arch, versions, gpu=gpu)
    return {"name": name or known, "tags": {f"daskfleet-{key}": value for key, value in facts.items() if value}}


IMAGES = (make_image(), make_image(arch="aarch64"), make_image(gpu=True), make_image(name="climate-2026"))


class Missing(grpc.RpcError):
    """How the engine passes on that the provider has found nothing."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "Status=404 Code=ResourceNotFound Message=The resource was not found"


class Azure(Cloud):
    """A subscription with these images in its gallery."""

    fleet = Fleet
    build_fleet_args = staticmethod(build_fleet_args)
    deploy = staticmethod(deploy_azure)

    def __init__(self, images: tuple[dict[str, Any], ...] = IMAGES) -> None:
        self._images = {each["name"]: each for each in images}

    def complete(self, kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        short = kind.rpartition(":")[2]
        made = inputs.get("resourceGroupName") if short == "ResourceGroup" else f"{name}4e17a0c1"
        computed = {"name": made, "id": name_resource(kind, str(made), inputs)}
        if short == "UserAssignedIdentity":
            identity = uuid.uuid5(uuid.NAMESPACE_DNS, name)
            return {**computed, "clientId": str(identity), "principalId": f"principal of {name}"}
        if "userAssignedIdentities" in inputs.get("identity", {}):
            identities = {each: {} for each in inputs["identity"]["userAssignedIdentities"]}
            return {**computed, "identity": {**inputs["identity"], "userAssignedIdentities": identities}}
        if short == "PublicIPAddress":
            return {**computed, "ipAddress": "198.51.100.99"}
        if short == "NetworkInterface":
            (configuration,) = inputs["ipConfigurations"]
            return {**computed, "ipConfigurations": [{"privateIPAddress": "10.20.0.77", **configuration}]}
        return computed

    def answer(self, token: str, given: dict[str, Any]) -> dict[str, Any]:
        if token == "azure-native:authorization:getClientConfig":
            return {
                "clientId": OPERATOR,
                "objectId": OPERATOR,
                "subscriptionId": SUBSCRIPTION,
                "tenantId": TENANT,
            }
        if token == "azure-native:compute:getGalleryImage":
            image = self._images.get(given["galleryImageName"])
            if image is None or f"{given['resourceGroupName']}/{given['galleryName']}" != GALLERY:
                raise Missing
            return {"id": f"{GALLERY_ID}/images/{image['name']}", **image}
        raise AssertionError(f"nobody answers {token}")


def name_resource(kind: str, made: str, inputs: dict[str, Any]) -> str:
    """Identifier of a resource: each has its own place in its resource group, or in what it is part of."""
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{inputs.get('resourceGroupName')}"
    _, module, short = kind.split(":")
    if short == "ResourceGroup":
        return group
    if short == "Secret":
        return f"{group}/providers/Microsoft.KeyVault/vaults/{inputs['vaultName']}/secrets/{inputs['secretName']}"
    if short == "BlobContainer":
        account = f"{group}/providers/Microsoft.Storage/storageAccounts/{inputs['accountName']}"
        return f"{account}/blobServices/default/containers/{inputs['containerName']}"
    if short == "RoleAssignment":
        return f"{inputs['scope']}/providers/Microsoft.Authorization/roleAssignments/{made}"
    return f"{group}/providers/Microsoft.{module}/{short}/{made}"
