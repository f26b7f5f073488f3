"""Google Cloud's services over REST, for tests: plain calls, lists to their last page, operations to their end."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

SECONDS = 120.0
POLL_SECONDS = 0.05
NOT_FOUND = 404


class GoogleRefusal(Exception):
    """A service answered with an error, or an operation ended with one."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class GoogleClient:
    """One caller of the services that are behind one address."""

    def __init__(self, url: str, connect: Callable[[str, int], socket.socket] | None = None, token: str = "") -> None:
        """Nothing is asked yet.

        Args:
            connect: makes a connection to a host and port; `None` makes one from here.
            token: what the caller says who it is with.
        """
        self.url = url
        self._connect = connect
        self._token = token

    def call(self, method: str, path: str, body: Any = None, **query: str | int) -> dict[str, Any]:
        """One call, `call("GET", "/compute/v1/projects/lab/global/images")`; returns the answer's body.

        Raises:
            GoogleRefusal: with what the service said.
        """
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=SECONDS)
        if self._connect is not None:
            connection.sock = self._connect(parts.hostname, parts.port or 80)
            connection.sock.settimeout(SECONDS)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token or 'tests'}"}
            text = None if body is None else json.dumps(body)
            target = path + (f"?{urlencode(query)}" if query else "")
            connection.request(method, target, text, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        try:
            values: dict[str, Any] = json.loads(content or b"{}")
        except ValueError:
            values = {"error": {"message": content.decode(errors="replace")}}
        if answer.status >= http.client.BAD_REQUEST:
            raise GoogleRefusal(answer.status, (values.get("error") or {}).get("message") or answer.reason)
        return values

    def get(self, path: str, **query: str | int) -> dict[str, Any] | None:
        """What is there; `None` when nothing is."""
        try:
            return self.call("GET", path, **query)
        except GoogleRefusal as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise

    def list(self, path: str, key: str = "items", **query: str | int) -> Iterator[Any]:
        """All items of a list, page after page. Of an aggregated one, the scopes' names and what each holds."""
        while True:
            page = self.call("GET", path, **query)
            items = page.get(key) or []
            yield from items.items() if isinstance(items, dict) else items
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def change(self, method: str, path: str, body: Any = None, **query: str | int) -> dict[str, Any]:
        """A call of Compute Engine's that makes an operation; returns that when it is done.

        Raises:
            GoogleRefusal: the call was refused, or the operation failed.
        """
        operation = self.call(method, path, body, **query)
        deadline = time.monotonic() + SECONDS
        while operation["status"] != "DONE":
            if time.monotonic() > deadline:
                raise TimeoutError(f"this operation does not end: {operation}")
            time.sleep(POLL_SECONDS)
            operation = self.call("GET", urlsplit(operation["selfLink"]).path)
        if error := operation.get("error"):
            first = error["errors"][0]
            raise GoogleRefusal(operation.get("httpErrorStatusCode", 400), f"{first['code']}: {first['message']}")
        return operation


def escape(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
