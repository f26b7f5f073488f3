"""Which function answers which request of the services beside Compute Engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from google_cloud.access import Caller
    from google_cloud.cloud import Cloud

Handler = Callable[["Call"], "dict[str, Any] | Answer"]
PLACEHOLDER = re.compile(r"\{(\w+)(\*?)\}")


@dataclass(frozen=True)
class Route:
    """One method of one service."""

    method: str
    template: str
    """`/v1/projects/{project}/secrets/{secret}:addVersion`; `{name*}` may have slashes."""
    id: str
    """`secretmanager.secrets.addVersion`."""
    handler: Handler
    pattern: re.Pattern[str]
    query: frozenset[str] | None = None
    """What may be in the query; `None` is anything."""


@dataclass
class Call:
    """One request, for the function that answers it."""

    world: Cloud
    request: Request
    route: Route
    args: Mapping[str, str]
    caller: Caller
    _body: Any = field(default=None, repr=False)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    @property
    def project(self) -> str:
        return self.args["project"]

    def json(self) -> dict[str, Any]:
        """The body.

        Raises:
            ApiError: it is no object of JSON.
        """
        if self._body is None:
            self._body = self.request.read_json()
        return dict(self._body)


class Routes:
    """All of them."""

    def __init__(self) -> None:
        self._by_method: dict[str, list[Route]] = {}

    def add(self, method: str, template: str, id_: str, handler: Handler, query: str | None = None) -> None:
        """Add one.

        Args:
            query: names of what may be in the query, with spaces between.
        """
        text, end = "", 0
        for found in PLACEHOLDER.finditer(template):
            text += re.escape(template[end : found.start()])
            text += f"(?P<{found[1]}>{'.+' if found[2] else '[^/:]+'})"
            end = found.end()
        pattern = re.compile(text + re.escape(template[end:]))
        known = None if query is None else frozenset(query.split())
        self._by_method.setdefault(method, []).append(Route(method, template, id_, handler, pattern, known))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        for route in self._by_method.get(method, ()):
            if (found := route.pattern.fullmatch(path)) is not None:
                return route, {name: unquote(value) for name, value in found.groupdict().items()}
        return None

    def __iter__(self) -> Iterator[Route]:
        return (route for routes in self._by_method.values() for route in routes)
