"""How an operation reaches Google: who and where it is, requests, operations that end later."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from stand_ins.core.errors import Cancelled, Refused
from stand_ins.core.waiting import Patience
from stand_ins.gcp import links
from stand_ins.gcp.errors import ApiError, OperationFailed

SERVICES = {
    "compute": ("compute",),
    "iam": ("iamBeta", "iam"),  # the real provider makes service accounts by the first
    "resourceManager": ("resourceManager",),
    "secretManager": ("secretManager",),
    "storage": ("storage",),
}
"""Those that are asked, and how the provider's `…CustomEndpoint` call them."""


@dataclass(frozen=True)
class Settings:
    """What the provider was configured with, for all operations."""

    session: Any
    endpoints: Mapping[str, str]
    project: str | None
    region: str | None
    zone: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    attribution: str | None = "CREATION_ONLY"
    """When Pulumi's own label is added: never, at creation, or also later (`PROACTIVE`)."""
    locks: Mapping[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def base(self, service: str) -> str:
        """Where a service is."""
        try:
            return self.endpoints[service]
        except KeyError:
            raise Refused(
                f"the stand-in for gcp never talks to Google, and nobody said where else {service} is: set the "
                f"provider's `{SERVICES[service][-1]}CustomEndpoint` or {endpoint_variable(SERVICES[service][-1])}"
            ) from None


def endpoint_variable(name: str) -> str:
    """The environment variable for an endpoint."""
    spelled = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    return f"GOOGLE_{spelled.upper()}_CUSTOM_ENDPOINT"


@dataclass(frozen=True, kw_only=True)
class Call(Patience):
    """One operation."""

    settings: Settings
    project: str
    region: str
    zone: str

    def send(
        self,
        service: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request, again while what it fails with passes; the answer."""
        url = self.settings.base(service) + path
        return self.retry("Google", _passes, lambda: self._send(method, url, body, query or {}))

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> dict[str, Any]:
        if self.cancelled.is_set():
            raise Cancelled
        response = self.settings.session.request(
            method, url, json=body, params=query, timeout=60, headers={"user-agent": "stand-in"}
        )
        if response.status_code >= 400:
            raise ApiError(response.status_code, response.text)
        return dict(response.json()) if response.content else {}

    def compute(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        doing: str = "",
    ) -> dict[str, Any]:
        """A request of Compute Engine; where it starts an operation, that has ended well."""
        answer = self.send("compute", method, path, body, query)
        return self.wait(answer, doing) if answer.get("kind") == "compute#operation" else answer

    def wait(self, operation: Mapping[str, Any], doing: str) -> dict[str, Any]:
        """Until an operation of Compute Engine has ended."""
        path = f"{place(operation, self.project)}/operations/{operation['name']}"

        def ended(known: Mapping[str, Any]) -> dict[str, Any] | None:
            return dict(known) if known["status"] == "DONE" else None

        done = ended(operation) or self.wait_for(doing, lambda: ended(self.send("compute", "GET", path)))
        if errors := done.get("error", {}).get("errors"):
            raise OperationFailed(doing, errors)
        return done

    def find(self, service: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """What is at `path`, or None where nothing is."""
        try:
            return self.send(service, "GET", path, query=query)
        except ApiError as error:
            if error.gone:
                return None
            raise

    def list(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """All things of Compute Engine at `path`."""
        page: dict[str, str] = {}
        while True:
            answer = self.send("compute", "GET", path, query={**(query or {}), **page})
            yield from answer.get("items", ())
            if not answer.get("nextPageToken"):
                return
            page = {"pageToken": answer["nextPageToken"]}

    def delete(self, action: Callable[[], Any]) -> None:
        """`action`, for which something that is gone already is success."""
        try:
            action()
        except ApiError as error:
            if not error.gone:
                raise

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """While nothing else here changes what `key` names."""
        with self.settings.locks[key]:
            yield

    def expand(self, collection: str, given: str) -> str:
        """The path of what a program named by its name only, or by its link."""
        if "/" in given:
            return links.shorten(given)
        where = {"networks": "global", "instances": f"zones/{self.zone}"}
        return f"projects/{self.project}/{where.get(collection, f'regions/{self.region}')}/{collection}/{given}"


def _passes(error: Exception) -> bool:
    if isinstance(error, ApiError):
        return error.passes
    import requests

    return isinstance(error, requests.ConnectionError | requests.Timeout)


def place(thing: Mapping[str, Any], project: str) -> str:
    """Where something of Compute Engine is: `projects/P/zones/Z`, `projects/P/regions/R` or `projects/P/global`."""
    for kind in ("zone", "region"):
        if thing.get(kind):
            return f"projects/{project}/{kind}s/{links.last(thing[kind])}"
    return f"projects/{project}/global"
