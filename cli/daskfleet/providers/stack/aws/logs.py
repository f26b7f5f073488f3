"""A fleet's log group in CloudWatch: a stream for each node, `scheduler/HOST` or `GROUP/HOST`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, is_missing
from daskfleet.providers.stack.cloud import LogEvent

MARKS = '{ $.phase = "*" }'
"""CloudWatch's own pattern for what is a phase mark: a JSON object with this key."""


def read_marks(clients: Clients, log_group: str, since: float) -> list[LogEvent]:
    """The phase marks since then."""
    events = _read_events(clients, logGroupName=log_group, startTime=_to_milliseconds(since), filterPattern=MARKS)
    return [event for event in events if event.message.startswith("{")]


def read_log(clients: Clients, log_group: str, since: float, prefix: str) -> list[LogEvent]:
    """All lines since then, of the streams whose names begin with `prefix`."""
    narrowed = {"logStreamNamePrefix": prefix} if prefix else {}
    return _read_events(clients, logGroupName=log_group, startTime=_to_milliseconds(since), **narrowed)


def _read_events(clients: Clients, **arguments: Any) -> list[LogEvent]:
    from botocore.exceptions import ClientError

    with explain_aws_errors():
        try:
            pages = clients.get("logs").get_paginator("filter_log_events").paginate(**arguments)
            events = [event for page in pages for event in page["events"]]
        except ClientError as error:
            if is_missing(error):  # The group itself may be gone, or not there yet.
                return []
            raise
    return parse_events(events)


def parse_events(events: Iterable[dict[str, Any]]) -> list[LogEvent]:
    """CloudWatch's events in the order of their times. Pure."""
    parsed = [parse_event(event, event["logStreamName"]) for event in events]
    return sorted(parsed, key=lambda event: event.time)


def parse_event(event: dict[str, Any], stream: str) -> LogEvent:
    """One of CloudWatch's events. Pure."""
    group, _, node = stream.partition("/")
    written, received = event["timestamp"] / 1000, event.get("ingestionTime", event["timestamp"]) / 1000
    key = str(event.get("eventId") or f"{stream}@{event['timestamp']}@{hash(event['message'])}")
    return LogEvent(key, group, node, event["message"].rstrip("\n"), written, received)


def list_logs(clients: Clients, log_group: str) -> list[tuple[str, str]]:
    """The nodes that have streams; those that wrote last come first."""
    from botocore.exceptions import ClientError

    with explain_aws_errors():
        try:
            pages = (
                clients.get("logs")
                .get_paginator("describe_log_streams")
                .paginate(logGroupName=log_group, orderBy="LastEventTime", descending=True)
            )
            names = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except ClientError as error:
            if is_missing(error):
                return []
            raise
    return [(group, node) for group, _, node in (name.partition("/") for name in names) if node]


def read_tail(clients: Clients, log_group: str, stream: str, lines: int) -> list[LogEvent]:
    """The last lines of one stream."""
    from botocore.exceptions import ClientError

    if lines <= 0:
        return []
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    with explain_aws_errors():
        while len(found) < lines:
            try:
                answer = clients.get("logs").get_log_events(
                    logGroupName=log_group,
                    logStreamName=stream,
                    limit=min(lines - len(found), 10_000),
                    startFromHead=False,
                    **token,
                )
            except ClientError as error:
                if is_missing(error):
                    return []
                raise
            found = [*answer["events"], *found]
            back = answer.get("nextBackwardToken")
            if not answer["events"] or not back or back == token.get("nextToken"):
                break
            token = {"nextToken": back}
    return [parse_event(event, stream) for event in found[-lines:]]


def _to_milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))
