"""A fleet's log in a container: append blobs `GROUP/NODE/00000` of JSON lines, with what the marks say beside.

A listing tells how far each node is, and how much it has written: only what is new is read.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from daskfleet.azure import Azure, Refused, explain_azure_errors, find_host
from daskfleet.providers.stack.azure.blobs import Blob, list_blobs, read_blob
from daskfleet.providers.stack.azure.places import ACCOUNTS, parse_time
from daskfleet.providers.stack.cloud import LogEvent
from daskfleet_images.node.azure_marks import parse_metadata
from daskfleet_images.node.marks import describe_mark

MARKS = "marks"
DENIED = "AuthorizationPermissionMismatch"

ROLE_SECONDS = 600.0
"""How long a role may be unknown that was given when the container was made."""

LATE_SECONDS = 300.0
"""How far a machine's clock may be behind Azure's."""

WHOLE_SECOND = 1.0
"""Azure tells of a blob's times no parts of a second."""

DISORDER_SECONDS = 60.0
"""How much later than its neighbours a line may stand that was written earlier."""

CHUNK = 256 * 1024
"""Bytes that are read at once where it is not known how many are needed."""

READERS = 16


def read_marks(azure: Azure, container: str, since: float) -> list[LogEvent]:
    """The phase marks since then, of all nodes, from the blobs' metadata. One call for 5,000 nodes.

    Whoever has just made the fleet may read its log only once Azure knows that everywhere; until then there are none.
    """
    with explain_azure_errors():
        try:
            events = [event for blob in list_blobs(azure, container) for event in parse_marks(blob)]
        except Refused as error:
            if error.code == DENIED and _is_new(azure, container):
                return []
            raise
    return sorted((event for event in events if event.time >= since), key=lambda event: event.time)


def _is_new(azure: Azure, container: str) -> bool:
    """Whether the storage account was made so recently that a role on it may not be known yet."""
    account = find_host(container).partition(".")[0]
    query = {
        "$filter": f"resourceType eq '{ACCOUNTS}' and name eq '{account}'",
        "$expand": "createdTime,provisioningState",
    }
    made = [parse_time(str(each["createdTime"])) for each in azure.list(f"{azure.scope}/resources", query)]
    return any(moment > time.time() - ROLE_SECONDS for moment in made)


def parse_marks(blob: Blob) -> Iterator[LogEvent]:
    """What the metadata of a node's blob says of its marks. Pure.

    Azure got none of them before there was the blob, whatever the machine's clock says. What an earlier machine of the
    same name has left is no newer than it says.
    """
    group, node = split_name(blob.name)
    for mark in parse_metadata(blob.metadata.get(MARKS, "")):
        key = f"{blob.name}:{mark.phase}:{mark.time}:{mark.worker}"  # Its detail may be cut later on.
        received = max(mark.time, blob.created + WHOLE_SECOND)
        yield LogEvent(key, group, node, json.dumps(describe_mark(mark)), mark.time, received)


def split_name(name: str) -> tuple[str, str]:
    """Group and node of a blob. Pure."""
    group, _, rest = name.partition("/")
    return group, rest.partition("/")[0]


def list_logs(azure: Azure, container: str) -> list[tuple[str, str]]:
    """The nodes that have written; those that wrote last come first."""
    latest: dict[tuple[str, str], float] = defaultdict(float)
    with explain_azure_errors():
        for blob in list_blobs(azure, container):
            key = split_name(blob.name)
            latest[key] = max(latest[key], blob.changed)
    return [key for key in sorted(latest, key=lambda each: -latest[each]) if key[1]]


def read_tail(azure: Azure, container: str, group: str, node: str, lines: int) -> list[LogEvent]:
    """The last lines of one node."""
    if lines <= 0:
        return []
    found: list[LogEvent] = []
    with explain_azure_errors():
        blobs = list(list_blobs(azure, container, f"{group}/{node}/"))
        for blob in reversed(blobs):
            begin, text = blob.size, b""
            while begin > 0 and len(found) + text.count(b"\n") <= lines:
                end, begin = begin, max(0, begin - CHUNK)
                text = read_blob(azure, container, blob.name, begin, end) + text
            found = [*parse_lines(blob, text, begin), *found]
            if len(found) >= lines:
                break
    return found[-lines:]


def parse_lines(blob: Blob, text: bytes, begin: int) -> list[LogEvent]:
    """The whole lines of a part of a blob; the first one of a part that begins within the blob may be cut. Pure."""
    group, node = split_name(blob.name)
    found, position = [], begin
    for line in text.split(b"\n")[:-1]:
        event = parse_line(line)
        if event is not None:
            moment, message = event
            found.append(LogEvent(f"{blob.name}:{position}", group, node, message, moment, blob.changed))
        position += len(line) + 1
    return found


def parse_line(line: bytes) -> tuple[float, str] | None:
    """Time and message of what a node has written; `None` where it is cut or something else. Pure."""
    try:
        data: Any = json.loads(line)
        mark = data.get("mark")
        return float(data["time"]), str(data["line"]) if mark is None else json.dumps(mark)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass
class _Followed:
    """What is known of one blob."""

    since: float
    """From when on all lines are known."""
    end: int
    """Up to where it has been read, in bytes."""
    events: list[LogEvent] = field(default_factory=list)


class LogReader:
    """Reads what is new in the logs, again and again. What it has read and may be asked for again, it keeps."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._lock = threading.Lock()

    def read(self, container: str, since: float, prefix: str = "") -> list[LogEvent]:
        """All lines since then, of the nodes whose log's name begins with `prefix`; only blobs that grew are read."""
        with self._lock, explain_azure_errors(), ThreadPoolExecutor(max_workers=READERS) as pool:
            blobs = [
                blob
                for blob in list_blobs(self._azure, container, prefix)
                if blob.changed >= since - LATE_SECONDS or (container, blob.name) in self._followed
            ]
            found = [
                event
                for several in pool.map(lambda blob: self._read_blob(container, blob, since), blobs)
                for event in several
            ]
        return sorted(found, key=lambda event: event.time)

    def _read_blob(self, container: str, blob: Blob, since: float) -> list[LogEvent]:
        known = self._followed.get((container, blob.name))
        if known is None or since < known.since:
            known = self._followed[container, blob.name] = self._begin(container, blob, since)
        while known.end < blob.size:
            text = read_blob(self._azure, container, blob.name, known.end, min(blob.size, known.end + 16 * CHUNK))
            whole = text[: text.rfind(b"\n") + 1]
            if not whole:
                break  # It is being written.
            known.events += parse_lines(blob, whole, known.end)
            known.end += len(whole)
        known.events = [event for event in known.events if event.time >= since]
        known.since = since
        return known.events

    def _begin(self, container: str, blob: Blob, since: float) -> _Followed:
        """Where the lines begin that are wanted, looked for from the end: a log may be long."""
        begin, text = blob.size, b""
        while begin > 0:
            end, begin = begin, max(0, begin - CHUNK)
            text = read_blob(self._azure, container, blob.name, begin, end) + text
            first = next(iter(parse_lines(blob, text, begin)), None)
            if first is not None and first.time < since - DISORDER_SECONDS:
                break
        whole = text[: text.rfind(b"\n") + 1]
        return _Followed(since, begin + len(whole), parse_lines(blob, whole, begin))
