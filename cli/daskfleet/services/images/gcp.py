"""The images of a project of Google Cloud, by their labels."""

from __future__ import annotations

from typing import Any

from daskfleet.google import Google, explain_google_errors, find_name
from daskfleet.services.images.labels import choose, read_labels
from daskfleet.services.images.model import Image


def connect(project: str | None) -> Google:
    """A project that may be asked for its images.

    Raises:
        FleetError: the library is not installed, there are no credentials, or nothing says which project.
    """
    google = Google(project or "")
    google.sign_in()
    return google


def list_images(google: Google, family: str | None = None, version: str | None = None) -> list[Image]:
    """The project's own images of daskfleet, by family, newest first."""
    with explain_google_errors():
        question = {"filter": "labels.daskfleet-family:*"}
        found = google.list("compute", google.compute("global/images"), "items", question)
        return choose([describe(google.project, each) for each in found], family, version)


def delete_images(google: Google, family: str, version: str) -> list[str]:
    """Remove an image; returns the identifiers of what was removed. Safe to repeat."""
    images = list_images(google, family, version)
    with explain_google_errors():
        for image in images:
            google.await_end(google.ask("compute", "DELETE", google.compute(f"global/images/{find_name(image.id)}")))
    return [image.id for image in images]


def describe(project: str, image: dict[str, Any]) -> Image:
    """The image that Compute Engine tells of. Pure."""
    status = image.get("status", "READY")
    return read_labels(
        "gcp",
        f"projects/{project}/global/images/{image['name']}",
        image.get("labels", {}),
        int(image.get("diskSizeGb", 0)) * 2**30 or None,
        "" if status == "READY" else f"Google Cloud calls it {status}",
    )
