"""A fleet's log in Cloud Logging: entries with labels for the group and the node."""

from __future__ import annotations

import datetime
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from daskfleet.google import Google, escape, explain_google_errors
from daskfleet.providers.stack.cloud import LogEvent
from daskfleet.providers.stack.gcp.machines import parse_time

GROUP, NODE = "daskfleet-group", "daskfleet-node"
MARKS = "jsonPayload.phase:*"
PAGE = 1000
LOOK_BACK_SECONDS = 30 * 24 * 3600
"""How old entries may be: as old as a project keeps them if it wants nothing else."""

MOST_MARKS = 5 * PAGE
"""Phase marks that are looked at to find the nodes that have written: some for each start of a node."""


def read_marks(google: Google, log: str, since: float) -> list[LogEvent]:
    """The phase marks since then."""
    return _read(google, log, f"{_since(since)} AND {MARKS}")


def read_log(google: Google, log: str, since: float, prefix: str) -> list[LogEvent]:
    """All lines since then, of the nodes whose log's name begins with `prefix`."""
    group, _, node = prefix.partition("/")
    narrowed = f' AND labels."{GROUP}"="{group}"' if group else ""
    narrowed += f' AND labels."{NODE}"="{node}"' if node else ""
    return _read(google, log, f"{_since(since)}{narrowed}")


def list_logs(google: Google, log: str) -> list[tuple[str, str]]:
    """The nodes that have written; those that wrote last come first.

    The newest lines tell who writes now; the marks of their phases, of which each node has some, tell of the others.
    """
    question = _since(time.time() - LOOK_BACK_SECONDS)
    found: dict[tuple[str, str], float] = {}
    with explain_google_errors():
        lines = itertools.islice(_list(google, log, question, newest_first=True), PAGE)
        marks = itertools.islice(_list(google, log, f"{question} AND {MARKS}", newest_first=True), MOST_MARKS)
        for entry in itertools.chain(lines, marks):
            event = parse_entry(entry)
            key = (event.group, event.node)
            found[key] = max(event.time, found.get(key, 0.0))
    return [each for each in sorted(found, key=lambda each: -found[each]) if each[1]]


def read_tail(google: Google, log: str, group: str, node: str, lines: int) -> list[LogEvent]:
    """The last lines of one node."""
    if lines <= 0:
        return []
    since = _since(time.time() - LOOK_BACK_SECONDS)
    question = f'{since} AND labels."{GROUP}"="{group}" AND labels."{NODE}"="{node}"'
    found: list[LogEvent] = []
    with explain_google_errors():
        for entry in _list(google, log, question, newest_first=True, size=min(lines, PAGE)):
            found.append(parse_entry(entry))
            if len(found) == lines:
                break
    return found[::-1]


def _since(moment: float) -> str:
    when = datetime.datetime.fromtimestamp(max(0.0, moment), datetime.UTC)
    return f'timestamp>="{when.isoformat().replace("+00:00", "Z")}"'


def _read(google: Google, log: str, question: str) -> list[LogEvent]:
    with explain_google_errors():
        events = [parse_entry(entry) for entry in _list(google, log, question)]
    return sorted(events, key=lambda event: event.time)


def _list(
    google: Google, log: str, question: str, *, newest_first: bool = False, size: int = PAGE
) -> Iterator[Mapping[str, Any]]:
    """The entries that fit, page by page."""
    project, _, name = log.partition("/logs/")
    body: dict[str, Any] = {
        "resourceNames": [project],
        "filter": f'logName="{project}/logs/{escape(name)}" AND {question}',
        "orderBy": f"timestamp {'desc' if newest_first else 'asc'}",
        "pageSize": size,
    }
    while True:
        page = google.ask("logging", "POST", "v2/entries:list", body=body)
        yield from page.get("entries") or ()
        if not page.get("nextPageToken"):
            return
        body["pageToken"] = page["nextPageToken"]


def parse_entry(entry: Mapping[str, Any]) -> LogEvent:
    """One of Cloud Logging's entries. Pure."""
    labels = entry.get("labels") or {}
    payload = entry.get("jsonPayload")
    message = str(entry.get("textPayload") or "") if payload is None else json.dumps(restore(payload))
    written = parse_time(str(entry["timestamp"]))
    received = parse_time(str(entry["receiveTimestamp"])) if entry.get("receiveTimestamp") else written
    key = str(entry.get("insertId") or f"{entry['timestamp']}{hash(message)}")
    return LogEvent(key, str(labels.get(GROUP, "")), str(labels.get(NODE, "")), message.rstrip("\n"), written, received)


def restore(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A mark as the node wrote it: Google keeps objects without an order, and a mark begins with its phase. Pure."""
    return {"phase": payload.get("phase"), **payload}
