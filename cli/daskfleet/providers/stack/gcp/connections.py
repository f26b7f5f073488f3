"""The secret of a fleet that holds its connection, for those who have credentials of Google and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from daskfleet.google import Google, explain_google_errors, find_name
from daskfleet.providers.stack.cloud import StoredConnection
from daskfleet.providers.stack.files import parse_stored
from daskfleet.providers.stack.gcp.machines import parse_time
from daskfleet.providers.stack.gcp.marks import ROLE, Mark, read_marks
from daskfleet_stacks.connection import Connection


def list_secrets(google: Google, mark: Mark) -> list[dict[str, Any]]:
    """The secrets that carry the fleet's mark."""
    path = f"v1/projects/{google.project}/secrets"
    found = google.list("secretmanager", path, "secrets", {"filter": mark.filter})
    return [each for each in found if mark.is_on(each)]


def list_connections(google: Google, mark: Mark) -> list[StoredConnection]:
    """The secrets with connections of fleets of this name."""
    with explain_google_errors():
        return [
            StoredConnection(find_name(each["name"]), parse_time(each["createTime"]))
            for each in list_secrets(google, mark)
            if read_marks(each).get(ROLE) == "client"
        ]


def read_connection(google: Google, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
    """The connection in a secret, and the fleet's resources.

    Raises:
        FleetError: it cannot be read, or holds something else; the message holds nothing of it.
    """
    path = f"v1/projects/{google.project}/secrets/{stored.place}/versions/latest:access"
    with explain_google_errors():
        answer = google.ask("secretmanager", "GET", path)
    try:
        text = base64.b64decode((answer.get("payload") or {}).get("data") or "").decode()
    except ValueError:
        text = ""
    return parse_stored(text, stored.place)
