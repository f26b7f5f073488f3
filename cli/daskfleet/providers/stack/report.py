"""What is told of a fleet that did not come up: each missing node's class, marks and last lines, and the remedy."""

from __future__ import annotations

import contextlib
from collections import defaultdict

from daskfleet.errors import FleetError
from daskfleet.providers.stack.cloud import Cloud, Resources
from daskfleet.providers.stack.nodes import EXPLAINED, SCHEDULER, MissingNode, Outlook, Trouble
from daskfleet.providers.stack.redact import redact
from daskfleet_images.node.marks import parse_marks

SHOWN_NODES = 3
"""Nodes of one trouble that are told one by one: a hundred of the same help nobody."""

SHOWN_LINES = 8

NODE = "daskfleet-node"
"""How the lines of a node on its machine's console are marked: they say more than those of the system around it."""


def report_failure(cloud: Cloud, fleet: str, resources: Resources, outlook: Outlook, why: str) -> str:
    """Everything that is known of what is missing. It asks the cloud for the last lines of a few nodes."""
    lines = [_describe_whole(fleet, outlook, why)]
    if not outlook.scheduler_is_up:
        if outlook.scheduler is None:
            lines.append("the scheduler's machine is not there; `daskfleet up` makes it anew")
        else:
            lines += _describe_trouble(cloud, resources, outlook.scheduler.trouble, [outlook.scheduler])
        return "\n".join(lines)
    by_trouble: dict[Trouble, list[MissingNode]] = defaultdict(list)
    for node in outlook.missing:
        by_trouble[node.trouble].append(node)
    for trouble, nodes in by_trouble.items():
        lines += _describe_trouble(cloud, resources, trouble, nodes)
    if outlook.not_launched:
        short = [group for group in resources.groups if group.name in outlook.not_launched]
        refusals = cloud.explain_shortages(short)
        for group, count in outlook.not_launched.items():
            said = refusals[group].reason if group in refusals else "the cloud has launched none and says nothing"
            lines.append(f"{_count(count, 'machine')} of group {group} not launched: {redact(said)}")
        if refusals:
            lines.append(
                "  what to do: name more instance types, say `spot: fallback`, ask for more quota, or try later"
            )
    return "\n".join(lines)


def _describe_whole(fleet: str, outlook: Outlook, why: str) -> str:
    if not outlook.scheduler_is_up:
        return f"the scheduler of fleet '{fleet}' did not come up {why}."
    groups = ", ".join(f"{outlook.there[group]} of {wanted} in {group}" for group, wanted in outlook.wanted.items())
    return (
        f"not every machine of fleet '{fleet}' registered {why}: {groups}. Those that did serve; `daskfleet up "
        f"{fleet}` waits for the others again."
    )


def _describe_trouble(cloud: Cloud, resources: Resources, trouble: Trouble, nodes: list[MissingNode]) -> list[str]:
    what, remedy = EXPLAINED[trouble]
    lines = []
    for node in nodes[:SHOWN_NODES]:
        machine = node.machine
        reached = ", ".join(node.marks.phases) or "nothing"
        because = (
            f": {redact(node.marks.failure)}" if node.marks.failure else f": {machine.reason}" if machine.reason else ""
        )
        lines.append(f"node {machine.node} ({machine.group or SCHEDULER}, {machine.id}): {what}{because}")
        lines.append(f"  reached: {reached}")
        lines += [f"  | {redact(line)}" for line in _read_last_lines(cloud, resources, node)]
    if len(nodes) > SHOWN_NODES:
        lines.append(f"and {_count(len(nodes) - SHOWN_NODES, 'more node')} of which the same holds")
    return [*lines, f"  what to do: {remedy}"]


def _read_last_lines(cloud: Cloud, resources: Resources, node: MissingNode) -> list[str]:
    """The node's last lines, or what its machine wrote to its console where it has none."""
    machine = node.machine
    found: list[str] = []
    with contextlib.suppress(FleetError):  # The report must come also where the log cannot be read.
        if node.marks.phases:
            events = cloud.read_tail(resources.log_group, machine.group or SCHEDULER, machine.node, 3 * SHOWN_LINES)
            found = [event.message.rstrip() for event in events if not parse_marks([event.message])]
        else:
            console = cloud.read_console(machine)
            found = [line for line in console if NODE in line] or console
    return found[-SHOWN_LINES:]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
