"""How an operation reaches Azure: who and where it is, requests, operations that end later."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from stand_ins.azure.credentials import Identity
from stand_ins.azure.errors import ApiError, OperationFailed
from stand_ins.core.errors import Cancelled
from stand_ins.core.waiting import Patience

MANAGEMENT, VAULTS, GRAPH = "https://management.azure.com", "https://vault.azure.net", "https://graph.microsoft.com"
"""What tokens are for."""
ATTEMPTS = 4
"""As the real provider tries what passes; it pauses longer."""
SUCCEEDED, ENDED = "succeeded", ("succeeded", "failed", "canceled")


class Answer(NamedTuple):
    """Of one request."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What the provider was configured with, for all operations."""

    session: Any
    endpoint: str
    """Where Azure is, all of it: vaults and whoever gives tokens are told apart by the header `Host`, or by paths."""
    identity: Identity
    subscription: str
    location: str | None = None
    locations: dict[str, str] = field(default_factory=dict)
    """Those of the resource groups that were looked up."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, kw_only=True)
class Call(Patience):
    """One operation."""

    settings: Settings

    def send(
        self,
        method: str,
        path: str,
        version: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request to Azure Resource Manager, again while what it fails with passes."""
        parameters = {"api-version": version, **(query or {})}
        return self._request(method, f"{self.settings.endpoint}{path}", parameters, body)

    def delete_secret(self, vault: str, secret: str) -> None:
        """Delete a secret, at its vault."""
        url, host = f"{self.settings.endpoint}/secrets/{secret}", f"{vault}.vault.azure.net"
        try:
            self._request("DELETE", url, {"api-version": "7.4"}, None, audience=VAULTS, host=host)
        except ApiError as error:
            if not error.gone:
                raise

    def _request(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        *,
        audience: str = MANAGEMENT,
        host: str = "",
    ) -> Answer:
        for attempt, _ in enumerate(self.pauses("Azure"), 1):
            try:
                return self._try(method, url, query, body, audience, host)
            except Exception as error:
                if attempt == ATTEMPTS or not _passes(error):
                    raise
        raise AssertionError("the pauses ended without an error")

    def _try(
        self, method: str, url: str, query: Mapping[str, str], body: Mapping[str, Any] | None, audience: str, host: str
    ) -> Answer:
        if self.cancelled.is_set():
            raise Cancelled
        headers = {
            "Authorization": f"Bearer {self.settings.identity.token(audience)}",
            "User-Agent": "stand-in",
            **({"Host": host} if host else {}),
        }
        response = self.settings.session.request(method, url, json=body, params=query, timeout=60, headers=headers)
        if response.status_code >= 400:
            raise ApiError(response.status_code, response.text)
        parsed = response.json() if response.content else {}
        return Answer(response.status_code, response.headers, parsed if isinstance(parsed, dict) else {})

    def find(self, path: str, version: str) -> dict[str, Any] | None:
        """What is at `path`, or None where nothing is."""
        try:
            return self.send("GET", path, version).body
        except ApiError as error:
            if error.gone:
                return None
            raise

    def delete(self, path: str, version: str) -> None:
        """Make what is at `path` gone; that it is gone already is no error."""
        try:
            self.wait(self.send("DELETE", path, version), path, version, creates=False)
        except ApiError as error:
            if not error.gone:
                raise

    def wait(self, answer: Answer, path: str, version: str, *, creates: bool) -> None:
        """Until what `answer` accepted has ended; ARM tells by a status, by a place, or by the thing itself."""
        headers = {key.lower(): value for key, value in answer.headers.items()}
        if status := headers.get("azure-asyncoperation") or headers.get("operation-location"):
            self._await_status(self._place(status), path)
        elif location := headers.get("location"):
            if answer.status == 202:
                self._await_place(self._place(location), version)
        elif creates and (state := _state(answer.body)) and state not in ENDED:
            self.wait_until(path, lambda: _check(self.find(path, version) or {}))
        elif creates:
            _check(answer.body)

    def _await_status(self, url: str, what: str) -> None:
        def ended() -> bool:
            body = self._request("GET", url, {}, None).body
            state = str(body.get("status", ""))
            if state.lower() not in ENDED:
                return False
            if state.lower() != SUCCEEDED:
                raise OperationFailed(body.get("error") or {}, state)
            return True

        self.wait_until(what, ended)

    def _await_place(self, url: str, version: str) -> None:
        query = {} if "api-version=" in url else {"api-version": version}
        self.wait_until(url, lambda: self._request("GET", url, query, None).status != 202)

    def _place(self, url: str) -> str:
        """Where an operation tells how it goes: here, whatever host it names."""
        parts = urlsplit(url)
        return f"{self.settings.endpoint}{parts.path}{'?' if parts.query else ''}{parts.query}"


def _state(body: Mapping[str, Any]) -> str:
    properties = body.get("properties")
    return str(properties.get("provisioningState") or "").lower() if isinstance(properties, Mapping) else ""


def _check(body: Mapping[str, Any]) -> bool:
    """Whether the thing itself says that it is ready."""
    state = _state(body)
    if state in ("failed", "canceled"):
        raise OperationFailed({}, state)
    return not state or state == SUCCEEDED


def _passes(error: Exception) -> bool:
    if isinstance(error, ApiError):
        return error.passes
    import requests

    return isinstance(error, requests.ConnectionError | requests.Timeout)
