"""The seam between commands and providers: what every provider does, and the words for what it tells."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from daskfleet.errors import FleetError
from daskfleet.progress import Progress
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec

FleetState = Literal["running", "starting", "degraded", "dead", "damaged"]
"""`running` everything wanted is there · `starting` it is on its way · `degraded` something wanted is missing · `dead`
nothing supervises it any more · `damaged` its files cannot be read. `up` mends the last three."""


@dataclass(frozen=True)
class WorkerStatus:
    """One worker, as the scheduler knows it."""

    name: str
    address: str
    pid: int
    threads: int
    memory: int
    """Bytes that the process holds."""
    memory_limit: int
    """Bytes; 0 is no limit."""
    cpu: float
    """Per cent of one core."""
    executing: int
    """Tasks that it runs now."""
    state: str = "running"
    """Dask's word; `paused` takes no new tasks."""


@dataclass(frozen=True)
class NodeStatus:
    """One node: the scheduler's, or one of a worker group's."""

    name: str
    state: str
    """The supervisor's word (`running`, `starting`, `backoff`, `stopped`, `fatal`, `unknown`), or the cloud's for a
    machine."""
    pid: int | None
    phases: dict[str, float] = field(default_factory=dict)
    """Times of its phase marks, seconds since the epoch."""
    failure: str | None = None
    """What went wrong last, if nothing has gone right since."""


@dataclass(frozen=True)
class GroupStatus:
    """One worker group."""

    name: str
    wanted: int
    """Workers."""
    threads: int | None
    """Of each worker; `None` where the machine decides."""
    memory_limit: str | None
    """Of each worker; `None` where the machine decides."""
    resources: dict[str, float]
    workers: tuple[WorkerStatus, ...]
    nodes: tuple[NodeStatus, ...]
    """On `local` one, which has all workers; in a cloud one for each machine."""


@dataclass(frozen=True)
class FleetStatus:
    """A fleet at one moment."""

    fleet: str
    provider: str
    state: FleetState
    scheduler_address: str
    dashboard_url: str
    created: float
    """Seconds since the epoch."""
    scheduler: NodeStatus
    groups: tuple[GroupStatus, ...]
    tags: dict[str, str]
    problems: tuple[str, ...] = ()
    """What is wrong, each with what to do."""


@dataclass(frozen=True)
class Summary:
    """A fleet in a line."""

    counts: dict[str, int]
    """Wanted workers of each group."""
    tags: dict[str, str]

    @property
    def workers(self) -> int:
        """Wanted workers."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class LogLines:
    """Lines of the logs of some nodes, as pairs of node and line."""

    nodes: tuple[str, ...]
    """The nodes, where they are known before their lines are read."""
    lines: Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at before anything is made."""

    name: str
    problem: str = ""
    """What is wrong and what to do; empty where nothing is."""
    found: str = ""
    """What is there, for who wants to know."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


class Preview(Protocol):
    """What an `up` would change."""

    def render(self) -> tuple[str, ...]:
        """For a person."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        ...


@dataclass(frozen=True)
class Question:
    """What a provider wants a person's word for before it goes on."""

    lines: tuple[str, ...]
    """What will happen."""
    ask: str
    """`Make this so?`"""
    refusal: str
    """What is told where nobody can be asked: begins with what is not done, such as `fleet 'x' was not changed`."""


Confirm = Callable[[Question], bool]
"""Asks a person. It may raise a `FleetError` where there is nobody to ask."""


class Declined(FleetError):
    """A person said no."""


class Provider(ABC):
    """What every provider can do with a fleet. Every error that a user can mend is a `FleetError`."""

    UP_SECONDS: ClassVar[float] = 120.0
    """How long workers may take to register, where nobody says otherwise."""

    WATCH_SECONDS: ClassVar[float] = 1.0
    """How often the status may be asked for."""

    UNIT: ClassVar[str] = "worker"
    """What the counts of groups count."""

    @abstractmethod
    def up(
        self,
        spec: FleetSpec,
        progress: Progress,
        *,
        timeout: float | None = None,
        share: float = 1.0,
        confirm: Confirm | None = None,
    ) -> Connection:
        """Make the fleet what `spec` says: create it, mend it or change it. Safe to repeat after any interruption.

        An interrupted or failed `up` that created the fleet removes it again; one that changed it leaves it.

        Args:
            timeout: seconds until the workers must have registered; `None` is `UP_SECONDS`.
            share: how much of them must have registered, above 0 and at most 1.
            confirm: asked before anything is changed that costs money; `None` goes on without asking.

        Raises:
            Declined: `confirm` said no; nothing was changed.
        """

    def preview(self, spec: FleetSpec, progress: Progress, *, refresh: bool = False) -> Preview:
        """What `up` would change. Nothing is changed.

        Args:
            refresh: compare with what is really there first, and tell what others have changed.
        """
        raise FleetError(
            f"a fleet of provider '{spec.provider}' has no plan to show: `daskfleet up` asks nothing, makes what the "
            "file says, and can be repeated."
        )

    @abstractmethod
    def check(self, spec: FleetSpec) -> list[Check]:
        """Look whether the fleet can be made. Nothing is changed."""

    @abstractmethod
    def read_spec(self, name: str) -> FleetSpec:
        """The spec that the fleet was last given, with the counts that it has now."""

    @abstractmethod
    def summarise(self, name: str) -> Summary:
        """The fleet in a line, from what is on this machine: nothing is asked over a network."""

    @abstractmethod
    def down(self, name: str, progress: Progress, *, confirm: Confirm | None = None) -> bool:
        """Remove the fleet and everything of it, and make sure. Returns whether there was anything to remove.

        Args:
            confirm: asked before something is removed that only its tag says to be the fleet's.
        """

    @abstractmethod
    def read_status(self, name: str) -> FleetStatus:
        """What the fleet is at this moment; also when parts of it, or all, are dead."""

    @abstractmethod
    def scale(self, name: str, group: str, count: int, progress: Progress, *, timeout: float | None = None) -> None:
        """Give a worker group `count` of `UNIT`. Workers that leave hand their data over first.

        Args:
            timeout: seconds until new workers must have registered; `None` is `UP_SECONDS`, and with 0 nobody waits
                for them.
        """

    def count_units(self, name: str, group: str, workers: int) -> int:
        """How many of `UNIT` have so many workers."""
        return workers

    @abstractmethod
    def remove_workers(self, name: str, workers: Collection[str]) -> None:
        """Remove these workers for good, whichever their groups."""

    @abstractmethod
    def list_groups(self, name: str) -> dict[str, tuple[str, ...]]:
        """The wanted workers of each group, by name."""

    @abstractmethod
    def read_logs(self, name: str, node: str | None, *, lines: int, follow: bool) -> LogLines:
        """The last lines of the logs of all nodes, or of one node or group.

        Args:
            lines: of each node.
            follow: go on with what is added, until the fleet is gone.
        """


def count_enough(share: float, total: int) -> int:
    """How many of `total` are a `share` of them, rounded up."""
    return math.ceil(round(share * total, 6))  # 0.1 * 30 is a little more than 3.


def iterate_nodes(status: FleetStatus) -> Iterator[NodeStatus]:
    """The scheduler's node and every group's."""
    yield status.scheduler
    for group in status.groups:
        yield from group.nodes
