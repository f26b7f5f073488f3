"""The images of a project of Google Cloud, by their labels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.services.images.labels import choose, read_labels
from daskfleet.services.images.model import Image

HOW = "pip install 'daskfleet[gcp]'"
ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
"""Where Compute Engine is, if elsewhere: a variable that `gcloud` heeds, too."""


@dataclass(frozen=True)
class Project:
    """A project, and clients for its images and for what is done to them."""

    name: str
    images: Any
    operations: Any


def connect(project: str | None) -> Project:
    """A client for the images of a project.

    Raises:
        FleetError: the library is not installed, there are no credentials, or nothing says which project.
    """
    try:
        import google.auth
        import google.cloud.compute_v1 as compute_v1
    except ImportError:
        raise FleetError(
            f"Google Cloud is asked through google-cloud-compute, which is not installed: {HOW}."
        ) from None
    with explain_gcp_errors():
        credentials, own = google.auth.default(scopes=["https://www.googleapis.com/auth/compute"])
        name = project or own
        if not name:
            raise FleetError("nothing says which project: give --project or GOOGLE_CLOUD_PROJECT.")
        options = {"api_endpoint": os.environ[ENDPOINT].removesuffix("/compute/v1/")} if ENDPOINT in os.environ else {}
        return Project(
            name,
            compute_v1.ImagesClient(credentials=credentials, client_options=options),
            compute_v1.GlobalOperationsClient(credentials=credentials, client_options=options),
        )


def list_images(project: Project, family: str | None = None, version: str | None = None) -> list[Image]:
    """The project's own images of daskfleet, by family, newest first."""
    with explain_gcp_errors():
        pages = project.images.list(request={"project": project.name, "filter": "labels.daskfleet-family:*"})
        return choose([_describe(project, each) for each in pages], family, version)


def delete_images(project: Project, family: str, version: str) -> list[str]:
    """Remove an image; returns the identifiers of what was removed. Safe to repeat."""
    images = list_images(project, family, version)
    with explain_gcp_errors():
        for image in images:
            _await_end(project, project.images.delete_unary(project=project.name, image=image.id.rpartition("/")[2]))
    return [image.id for image in images]


def _await_end(project: Project, operation: Any) -> None:
    """Wait for the end of an operation. The library's own way to wait asks Google's own address in any case."""
    while operation.status != operation.Status.DONE:
        operation = project.operations.wait(project=project.name, operation=operation.name)  # Two minutes at most.
    if operation.error.errors:
        raise FleetError(f"Google Cloud did not do it: {operation.error.errors[0].message}")


def _describe(project: Project, image: Any) -> Image:
    status = image.status or "READY"
    return read_labels(
        "gcp",
        f"projects/{project.name}/global/images/{image.name}",
        dict(image.labels),
        int(image.disk_size_gb) * 2**30 or None,
        "" if status == "READY" else f"Google Cloud calls it {status}",
    )


@contextlib.contextmanager
def explain_gcp_errors() -> Iterator[None]:
    """Turn what Google's libraries raise into what a person can do about it."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth import exceptions

    try:
        yield
    except exceptions.DefaultCredentialsError as error:
        raise FleetError(
            f"there are no credentials for Google Cloud ({_first_line(error)}): `gcloud auth application-default "
            "login`, or GOOGLE_APPLICATION_CREDENTIALS."
        ) from None
    except exceptions.RefreshError as error:
        raise FleetError(
            f"Google does not take the credentials ({_first_line(error)}): `gcloud auth application-default login`."
        ) from None
    except GoogleAPICallError as error:
        raise FleetError(
            f"Google Cloud refuses it: {_first_line(error.message or error)}. Look at the project, and at the roles "
            "that your identity has in it."
        ) from None
    except (RetryError, exceptions.TransportError, OSError) as error:
        raise FleetError(f"Google Cloud cannot be asked: {_first_line(error)}. Look at the network.") from None


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
