"""The seam between the stack provider and one cloud: what is asked of the cloud directly, beside the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from daskfleet.errors import FleetError
from daskfleet.providers.base import Check
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec

MachineState = Literal["starting", "running", "stopping", "gone"]


@dataclass(frozen=True)
class Machine:
    """One machine of a fleet."""

    id: str
    group: str | None
    """Its worker group; `None` is the scheduler's machine."""
    node: str
    """The name of its node, by which its logs are found."""
    address: str
    """Its address in the fleet's network."""
    state: MachineState
    launched: float
    """Seconds since the epoch."""
    reason: str = ""
    """Why it is not there any more, as the cloud says it."""


@dataclass(frozen=True)
class LogEvent:
    """One line of a log, as the cloud keeps it."""

    id: str
    group: str
    """`scheduler` or the worker group."""
    node: str
    message: str
    time: float
    """When the machine wrote it; seconds since the epoch, by its clock."""
    received: float
    """When the cloud got it."""


@dataclass(frozen=True)
class GroupResources:
    """A worker group in the cloud."""

    name: str
    id: str
    """How the cloud calls it."""
    workers_per_machine: int


@dataclass(frozen=True)
class Resources:
    """What of a fleet a provider has to know, from what its stack exports."""

    region: str
    log_group: str
    """How the cloud calls where the nodes' logs are."""
    scheduler_machine: str
    groups: tuple[GroupResources, ...]
    account: str = ""
    """The project or the subscription that it is in, in a cloud that has them."""


@dataclass(frozen=True)
class Shortage:
    """Why a group has fewer machines than it wants."""

    reason: str
    """As the cloud says it."""
    on_spot: bool = False
    """Whether it is the spot market that has none, so that on-demand machines may help."""


@dataclass(frozen=True)
class Leftover:
    """Something in the cloud that carries a fleet's tag."""

    kind: str
    id: str
    name: str = ""
    group: str = ""
    """The worker group that it is of, if of one."""
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)
    holder: str = ""
    """The machine that it is attached to, if to one."""

    def __str__(self) -> str:
        if self.name and self.name in self.id:  # An identifier that holds the name, and much besides.
            return f"{self.kind} {self.name}"
        return f"{self.kind} {self.id}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True)
class StoredConnection:
    """A fleet's connection, as its own secret holds it."""

    place: str
    """The secret's name, for people."""
    made: float
    """Seconds since the epoch."""


NOT_READABLE = (KeyError, TypeError, ValueError, AttributeError)
"""What reading the `resources` of a stack fails with that another version has made."""


def describe_other_version(error: Exception) -> FleetError:
    """What is told then."""
    return FleetError(
        f"the fleet was made by another version of daskfleet: its `resources` lack {error}. Use that version, or "
        "`daskfleet up FILE` with this one."
    )


