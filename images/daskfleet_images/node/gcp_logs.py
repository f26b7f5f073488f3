"""The node's log to Cloud Logging, over REST.

google-cloud-logging's own transport would lose what it cannot send at once, and brings grpc.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/write
"""

from __future__ import annotations

import json
import logging
import urllib.parse
import uuid
from datetime import UTC, datetime
from typing import Any

from daskfleet_images.node.batching import Batch, BatchingHandler, cut, cut_mark
from daskfleet_images.node.console import NOTICE
from daskfleet_images.node.document import GcpLogs
from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.gcp import DISABLED, METADATA_REMEDY, SCOPES, SCOPES_REMEDY, Service
from daskfleet_images.node.gcp_metadata import read_metadata
from daskfleet_images.node.marks import Mark
from daskfleet_images.node.remedies import METADATA_SECONDS, Remedies
from daskfleet_images.node.shipping import CLOSE_SECONDS, SEND_SECONDS, Sender

MOST_BATCH_BYTES = 4 * 1024 * 1024
"""Of one request, which may have 10 MB. An entry may have 256 KB, and has a fraction of that."""

REMEDIES = Remedies(
    {
        "PERMISSION_DENIED": "grant the machine's service account roles/logging.logWriter in the log's project",
        "NOT_FOUND": "correct the project in `logs.log`",
        "INVALID_ARGUMENT": "set the machine's clock, or correct `logs.log`",
        "RESOURCE_EXHAUSTED": "nothing is lost so far: it is tried again, more slowly",
        "UNAUTHENTICATED": "see whether the machine's service account is enabled",
        DISABLED: "enable logging.googleapis.com in the project",
        SCOPES: SCOPES_REMEDY,
    },
    "give the machine a service account that may write to the log",
    "open a way to the service: private Google access of the subnet, or Cloud NAT",
    "correct `logs` in the node document",
)

BUSY = ("RESOURCE_EXHAUSTED",)
HOPELESS = ("INVALID_ARGUMENT",)


class CloudLoggingHandler(BatchingHandler):
    """Sends records to one log. It never waits, and never raises."""

    def __init__(self, logs: GcpLogs, stream: str) -> None:
        self._prefix = uuid.uuid4().hex[:16]
        self._number = 0
        super().__init__(
            CloudLoggingSender(logs, stream),
            batch_bytes=MOST_BATCH_BYTES,
            send_seconds=SEND_SECONDS,
            close_seconds=CLOSE_SECONDS,
        )

    def render(self, record: logging.LogRecord, mark: Mark | None) -> bytes:
        payload = {"textPayload": cut(self.format(record))} if mark is None else render_payload(mark)
        # An entry that is sent again is known by its ID, which also orders entries of the same time.
        self._number += 1
        return render_entry(record, payload, f"{self._prefix}{self._number:012d}")


class CloudLoggingSender(Sender[Batch]):
    """Writes entries."""

    def __init__(self, logs: GcpLogs, stream: str) -> None:
        super().__init__(logs.place, REMEDIES, busy=BUSY, hopeless=HOPELESS)
        self._logs = logs
        self._stream = stream
        self._service = Service("logging", logs.endpoint_url, REMEDIES)
        self._common: dict[str, Any] | None = None

    def put(self, batch: Batch) -> None:
        if self._common is None:
            self._common = describe_entries(self._logs, self._stream, *read_machine())
        self._service.ask("POST", "v2/entries:write", render_request(self._common, [entry.content for entry in batch]))


def read_machine() -> tuple[str, str, str]:
    """This machine's ID, zone and project.

    Raises:
        NotYet: the metadata service does not tell.
    """
    try:
        identity, zone, project = read_metadata(
            "instance/id", "instance/zone", "project/project-id", seconds=METADATA_SECONDS
        )
    except OSError as error:
        raise NotYet(f"the metadata service does not answer: {error}", METADATA_REMEDY, "metadata") from None
    return identity, zone.rpartition("/")[2], project


def describe_entries(logs: GcpLogs, stream: str, identity: str, zone: str, project: str) -> dict[str, Any]:
    """What all entries of a machine have in common; `stream` is `scheduler/HOST` or `GROUP/HOST`."""
    parent, _, log = logs.log.partition("/logs/")
    group, _, node = stream.rpartition("/")
    return {
        "logName": f"{parent}/logs/{urllib.parse.quote(log, safe='')}",
        "resource": {
            "type": "gce_instance",
            "labels": {"project_id": project, "instance_id": identity, "zone": zone},
        },
        "labels": {"daskfleet-group": group, "daskfleet-node": node},
        "partialSuccess": True,
    }


def render_request(common: dict[str, Any], entries: list[bytes]) -> bytes:
    """The body that writes the entries."""
    return json.dumps(common).encode().removesuffix(b"}") + b', "entries": [' + b", ".join(entries) + b"]}"


def render_entry(record: logging.LogRecord, payload: dict[str, Any], insert_id: str) -> bytes:
    """What is of one entry alone."""
    entry = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "severity": find_severity(record),
        "insertId": insert_id,
        **payload,
    }
    return json.dumps(entry, ensure_ascii=False).encode()


def find_severity(record: logging.LogRecord) -> str:
    """Cloud Logging's word for how much a record matters."""
    if record.levelno >= logging.CRITICAL:
        return "CRITICAL"
    if record.levelno >= logging.ERROR:
        return "ERROR"
    if record.levelno >= logging.WARNING:
        return "WARNING"
    if getattr(record, "priority", None) == NOTICE:
        return "NOTICE"
    return "INFO" if record.levelno >= logging.INFO else "DEBUG"


def render_payload(mark: Mark) -> dict[str, Any]:
    """What a mark says, with each of its texts cut."""
    return {"jsonPayload": cut_mark(mark)}
