"""The services beside Compute Engine."""

from __future__ import annotations

from google_cloud.routing import Routes
from google_cloud.services import accounts, buckets, logs, objects, projects, secrets, tokens


def register(routes: Routes) -> None:
    """Tell which requests they answer."""
    for each in (tokens, projects, accounts, secrets, buckets, objects, logs):
        each.register(routes)