class Cloud(ABC):
    """What one cloud is asked directly. Every error that a person can mend is a `FleetError`."""

    name: ClassVar[str]
    group_type: ClassVar[str]
    """What of a stack's resource types the machines of a worker group are made by."""
    id_keys: ClassVar[tuple[str, ...]]
    """Outputs of a stack's resources, besides their ids, by which the cloud may call them."""
    made_by_groups: ClassVar[tuple[str, ...]]
    """Kinds of things that a worker group makes by itself: no stack knows of them."""
    makes_groups_whole: ClassVar[bool] = False
    """Whether a worker group is made only where all machines come that it begins with, so that it better begins without
    any: they may be scarce."""
    poll_seconds: ClassVar[float] = 2.0
    """How often the logs and the machines may be asked for."""

    def __init__(self, region: str) -> None:
        self.region = region

    @property
    def account(self) -> str:
        """The project or the subscription that is asked, in a cloud that has them; otherwise empty."""
        return ""

    @property
    def place(self) -> str:
        """Where this is, for people."""
        return f"{self.name} {self.region}"

    @property
    def options(self) -> str:
        """How a command line says where this is."""
        return f"--provider {self.name} --region {self.region}"

    # Before anything is made

    def settle(self, spec: FleetSpec) -> FleetSpec:
        """The spec with what it leaves to the credentials decided, so that it means the same with others."""
        return spec

    def heed(self, spec: Mapping[str, Any]) -> None:  # noqa: B027 - a cloud that needs nothing of it
        """Take note of what a fleet uses besides its own things and leaves its traces on, as its spec says."""

    @abstractmethod
    def check(self, spec: FleetSpec) -> list[Check]:
        """Look whether the fleet can be made: credentials, region, machines, image. Nothing is changed."""

    @abstractmethod
    def find_strangers(self, fleet: str) -> list[str]:
        """What shows that a fleet of this name is in the region; by one call."""

    # Groups and machines

    @abstractmethod
    def read_resources(self, data: Mapping[str, Any]) -> Resources:
        """The `resources` that the fleet's stack exports.

        Raises:
            FleetError: they are of another version.
        """

    @abstractmethod
    def count_machines(self, groups: Sequence[GroupResources]) -> dict[str, int]:
        """The machines that each group wants, by name; groups that are gone are left out. One call."""

    @abstractmethod
    def set_count(self, group: GroupResources, count: int) -> None:
        """Have a group want so many machines. One call; the cloud chooses which machines leave."""

    @abstractmethod
    def remove_machines(self, machines: Collection[Machine]) -> None:
        """Remove these machines, and have their groups want as many fewer."""

    @abstractmethod
    def list_machines(self, fleet: str) -> list[Machine]:
        """The machines of the fleet, with those that have just gone. One call, whatever their number."""

    @abstractmethod
    def explain_shortages(self, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
        """Why groups have fewer machines than they want, where the cloud says it."""

    @abstractmethod
    def take_on_demand(self, group: GroupResources) -> None:
        """Have all of a group's machines that the spot market has not given be on-demand. Safe to repeat."""

    def try_again(self, groups: Iterable[GroupResources]) -> None:  # noqa: B027 - most clouds never give up
        """Have groups try again that have given up on machines that they want."""

    @abstractmethod
    def read_console(self, machine: Machine) -> list[str]:
        """The end of what a machine wrote to its console; empty where the cloud has nothing."""

    # Logs

    @abstractmethod
    def read_marks(self, log_group: str, since: float) -> list[LogEvent]:
        """The phase marks that nodes wrote since then, in the order of their times."""

    @abstractmethod
    def read_log(self, log_group: str, since: float, *, prefix: str = "") -> list[LogEvent]:
        """All lines since then, of the nodes whose log's name begins with `prefix`, in the order of their times."""

    @abstractmethod
    def list_logs(self, log_group: str) -> list[tuple[str, str]]:
        """The nodes that have logs, as pairs of group and node; those that wrote last come first."""

    @abstractmethod
    def read_tail(self, log_group: str, group: str, node: str, lines: int) -> list[LogEvent]:
        """The last lines of one node."""

    # What is left

    @abstractmethod
    def find_leftovers(self, fleet: str) -> list[Leftover]:
        """Everything in the region that carries the fleet's tag, in the order in which it can be removed."""

    @abstractmethod
    def find_parts(self, fleet: str) -> list[Leftover]:
        """What is part of the fleet's things and carries no tag: each by the identifier that it has in a stack."""

    @abstractmethod
    def remove_leftovers(self, fleet: str, leftovers: Sequence[Leftover]) -> None:
        """Remove them, each once what depends on it is gone."""

    @abstractmethod
    def find_openings(self, fleet: str) -> list[Leftover]:
        """What others have opened in the fleet's firewall, past its stack."""

    # Connections

    @abstractmethod
    def list_connections(self, fleet: str) -> list[StoredConnection]:
        """The secrets with connections of fleets of this name."""

    @abstractmethod
    def read_connection(self, stored: StoredConnection) -> tuple[Connection, Mapping[str, Any]]:
        """The connection in a secret, PEM in it, and the fleet's `resources`."""
