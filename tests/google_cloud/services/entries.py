"""Cloud Logging: entries, as they are written and kept.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/write
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from google_cloud import access
from google_cloud.clock import parse_time, render_nanoseconds, render_time
from google_cloud.errors import ApiError
from google_cloud.routing import Call, Routes
from google_cloud.services.state import Entry
from google_cloud.validation import Map, judge_shape

LOG_NAME = re.compile(r"projects/(?P<project>[^/]+)/logs/(?P<id>[A-Za-z0-9/_.%\-]+)")
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
NUMBERS = {str(number * 100): name for number, name in enumerate(SEVERITIES)}
PAYLOADS = ("textPayload", "jsonPayload", "protoPayload")
RESOURCE = {"type": str, "labels": Map(str)}
ENTRY = {
    **dict.fromkeys(("logName", "timestamp", "receiveTimestamp", "insertId", "trace", "spanId", "textPayload"), str),
    **{name: {} for name in ("jsonPayload", "protoPayload", "httpRequest", "operation", "sourceLocation", "split")},
    "severity": object,
    "resource": RESOURCE,
    "labels": Map(str),
    "traceSampled": bool,
}
WRITTEN = {
    "logName": str,
    "resource": RESOURCE,
    "labels": Map(str),
    "entries": [ENTRY],
    "partialSuccess": bool,
    "dryRun": bool,
}
MOST_ENTRY_BYTES = 256 * 1024
MOST_ID = 512
CODES = {400: 3, 403: 7, 404: 5}
"""Of refusals within an answer, `google.rpc.Code`."""


class Partly(ApiError):
    """Some entries were not written."""

    def __init__(self, errors: Mapping[int, ApiError]) -> None:
        first = errors[min(errors)]
        super().__init__(first.status, first.message, first.reason, first.word)
        self.errors = errors

    def render(self, *, is_older: bool) -> dict[str, Any]:
        rendered = super().render(is_older=is_older)
        known = {
            str(index): {"code": CODES.get(each.status, 2), "message": each.message}
            for index, each in self.errors.items()
        }
        kind = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"
        rendered["error"]["details"] = [{"@type": kind, "logEntryErrors": known}]
        return rendered


def register(routes: Routes) -> None:
    routes.add("POST", "/v2/entries:write", "logging.entries.write", write, "")


def write(call: Call) -> dict[str, Any]:
    """All entries, or where the request says so, those that nothing is wrong with."""
    body = call.json()
    judge_shape(body, WRITTEN)
    if not body.get("entries"):
        raise ApiError(400, "The entries are missing: at least one must be written.")
    written: list[Entry] = []
    errors: dict[int, ApiError] = {}
    for index, given in enumerate(body["entries"]):
        try:
            written.append(make_entry(call, body, given or {}))
        except ApiError as error:
            if not body.get("partialSuccess"):
                raise
            errors[index] = error
    if not body.get("dryRun"):
        for entry in written:
            call.world.services.entries.setdefault(entry.key, entry)
    if errors:
        raise Partly(errors)
    return {}


def make_entry(call: Call, common: Mapping[str, Any], given: Mapping[str, Any]) -> Entry:
    """An entry as it is kept: with what the request says of all of them, and what Google adds."""
    size = len(json.dumps(given).encode())
    if size > MOST_ENTRY_BYTES:
        raise ApiError(400, f"Log entry with size {size / 1024:.1f}K exceeds maximum size of 256.0K")
    if sum(given.get(name) is not None for name in PAYLOADS) > 1:
        raise ApiError(400, "An entry has more than one payload.")
    name, resource = given.get("logName") or common.get("logName"), given.get("resource") or common.get("resource")
    project = find_project(name)
    access.require(call.caller, "logging.entries.write", "logging.logEntries.create", [f"projects/{project}"])
    known = call.world.projects.find(project)
    if known is None:
        raise ApiError(404, f"The project {project} was not found.", "notFound")
    if not (resource or {}).get("type"):
        raise ApiError(400, "The monitored resource must be set.")
    labels = {**(common.get("labels") or {}), **(given.get("labels") or {})}
    moment = read_moment(given.get("timestamp"), call.world.now)
    body = {
        **{key: value for key, value in given.items() if value is not None},
        "logName": normalize(name.replace(f"projects/{project}/", f"projects/{known.name}/", 1)),
        "resource": resource,
        **({"labels": labels} if labels else {}),
        # Google keeps objects without an order.
        **({"jsonPayload": dict(sorted(given["jsonPayload"].items()))} if given.get("jsonPayload") else {}),
        "severity": read_severity(given.get("severity")),
        "timestamp": render_nanoseconds(moment),
        "receiveTimestamp": render_time(call.world.now),
        "insertId": given.get("insertId") or f"{call.world.random.getrandbits(64):016x}",
    }
    return Entry(moment, body)


def find_project(name: str | None) -> str:
    """The project of a log."""
    found = LOG_NAME.fullmatch(name or "")
    if found is None:
        raise ApiError(400, f"Log name must be of the form projects/PROJECT/logs/LOG_ID, URL-encoded: {name!r}")
    if "/" in found["id"]:
        raise ApiError(400, f"Invalid log name {name!r}: a slash in it must be written as %2F.")
    if len(unquote(found["id"])) >= MOST_ID:
        raise ApiError(400, f"The ID of a log has fewer than {MOST_ID} characters.")
    return found["project"]


def normalize(log: str) -> str:
    """A log's name as Google tells it."""
    before, _, id_ = log.partition("/logs/")
    return f"{before}/logs/{quote(unquote(id_), safe='')}"


def read_severity(given: object) -> str:
    word = NUMBERS.get(str(given), str(given or "DEFAULT").upper())
    if word not in SEVERITIES:
        raise ApiError(400, f"Invalid value at 'entries.severity': {given!r}.")
    return word


def read_moment(given: str | None, now: float) -> int:
    if given is None:
        return int(now * 1_000_000) * 1000
    try:
        return parse_time(given)
    except ValueError:
        raise ApiError(400, f"Invalid value at 'entries.timestamp': {given!r}.") from None
