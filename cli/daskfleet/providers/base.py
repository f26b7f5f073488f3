"""The seam between commands and providers: what every provider does, and the words for what it tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True)
class NodeStatus:
    """One node: the scheduler's, or a worker group's."""

    name: str
    state: str
    """The supervisor's word: `running`, `starting`, `backoff`, `stopped`, `fatal`, `unknown`."""
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
    threads: int
    memory_limit: str
    resources: dict[str, float]
    workers: tuple[WorkerStatus, ...]
    node: NodeStatus


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
class LogFile:
    """The log of one node, growing at the end; `path` on this machine."""

    node: str
    path: str


class Provider(ABC):
    """What every provider can do with a fleet. Every error that a user can mend is a `FleetError`."""

    @abstractmethod
    def up(self, spec: FleetSpec, progress: Progress, *, timeout: float) -> Connection:
        """Make the fleet what `spec` says: create it, mend it or change it. Safe to repeat after any interruption.

        An interrupted or failed `up` that created the fleet removes it again; one that changed it leaves it.

        Args:
            timeout: seconds until every worker must have registered.
        """

    @abstractmethod
    def read_spec(self, name: str) -> FleetSpec:
        """The spec that the fleet was last given, with the counts that it has now."""

    @abstractmethod
    def down(self, name: str, progress: Progress) -> bool:
        """Remove the fleet and everything of it, and make sure. Returns whether there was anything to remove."""

    @abstractmethod
    def read_status(self, name: str) -> FleetStatus:
        """What the fleet is at this moment; also when parts of it, or all, are dead."""

    @abstractmethod
    def scale(self, name: str, group: str, count: int, progress: Progress, *, timeout: float) -> None:
        """Give a worker group `count` workers. Workers that leave hand their data over first."""

    @abstractmethod
    def remove_workers(self, name: str, workers: Collection[str]) -> None:
        """Remove these workers for good, whichever their groups."""

    @abstractmethod
    def list_groups(self, name: str) -> dict[str, tuple[str, ...]]:
        """The wanted workers of each group, by name."""

    @abstractmethod
    def find_logs(self, name: str, node: str | None) -> list[LogFile]:
        """The logs of all nodes, or of one."""


def iterate_nodes(status: FleetStatus) -> Iterator[NodeStatus]:
    """The scheduler's node and every group's."""
    yield status.scheduler
    for group in status.groups:
        yield group.node
