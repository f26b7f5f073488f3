"""The images of a project of Google Cloud, by their labels.

Compute Engine is asked over REST with google-auth's session. Google's own client brings protocol buffers of the same
names as Pulumi's, and a process can hold only one of the two.
"""

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
HOST = "compute.googleapis.com"
ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
"""Where Compute Engine is, if elsewhere: a variable that `gcloud` heeds, too."""

SECONDS = 150.0
"""How long an answer may take: one to `wait` comes within two minutes."""


class Refused(Exception):
    """Compute Engine answered with an error."""


@dataclass(frozen=True)
class Project:
    """A project, and a session that may ask about it."""

    name: str
    session: Any
    url: str
    """What the addresses of its global resources begin with."""

    def ask(self, method: str, path: str, **query: str) -> dict[str, Any]:
        """One call of Compute Engine's.

        Raises:
            Refused: with what it said.
        """
        answer = self.session.request(method, f"{self.url}/{path}", params=query, timeout=SECONDS)
        try:
            body: dict[str, Any] = answer.json()
        except ValueError:
            body = {}
        if not answer.ok:
            raise Refused((body.get("error") or {}).get("message") or f"{answer.status_code} {answer.reason}")
        return body


def connect(project: str | None) -> Project:
    """A session for the images of a project.

    Raises:
        FleetError: the library is not installed, there are no credentials, or nothing says which project.
    """
    try:
        import google.auth
        from google.auth.transport.requests import AuthorizedSession
    except ImportError:
        raise FleetError(
            f"Google Cloud is asked through google-auth and requests, which are not installed: {HOW}."
        ) from None
    with explain_gcp_errors():
        credentials, own = google.auth.default(scopes=["https://www.googleapis.com/auth/compute"])
        name = project or own
        if not name:
            raise FleetError("nothing says which project: give --project or GOOGLE_CLOUD_PROJECT.")
        base = os.environ.get(ENDPOINT, f"https://{HOST}/compute/v1/").rstrip("/")
        return Project(name, AuthorizedSession(credentials, default_host=HOST), f"{base}/projects/{name}/global")


def list_images(project: Project, family: str | None = None, version: str | None = None) -> list[Image]:
    """The project's own images of daskfleet, by family, newest first."""
    found: list[Image] = []
    query = {"filter": "labels.daskfleet-family:*"}
    with explain_gcp_errors():
        while True:
            page = project.ask("GET", "images", **query)
            found += [_describe(project, each) for each in page.get("items", ())]
            if not page.get("nextPageToken"):
                return choose(found, family, version)
            query["pageToken"] = page["nextPageToken"]


def delete_images(project: Project, family: str, version: str) -> list[str]:
    """Remove an image; returns the identifiers of what was removed. Safe to repeat."""
    images = list_images(project, family, version)
    with explain_gcp_errors():
        for image in images:
            _await_end(project, project.ask("DELETE", f"images/{image.id.rpartition('/')[2]}"))
    return [image.id for image in images]


def _await_end(project: Project, operation: dict[str, Any]) -> None:
    while operation.get("status") != "DONE":
        operation = project.ask("POST", f"operations/{operation['name']}/wait")
    errors = (operation.get("error") or {}).get("errors")
    if errors:
        raise FleetError(f"Google Cloud did not do it: {errors[0].get('message', 'it does not say why')}")


def _describe(project: Project, image: dict[str, Any]) -> Image:
    status = image.get("status", "READY")
    return read_labels(
        "gcp",
        f"projects/{project.name}/global/images/{image['name']}",
        image.get("labels", {}),
        int(image.get("diskSizeGb", 0)) * 2**30 or None,
        "" if status == "READY" else f"Google Cloud calls it {status}",
    )


@contextlib.contextmanager
def explain_gcp_errors() -> Iterator[None]:
    """Turn what goes wrong into what a person can do about it."""
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
    except Refused as error:
        raise FleetError(
            f"Google Cloud refuses it: {_first_line(error)}. Look at the project, and at the roles that your identity "
            "has in it."
        ) from None
    except (exceptions.TransportError, OSError) as error:  # What requests raises is an OSError, too.
        raise FleetError(f"Google Cloud cannot be asked: {_first_line(error)}. Look at the network.") from None


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
