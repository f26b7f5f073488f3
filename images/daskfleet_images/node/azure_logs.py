"""The node's log to append blobs of Azure's storage, over REST.

A blob shows a line as soon as it is written; Azure Monitor does so minutes later.

https://learn.microsoft.com/rest/api/storageservices/append-block
"""

from __future__ import annotations

import email.utils
import json
import logging
import urllib.parse
from dataclasses import dataclass

import requests

from daskfleet_images.node.azure import KNOWN_LATE, STORAGE, Service
from daskfleet_images.node.azure_marks import condense_marks, render_metadata
from daskfleet_images.node.batching import Batch, BatchingHandler, cut, cut_mark
from daskfleet_images.node.document import AzureLogs
from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.marks import Mark
from daskfleet_images.node.remedies import Remedies
from daskfleet_images.node.shipping import CLOSE_SECONDS, SEND_SECONDS, Sender

VERSION = "2023-11-03"

MOST_BATCH_BYTES = 4 * 1024 * 1024
"""Of one block, which may have 100 MiB."""

MOST_BLOCKS = 50_000
"""Of one blob."""

MARKS = "x-ms-meta-marks"

EXISTS = "BlobAlreadyExists"
GONE = "BlobNotFound"
FULL = "BlockCountExceedsLimit"
MOVED = "AppendPositionConditionNotMet"

REMEDIES = Remedies(
    {
        "ContainerNotFound": "make the container, or correct `logs.container`",
        "AuthorizationPermissionMismatch": (
            "grant the machine's identity the role Storage Blob Data Contributor on the container; " + KNOWN_LATE
        ),
        "AuthorizationFailure": "let the machine's subnet through the storage account's firewall",
        "InvalidAuthenticationInfo": "see whether the storage account is of the same tenant as the machine's identity",
        "InvalidBlobType": "remove the blob that has the name of this node's log and is no append blob",
        "ServerBusy": "nothing is lost so far: it is tried again, more slowly",
        MOVED: "see whether two nodes write to one blob: their machines have the same host name",
    },
    "give the machine the user-assigned identity that `logs.client_id` names",
    "correct `logs.container`, or open a way to the service: a NAT gateway, or the service endpoint Microsoft.Storage",
    "correct `logs` in the node document",
)

BUSY = ("ServerBusy", FULL, GONE, MOVED)
HOPELESS = ("InvalidHeaderValue", "InvalidInput", "InvalidMetadata", "MetadataTooLarge", "RequestBodyTooLarge")


class AppendBlobHandler(BatchingHandler):
    """Sends records to the blobs of one node. It never waits, and never raises."""

    def __init__(self, logs: AzureLogs, stream: str) -> None:
        super().__init__(
            AppendBlobSender(logs, stream),
            batch_bytes=MOST_BATCH_BYTES,
            send_seconds=SEND_SECONDS,
            close_seconds=CLOSE_SECONDS,
        )

    def render(self, record: logging.LogRecord, mark: Mark | None) -> bytes:
        said = {"line": cut(self.format(record))} if mark is None else {"mark": cut_mark(mark)}
        return json.dumps({"time": round(record.created, 3), **said}, ensure_ascii=False).encode() + b"\n"


class AppendBlobSender(Sender[Batch]):
    """Appends entries, and keeps what the marks say in the blob's metadata."""

    def __init__(self, logs: AzureLogs, stream: str) -> None:
        super().__init__(logs.place, REMEDIES, busy=BUSY, hopeless=HOPELESS)
        self._blobs = NodeBlobs(logs, stream)
        self._begun: Batch | None = None
        self._is_appended = False
        self._marks: list[Mark] = []

    def put(self, batch: Batch) -> None:
        if batch is not self._begun:
            self._begun, self._is_appended = batch, False
            self._marks = condense_marks([*self._marks, *(entry.mark for entry in batch if entry.mark is not None)])
        metadata = render_metadata(self._marks) if self._marks else ""
        if not self._is_appended:
            self._blobs.append(b"".join(entry.content for entry in batch), metadata)
            self._is_appended = True
        self._blobs.describe(metadata)
        self._begun = None


class NodeBlobs:
    """The append blobs of one node, one after another."""

    def __init__(self, logs: AzureLogs, stream: str) -> None:
        account, _, container = logs.container.rpartition("/")
        self._service = Service(logs.endpoint_url or account, STORAGE, logs.client_id, REMEDIES)
        self._folder = f"{container}/{urllib.parse.quote(stream)}"
        self._number = 0
        self._length: int | None = None
        """Of the blob, in bytes; `None` is that it has to be made or looked at first."""
        self._metadata = ""
        """What is known to be its metadata."""

    def append(self, content: bytes, metadata: str) -> None:
        """Append to the blob, or to the next one; a blob that has to be made begins with the metadata.

        It may be asked again for the same content after it raised: what was taken is not there twice.

        Raises:
            NotYet: it is not taken now.
        """
        try:
            self._append(content, metadata)
        except NotYet as failure:
            if failure.kind not in (FULL, GONE, MOVED) or self._length is None:
                raise
            if failure.kind != GONE:
                before, self._length = self._length, self._look().length
                if self._length == before + len(content):
                    return  # An earlier attempt was taken, and its answer was lost.
            if failure.kind == FULL:
                self._number += 1
            if failure.kind != MOVED:
                self._length = None
            self._append(content, metadata)

    def describe(self, metadata: str) -> None:
        """Make sure that this is the blob's metadata, if there is any.

        Raises:
            NotYet: it is not taken now.
        """
        if metadata and metadata != self._metadata:
            self._ask("PUT", {MARKS: metadata}, {"comp": "metadata"})
            self._metadata = metadata

    def _append(self, content: bytes, metadata: str) -> None:
        if self._length is None:
            self._length = self._open(metadata)
        position = {"x-ms-blob-condition-appendpos": str(self._length)}
        self._ask("PUT", position, {"comp": "appendblock"}, content)
        self._length += len(content)

    def _open(self, metadata: str) -> int:
        """Make the blob, or find the one that this node appended to in an earlier life; returns its length."""
        while True:
            marks = {MARKS: metadata} if metadata else {}
            try:
                self._ask("PUT", {"x-ms-blob-type": "AppendBlob", "If-None-Match": "*", **marks})
            except NotYet as failure:
                if failure.kind != EXISTS:
                    raise
            else:
                self._metadata = metadata
                return 0
            found = self._look()
            if found.blocks < MOST_BLOCKS:
                self._metadata = found.metadata
                return found.length
            self._number += 1

    def _look(self) -> _Blob:
        headers = self._ask("HEAD").headers
        return _Blob(
            int(headers.get("Content-Length", 0)),
            int(headers.get("x-ms-blob-committed-block-count", 0)),
            headers.get(MARKS, ""),
        )

    def _ask(
        self,
        method: str,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> requests.Response:
        common = {"x-ms-version": VERSION, "x-ms-date": email.utils.formatdate(usegmt=True)}
        path = f"{self._folder}/{self._number:05d}"
        return self._service.ask(method, path, query=query, headers={**common, **(headers or {})}, body=body)


@dataclass(frozen=True)
class _Blob:
    """What is known of a blob."""

    length: int
    blocks: int
    metadata: str
