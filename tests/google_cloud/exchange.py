"""Requests and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google_cloud.errors import ApiError, unknown_query

STANDARD_QUERY = frozenset(
    {
        "$.xgafv",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
        "userIp",
        "userProject",
    }
)
"""What every method of Google's takes."""


@dataclass(frozen=True)
class Request:
    """One request."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        """Still escaped."""
        return urlsplit(self.target).path

    @cached_property
    def lists(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def query(self) -> dict[str, str]:
        """The last value of each."""
        return {key: values[-1] for key, values in self.lists.items()}

    @property
    def token(self) -> str:
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else ""

    def check_query(self, *known: str) -> None:
        """Refuse what the method does not take."""
        for name in self.query:
            if name not in STANDARD_QUERY and name not in known:
                raise unknown_query(name)

    def read_json(self) -> dict[str, Any]:
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise ApiError(400, f"Invalid JSON payload received. {error}", "parseError") from None
        if not isinstance(value, dict):
            raise ApiError(400, 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
        return value


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    body: Any = field(default_factory=dict)
    """JSON, or bytes as they are."""
    status: int = 200
    content_type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, indent=1).encode()
