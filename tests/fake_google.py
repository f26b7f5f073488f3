"""What a machine in Google Cloud asks, on the loopback interface: its metadata service, Secret Manager, Cloud Logging.

It notes what it is asked, and answers as a test wants.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fake_server import serve

PROJECT = "tests-1"
SECRET = f"projects/{PROJECT}/secrets/daskfleet-x-worker"
LOG = f"projects/{PROJECT}/logs/daskfleet/europe-west1/x"
TOKEN = "ya29.TOKENTOKENTOKEN"
ACCOUNT = "instance/service-accounts/default/"

Refusal = tuple[int, str, str]
"""Status, word and reason; an empty word is an answer that is not Google's, a status of 0 none at all."""


@dataclass
class FakeGoogle:
    """All services at one address."""

    port: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    """By operation (`token`, `secret`, `write`): what it is refused with, one by one, the last again and again."""
    go: threading.Event = field(default_factory=threading.Event)
    """While it is not set, no service answers; the metadata service does."""
    calls: list[str] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    """What has been written, each entry once, whole, in the order of its arrival."""
    metadata: dict[str, str] = field(
        default_factory=lambda: {
            "instance/id": "4815162342",
            "instance/zone": "projects/123/zones/europe-west1-b",
            "project/project-id": PROJECT,
            "instance/preempted": "FALSE",
            "instance/maintenance-event": "NONE",
        }
    )

    def __post_init__(self) -> None:
        self.go.set()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/"

    @property
    def secret_reference(self) -> dict[str, str]:
        return {"source": "gcp-secret-manager", "secret": SECRET, "endpoint_url": self.url}

    @property
    def logs_reference(self) -> dict[str, str]:
        return {"destination": "gcp-cloud-logging", "log": LOG, "endpoint_url": self.url}

    @property
    def texts(self) -> list[str]:
        return [entry["textPayload"] for entry in self.entries if "textPayload" in entry]

    @property
    def marks(self) -> list[dict[str, Any]]:
        return [entry["jsonPayload"] for entry in self.entries if "jsonPayload" in entry]

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if path.startswith("/computeMetadata/v1/"):
            return self._tell(path.removeprefix("/computeMetadata/v1/").partition("?")[0], headers)
        self.go.wait()
        operation = "write" if (method, path) == ("POST", "/v2/entries:write") else "secret"
        self.calls.append(operation)
        refusal = self._refuse(operation)
        if refusal is not None:
            return refusal
        if headers["Authorization"] != f"Bearer {TOKEN}":
            return render_refusal(401, "UNAUTHENTICATED", "")
        if operation == "write":
            return self._write(json.loads(body))
        value = self.secrets.get(path.removeprefix("/v1/").removesuffix("/versions/latest:access"))
        if method != "GET" or value is None:
            return render_refusal(404, "NOT_FOUND", "")
        return 200, {"payload": {"data": base64.b64encode(value.encode()).decode()}}

    def _tell(self, path: str, headers: Any) -> tuple[int, Any]:
        assert "Authorization" not in headers
        if headers["Metadata-Flavor"] != "Google":
            return 403, "no"
        if path.startswith(ACCOUNT):
            self.calls.append("token" if path.endswith("token") else "account")
            refusal = self._refuse("token")
            if refusal is not None:
                return refusal
            if path == ACCOUNT:
                return 200, {"email": "worker@tests-1.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
            return 200, {"access_token": TOKEN, "expires_in": 3000, "token_type": "Bearer"}
        return (200, self.metadata[path]) if path in self.metadata else (404, "not there")

    def _refuse(self, operation: str) -> tuple[int, Any] | None:
        refusals = self.refusals.get(operation, [])
        if not refusals:
            return None
        refusal = refusals.pop(0) if len(refusals) > 1 else refusals[0]
        return render_refusal(*refusal) if refusal[0] != 200 else None

    def _write(self, body: dict[str, Any]) -> tuple[int, Any]:
        known = {entry["insertId"] for entry in self.entries}
        common = {key: body[key] for key in ("logName", "resource", "labels")}
        self.entries += [{**common, **entry} for entry in body["entries"] if entry["insertId"] not in known]
        return 200, {}


def render_refusal(status: int, word: str, reason: str) -> tuple[int, Any]:
    if not word:
        return status, "<html>no</html>"
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return status, {"error": {"code": status, "message": "it is\nrefused", "status": word, "details": details}}


@contextmanager
def serve_google(port: int = 0, fake: FakeGoogle | None = None) -> Iterator[FakeGoogle]:
    fake = fake or FakeGoogle()

    def respond(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, answer = fake.answer(method, path, headers, body)
        if isinstance(answer, str):
            return status, {"Content-Type": "text/plain"}, answer.encode()
        return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(answer).encode()

    with serve(respond, port) as fake.port:
        try:
            yield fake
        finally:
            fake.go.set()
