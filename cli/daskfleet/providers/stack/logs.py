"""The logs of a fleet's nodes, as its cloud keeps them: also of machines that are gone."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths
from daskfleet.providers.base import LogLines
from daskfleet.providers.stack.cloud import Cloud, LogEvent
from daskfleet.providers.stack.nodes import SCHEDULER
from daskfleet.providers.stack.state import StackState
from daskfleet_images.node.marks import parse_marks

LATE_SECONDS = 60.0
"""Lines may arrive that much later than they were written."""

MOST_NODES = 50
"""Nodes whose last lines are shown where none is named: each takes a call."""


def read_logs(cloud: Cloud, fleet: str, state: StackState, node: str | None, *, lines: int, follow: bool) -> LogLines:
    """The last lines of the nodes that `node` names, and with `follow` what is added.

    Raises:
        FleetError: there is no such node, or the fleet keeps no log that this machine knows of.
    """
    if not state.log_group:
        raise FleetError(
            f"nothing here says where fleet '{fleet}' keeps its logs: this machine has only its connection. `daskfleet "
            f"connect {fleet} --provider {state.provider} --region REGION` reads it from the fleet's own secret."
        )
    known = cloud.list_logs(state.log_group)
    chosen = choose_logs(known, node)
    if not chosen:
        there = ", ".join(dict.fromkeys(group for group, _ in known)) or "none that has written yet"
        raise FleetError(f"fleet '{fleet}' has no node or group '{node}' with a log; it has: {there}.")
    names = tuple(name_source(group, each) for group, each in chosen)
    tail = _read_tails(cloud, state.log_group, chosen, lines)
    prefix = chosen[0][0] + "/" if node is not None and len({group for group, _ in chosen}) == 1 else ""
    if node is not None and len(chosen) == 1 and node == chosen[0][1]:
        prefix += node
    found = _follow(cloud, fleet, state.log_group, tail, prefix) if follow else tail
    return LogLines(names, found)


def choose_logs(known: list[tuple[str, str]], wanted: str | None) -> list[tuple[str, str]]:
    """The logs that a person means: of all nodes, of one group, or of one node. The scheduler's come first. Pure."""
    chosen = [(group, node) for group, node in known if wanted is None or wanted in (group, node, f"{group}/{node}")]
    if wanted is None:
        chosen = chosen[:MOST_NODES]
    return sorted(chosen, key=lambda each: (each[0] != SCHEDULER, each))


def name_source(group: str, node: str) -> str:
    """How a node is called beside its lines. Pure."""
    return SCHEDULER if group == SCHEDULER else node


def _read_tails(cloud: Cloud, log_group: str, chosen: list[tuple[str, str]], lines: int) -> Iterator[tuple[str, str]]:
    for group, node in chosen:
        for event in cloud.read_tail(log_group, group, node, lines):
            yield from _split(event)


def _split(event: LogEvent) -> Iterator[tuple[str, str]]:
    for line in render_event(event):
        yield name_source(event.group, event.node), line


def render_event(event: LogEvent) -> list[str]:
    """The lines of one event, the first with its time; a phase mark in words, as in a node's own log. Pure."""
    marks = parse_marks([event.message])
    if marks:
        words = " ".join(part for part in (marks[0].phase, marks[0].worker, marks[0].detail) if part)
        lines = [f"phase: {words}"]
    else:
        lines = event.message.splitlines() or [""]
    when = datetime.datetime.fromtimestamp(event.time)  # In the reader's own time, as local logs are.
    return [f"{when:%Y-%m-%d %H:%M:%S} {lines[0]}", *lines[1:]]


def _follow(
    cloud: Cloud, fleet: str, log_group: str, tail: Iterator[tuple[str, str]], prefix: str
) -> Iterator[tuple[str, str]]:
    """What the tail holds, then what is added, until the fleet is gone from this machine."""
    begin = time.time()
    yield from tail
    seen: set[str] = set()
    folder = fleet_paths(fleet).root
    while True:
        over = not folder.exists()  # Asked before reading: what was written until then is still told.
        for event in cloud.read_log(log_group, max(begin, time.time() - LATE_SECONDS), prefix=prefix):
            if event.id not in seen:
                seen.add(event.id)
                yield from _split(event)
        if over:
            return
        time.sleep(cloud.poll_seconds)
