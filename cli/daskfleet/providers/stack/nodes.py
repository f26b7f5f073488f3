"""Whether a fleet's nodes have come up, and what keeps those that have not: from machines and phase marks. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from daskfleet.providers.stack.cloud import LogEvent, Machine
from daskfleet_images.node.marks import Mark, NodeMarks, parse_marks, replay_marks

SCHEDULER = "scheduler"

Trouble = Literal["gone", "silent", "secrets", "versions", "scheduler", "failed", "slow"]
"""Why a node is missing: its machine is `gone`; it is `silent`, with no mark at all; it has no `secrets`; its
`versions` do not fit; it does not reach the `scheduler`; it `failed` otherwise; or it is `slow`, on its way."""

EXPLAINED: Mapping[Trouble, tuple[str, str]] = {
    "gone": (
        "its machine is gone",
        "the group launches another; if those go as well, look at the spot market and at what its console said",
    ),
    "silent": (
        "it never booted into a node: there is no word of it",
        "look at its console, at its role, at whether the image is one of daskfleet's, and whether its subnet has a "
        "way to the cloud's own services (a NAT, or end points)",
    ),
    "secrets": (
        "it boots without its secrets",
        "look at its role, at the secret, and whether its subnet has a way to the secret store",
    ),
    "versions": (
        "it runs other versions than the fleet",
        "build the image of the environment that your scripts run in, and `daskfleet up` again",
    ),
    "scheduler": (
        "it cannot reach the scheduler",
        "look at the security groups, at the network between the two, and at the scheduler's log",
    ),
    "failed": ("it failed", "the log says more; `daskfleet up` tries again"),
    "slow": ("it was still on its way", "give it more time with --timeout"),
}
"""What each trouble is, and what to do."""

_VERSIONS = re.compile(
    r"(?i)version|unpickl|deserializ|unsupported pickle|ImportError|ModuleNotFoundError|AttributeError"
)


@dataclass
class MarkBook:
    """The marks of all nodes, as they come in."""

    _marks: dict[tuple[str, str], list[tuple[float, Mark]]] = field(default_factory=lambda: defaultdict(list))
    _seen: set[str] = field(default_factory=set)
    latest: float = 0.0
    """When the newest was written, by its machine's clock."""

    def add(self, events: Iterable[LogEvent]) -> None:
        """Take the marks among the events; those that it has are passed over."""
        for event in events:
            if event.id in self._seen:
                continue
            self._seen.add(event.id)
            marks = parse_marks([event.message])
            if marks:
                self.latest = max(self.latest, event.time)
                self._marks[event.group, event.node].append((event.received, marks[0]))

    def read(self, machine: Machine) -> NodeMarks:
        """The marks of a machine's node. Those of an earlier machine with the same address are not its own."""
        return replay_marks(self._own(machine))

    def has_given_up(self, machine: Machine) -> bool:
        """Whether the node ended with a failure, and has not been started again."""
        own = self._own(machine)
        return bool(own) and own[-1].phase == "failed" and own[-1].worker is None

    def _own(self, machine: Machine) -> list[Mark]:
        known = self._marks.get((machine.group or SCHEDULER, machine.node), ())
        return [mark for received, mark in known if received >= machine.launched]


@dataclass(frozen=True)
class MissingNode:
    """A node that has not come up."""

    machine: Machine
    trouble: Trouble
    marks: NodeMarks
    has_given_up: bool


@dataclass(frozen=True)
class Outlook:
    """How far a fleet is."""

    scheduler_is_up: bool
    scheduler: MissingNode | None
    """What keeps the scheduler, where it has a machine."""
    there: dict[str, int]
    """Machines of each group all of whose workers have registered."""
    wanted: dict[str, int]
    missing: tuple[MissingNode, ...]
    """Machines of workers that have not."""
    not_launched: dict[str, int]
    """Machines that each group wants and the cloud has not launched."""

    @property
    def done(self) -> int:
        """Machines that are there, of those that are wanted."""
        return sum(min(self.there[group], wanted) for group, wanted in self.wanted.items())

    @property
    def total(self) -> int:
        """Wanted machines."""
        return sum(self.wanted.values())


def judge(
    machines: Iterable[Machine],
    book: MarkBook,
    wanted: Mapping[str, int],
    workers_per_machine: Mapping[str, int],
    *,
    settled_before: float = 0.0,
) -> Outlook:
    """How far the fleet is.

    Args:
        wanted: machines of each group.
        settled_before: machines launched before then count as registered where no mark says otherwise: their marks may
            be older than what was read.
    """
    there = dict.fromkeys(wanted, 0)
    launched = dict.fromkeys(wanted, 0)
    missing = []
    scheduler: MissingNode | None = None
    scheduler_is_up = False
    for machine in machines:
        marks = book.read(machine)
        is_settled = machine.launched < settled_before and not marks.phases
        if machine.group is None:
            if machine.state == "running" and (is_settled or "registered" in marks.phases) and marks.failure is None:
                scheduler_is_up = True
            elif machine.state != "gone":
                scheduler = _miss(machine, marks, book)
            continue
        if machine.group not in wanted:
            continue
        if machine.state in ("starting", "running"):
            launched[machine.group] += 1
        if machine.state == "running" and (
            is_settled or len(marks.registered) >= max(1, workers_per_machine.get(machine.group, 1))
        ):
            there[machine.group] += 1
        elif machine.state in ("starting", "running"):
            missing.append(_miss(machine, marks, book))
    return Outlook(
        scheduler_is_up=scheduler_is_up,
        scheduler=None if scheduler_is_up else scheduler,
        there=there,
        wanted=dict(wanted),
        missing=tuple(missing),
        not_launched={group: count - launched[group] for group, count in wanted.items() if count > launched[group]},
    )


def _miss(machine: Machine, marks: NodeMarks, book: MarkBook) -> MissingNode:
    return MissingNode(machine, find_trouble(machine, marks), marks, book.has_given_up(machine))


def find_trouble(machine: Machine, marks: NodeMarks) -> Trouble:
    """Why the node of a machine is missing."""
    if machine.state in ("gone", "stopping"):
        return "gone"
    if not marks.phases:
        return "silent"
    if marks.failure and _VERSIONS.search(marks.failure):
        return "versions"
    if "secrets" not in marks.phases and "document" in marks.phases:
        return "secrets"
    if marks.failure and "scheduler" in marks.failure:
        return "scheduler"
    if marks.failure:
        return "failed"
    if machine.group is not None and "daemon" in marks.phases:
        return "scheduler"
    return "slow"
