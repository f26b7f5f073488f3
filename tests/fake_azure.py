"""What a machine in Azure asks, on the loopback interface: its metadata service, a Key Vault, a storage account.

It notes what it is asked, and answers as a test wants.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fake_server import serve

CLIENT = "0f0e0d0c-1111-2222-3333-444455556666"
VAULT = "https://df-tests.vault.azure.net"
SECRET = "worker"
CONTAINER = "https://dftests.blob.core.windows.net/logs"
TOKENS = {
    "https://vault.azure.net": "eyJ.TOKENTOKEN.vault",
    "https://storage.azure.com/": "eyJ.TOKENTOKEN.storage",
}
MARKS = "x-ms-meta-marks"

Refusal = tuple[int, str]
"""Status and word; an empty word is an answer that is not Azure's, a status of 0 none at all."""

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class FakeBlob:
    """An append blob."""

    content: bytes = b""
    blocks: int = 0
    marks: str = ""


@dataclass
class FakeAzure:
    """All services at one address."""

    port: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    containers: set[str] = field(default_factory=lambda: {"logs"})
    blobs: dict[str, FakeBlob] = field(default_factory=dict)
    """By their names, without the container's."""
    most_blocks: int = 50_000
    is_counted_first: bool = False
    """Whether a full blob says so before it looks at the position."""
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    """By operation: what it is refused with, one by one, the last again and again; a status of 200 is no refusal."""
    lost: list[str] = field(default_factory=list)
    """Operations that are done once each, without an answer."""
    go: threading.Event = field(default_factory=threading.Event)
    """While it is not set, no service answers; the metadata service does."""
    calls: list[str] = field(default_factory=list)
    """The operations that were asked for: `token`, `secret`, `create`, `look`, `append`, `describe`."""
    sizes: list[int] = field(default_factory=list)
    """Of all blocks that were sent, in bytes."""
    token_seconds: int = 86_400
    name: str = "x-gpu_0a1b2c3d"
    events: Any = field(default_factory=lambda: {"DocumentIncarnation": 1, "Events": []})

    def __post_init__(self) -> None:
        self.go.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secret_reference(self) -> dict[str, str]:
        return {
            "source": "azure-key-vault",
            "vault": VAULT,
            "secret": SECRET,
            "client_id": CLIENT,
            "endpoint_url": self.url,
        }

    @property
    def logs_reference(self) -> dict[str, str]:
        return {"destination": "azure-blob", "container": CONTAINER, "client_id": CLIENT, "endpoint_url": self.url}

    @property
    def entries(self) -> list[dict[str, Any]]:
        lines = (line for _, blob in sorted(self.blobs.items()) for line in blob.content.split(b"\n")[:-1])
        return [json.loads(line) for line in lines]

    @property
    def texts(self) -> list[str]:
        return [entry["line"] for entry in self.entries if "line" in entry]

    @property
    def marks(self) -> list[dict[str, Any]]:
        return [entry["mark"] for entry in self.entries if "mark" in entry]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, text = target.partition("?")
        query = dict(urllib.parse.parse_qsl(text))
        if path.startswith("/metadata/"):
            return self._tell(path.removeprefix("/metadata/"), query, headers)
        self.go.wait()
        if path.startswith("/secrets/"):
            return self._note("secret") or self._read(path.removeprefix("/secrets/"), query, headers)
        operation = _name_operation(method, query)
        refusal = self._note(operation)
        if refusal is not None:
            return refusal
        answer = self._keep(operation, urllib.parse.unquote(path).removeprefix("/"), headers, body)
        if operation in self.lost:
            self.lost.remove(operation)
            return 0, {}, b""
        return answer

    def _tell(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        if headers["Metadata"] != "true" or "Authorization" in headers:
            return _say(400, {"error": "Bad request. Required metadata header not specified"})
        if path == "instance/compute/name" and query == {"api-version": "2021-02-01", "format": "text"}:
            return self._note("name") or (200, {}, self.name.encode())
        if path == "scheduledevents" and query == {"api-version": "2020-07-01"}:
            return self._note("events") or _say(200, self.events)
        if path != "identity/oauth2/token" or query["api-version"] != "2018-02-01":
            return _say(404, {"error": "Not found"})
        refusal = self._note("token")
        if refusal is not None:
            return refusal
        if query["client_id"] != CLIENT:
            return _refuse_token("invalid_request")
        token = {"access_token": TOKENS[query["resource"]], "expires_in": str(self.token_seconds)}
        return _say(200, {**token, "token_type": "Bearer", "client_id": CLIENT, "resource": query["resource"]})

    def _note(self, operation: str) -> Answer | None:
        self.calls.append(operation)
        refusals = self.refusals.get(operation, [(200, "")])
        status, word = refusals.pop(0) if len(refusals) > 1 else refusals[0]
        if status == 200:
            return None
        if not word:
            return status, {}, b"<html>no</html>"
        if operation == "token":
            return _refuse_token(word)
        return _refuse_secret(status, word) if operation == "secret" else _refuse_blob(status, word)

    def _read(self, name: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        if headers["Authorization"] != f"Bearer {TOKENS['https://vault.azure.net']}":
            return _refuse_secret(401, "Unauthorized")
        if query != {"api-version": "7.4"} or name not in self.secrets:
            return _refuse_secret(404, "SecretNotFound")
        return _say(200, {"value": self.secrets[name], "id": f"{VAULT}/secrets/{name}/1", "attributes": {}})

    def _keep(self, operation: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        container, _, name = path.partition("/")
        if headers["Authorization"] != f"Bearer {TOKENS['https://storage.azure.com/']}":
            return _refuse_blob(401, "InvalidAuthenticationInfo")
        if headers["x-ms-version"] != "2023-11-03" or not headers["x-ms-date"]:
            return _refuse_blob(400, "MissingRequiredHeader")
        if len(headers.get(MARKS, "")) + len("marks") > 8192:
            return _refuse_blob(400, "MetadataTooLarge")
        if container not in self.containers:
            return _refuse_blob(404, "ContainerNotFound")
        if operation == "create":
            if headers["x-ms-blob-type"] != "AppendBlob" or body:
                return _refuse_blob(400, "InvalidHeaderValue")
            if name in self.blobs and headers["If-None-Match"] == "*":
                return _refuse_blob(409, "BlobAlreadyExists")
            self.blobs[name] = FakeBlob(marks=headers.get(MARKS, ""))
            return 201, {}, b""
        if name not in self.blobs:
            return _refuse_blob(404, "BlobNotFound")
        blob = self.blobs[name]
        if operation == "describe":
            blob.marks = headers.get(MARKS, "")
            return 200, {}, b""
        if operation == "look":
            properties = {"Content-Length": len(blob.content), "x-ms-blob-committed-block-count": blob.blocks}
            marks = {MARKS: blob.marks} if blob.marks else {}
            return 200, {**{key: str(value) for key, value in properties.items()}, **marks}, b""
        return self._append(blob, headers, body)

    def _append(self, blob: FakeBlob, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sizes.append(len(body))
        if not body:
            return _refuse_blob(400, "InvalidHeaderValue")
        full = [(409, "BlockCountExceedsLimit")] if blob.blocks >= self.most_blocks else []
        is_moved = int(headers["x-ms-blob-condition-appendpos"]) != len(blob.content)
        moved = [(412, "AppendPositionConditionNotMet")] if is_moved else []
        refusals = full + moved if self.is_counted_first else moved + full
        if refusals:
            return _refuse_blob(*refusals[0])
        offset = len(blob.content)
        blob.content += body
        blob.blocks += 1
        return 201, {"x-ms-blob-append-offset": str(offset), "x-ms-blob-committed-block-count": str(blob.blocks)}, b""


def _name_operation(method: str, query: dict[str, str]) -> str:
    operations = {("PUT", None): "create", ("PUT", "appendblock"): "append", ("PUT", "metadata"): "describe"}
    return {**operations, ("HEAD", None): "look"}.get((method, query.get("comp")), "unknown")


def _say(status: int, values: Any) -> Answer:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(values).encode()


def _refuse_token(word: str) -> Answer:
    return _say(400, {"error": word, "error_description": "Identity not found"})


def _refuse_secret(status: int, word: str) -> Answer:
    """`Forbidden/ForbiddenByRbac` is a word with the one within it."""
    word, _, inner = word.partition("/")
    error: dict[str, Any] = {"code": word, "message": "it is\nrefused"}
    return _say(status, {"error": {**error, "innererror": {"code": inner}} if inner else error})


def _refuse_blob(status: int, word: str) -> Answer:
    text = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{word}</Code><Message>it is refused.\n'
        "RequestId:1\nTime:2026-11-24T10:00:00Z</Message></Error>"
    )
    return status, {"x-ms-error-code": word, "Content-Type": "application/xml"}, text.encode()


@contextmanager
def serve_azure(port: int = 0, fake: FakeAzure | None = None) -> Iterator[FakeAzure]:
    fake = fake or FakeAzure()
    with serve(fake.answer, port) as fake.port:
        try:
            yield fake
        finally:
            fake.go.set()
