"""Azure over REST, for tests: plain calls, lists to their last page, operations to their end."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from azure_cloud.versions import find_versions

Connect = Callable[[str, int], socket.socket]

SECONDS = 60.0
POLL_SECONDS = 0.02


class AzureRefusal(Exception):
    """Azure answered with an error, or an operation ended with one."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Reply:
    """What was answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case."""

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body or b"{}")
        return found

    def check(self) -> Reply:
        """Itself, where it is no refusal."""
        if self.status >= http.client.BAD_REQUEST:
            try:
                error = self.json.get("error") or {}
            except ValueError:
                error = {"code": self.headers.get("x-ms-error-code", ""), "message": self.body.decode()}
            raise AzureRefusal(self.status, error.get("code", ""), error.get("message", ""))
        return self


class AzureClient:
    """One caller of what is behind one address."""

    def __init__(self, url: str, token: str = "tests", connect: Connect | None = None) -> None:
        """Nothing is asked yet.

        Args:
            connect: makes a connection to a host and port; `None` makes one from here.
        """
        self.url = url
        self._connect = connect
        self._token = token

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        """One request as it is; names of headers have underscores for hyphens.

        Args:
            body: bytes, or an object for JSON.
        """
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=SECONDS)
        if self._connect is not None:
            connection.sock = self._connect(parts.hostname, parts.port or 80)
            connection.sock.settimeout(SECONDS)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._token:
            sent.setdefault("Authorization", f"Bearer {self._token}")
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, quote(target, safe="/?&=:%$'()+,@;"), data, sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, answer.read(), told)
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """One call of Resource Manager, with the newest version of its API.

        Raises:
            AzureRefusal: with what it said.
        """
        return self.ask(method, make_target(path, query), body).check().json

    def list(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page after page."""
        target = make_target(path, query)
        while target:
            page = self.ask("GET", target).check().json
            yield from page["value"]
            target = page.get("nextLink", "").removeprefix(self.url)

    def change(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """A call of Resource Manager and what comes of it, when it is done.

        Raises:
            AzureRefusal: it was refused, or has failed.
        """
        reply = self.ask(method, make_target(path, query), body).check()
        deadline = time.monotonic() + SECONDS
        while address := reply.headers.get("azure-asyncoperation"):
            operation = self.ask("GET", address.removeprefix(self.url)).check().json
            if operation["status"] != "InProgress":
                if error := operation.get("error"):
                    raise AzureRefusal(200, error["code"], error["message"])
                break
            check_deadline(deadline, path)
        while reply.status == http.client.ACCEPTED and "location" in reply.headers:
            reply = self.ask("GET", reply.headers["location"].removeprefix(self.url)).check()
            check_deadline(deadline, path)
        is_read = method in ("PUT", "PATCH")
        return self.call("GET", path) if is_read else reply.json


def check_deadline(deadline: float, path: str) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError(f"{path}: this does not end")
    time.sleep(POLL_SECONDS)


def make_target(path: str, query: Mapping[str, Any]) -> str:
    version = query.get("api_version") or choose_version(path)
    given = {name.replace("_", "$", 1) if name.startswith("_") else name: str(value) for name, value in query.items()}
    given.pop("api_version", None)
    return f"{path}?{urlencode({'api-version': version, **given})}"


def choose_version(path: str) -> str:
    """The newest of what a path is about."""
    _, found, rest = path.rpartition("/providers/")
    if not found:
        return find_versions("Microsoft.Resources")[-1]
    namespace, *words = rest.split("/")
    return find_versions("/".join((namespace, *words[:1])))[-1]
