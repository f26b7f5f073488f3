"""The managed images of an Azure subscription, by their tags."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.services.images.labels import choose, read_labels
from daskfleet.services.images.model import Image

HOW = "pip install 'daskfleet[azure]'"


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
        return choose([_describe(each) for each in client.images.list()], family, version)


def delete_images(client: Any, family: str, version: str) -> list[str]:
    """Remove an image; returns the identifiers of what was removed. Safe to repeat."""
    images = list_images(client, family, version)
    with explain_azure_errors():
        for image in images:
            group, name = parse_id(image.id)
            client.images.begin_delete(group, name).result()
    return [image.id for image in images]


def parse_id(identifier: str) -> tuple[str, str]:
    """Resource group and name in an identifier of Azure's. Pure."""
    parts = identifier.split("/")
    return parts[4], parts[-1]


def _describe(image: Any) -> Image:
    disk = image.storage_profile.os_disk if image.storage_profile else None
    size = disk.disk_size_gb if disk else None
    state = image.provisioning_state or "Succeeded"
    return read_labels(
        "azure",
        image.id,
        image.tags or {},
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
