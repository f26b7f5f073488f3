"""Wait until a fleet's workers have registered, by the marks in its log: its scheduler need not be reachable."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from daskfleet.errors import FleetError
from daskfleet.progress import Progress
from daskfleet.providers.base import count_enough
from daskfleet.providers.stack.cloud import Cloud, Machine, Resources
from daskfleet.providers.stack.nodes import MarkBook, Outlook, judge
from daskfleet.providers.stack.redact import redact
from daskfleet.providers.stack.report import report_failure

LATE_SECONDS = 300.0
"""Marks may arrive that much later than they were written, or be written by a clock that is that much behind."""

SHORTAGE_SECONDS = 15.0
"""How long a group may be without its machines before the cloud is asked why; and between one question and the next."""

MEMORY_SECONDS = 24 * 3600.0
"""How far back marks are read: a machine older than that, of which nothing bad is heard, has long registered."""


class SchedulerMissing(FleetError):
    """The scheduler never came up."""


class WorkersMissing(FleetError):
    """Fewer workers came up than were to; the others serve."""


@dataclass(frozen=True)
class Clock:
    """Time, for tests to have their own."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Waiter:
    """Looks at a fleet until it is up."""

    def __init__(
        self,
        cloud: Cloud,
        fleet: str,
        resources: Resources,
        wanted: Mapping[str, int],
        progress: Progress,
        clock: Clock | None = None,
        *,
        fallback: Collection[str] = (),
    ) -> None:
        """Prepare to look.

        Args:
            wanted: machines of each group that is looked at.
            fallback: groups that take on-demand machines for what the spot market has not.
        """
        self._cloud = cloud
        self._fleet = fleet
        self._resources = resources
        self._wanted = wanted
        self._per_machine = {group.name: group.workers_per_machine for group in resources.groups}
        self._progress = progress
        self._clock = clock or Clock()
        self._fallback = fallback
        self._ask_at = self._clock.now() + SHORTAGE_SECONDS
        self.book = MarkBook()
        """The marks that were read."""
        self.machines: list[Machine] = []
        """The fleet's machines, as of the last look."""

    def look(self) -> Outlook:
        """How far the fleet is: one call for the machines, one stream of pages for what is new in the log."""
        self.machines = [
            machine
            for machine in self._cloud.list_machines(self._fleet)
            if machine.group is not None or machine.id == self._resources.scheduler_machine
        ]
        horizon = self._clock.now() - MEMORY_SECONDS
        first = min((machine.launched for machine in self.machines if machine.state != "gone"), default=horizon)
        since = max(self.book.latest or first, horizon) - LATE_SECONDS
        self.book.add(self._cloud.read_marks(self._resources.log_group, since))
        return judge(self.machines, self.book, self._wanted, self._per_machine, settled_before=horizon)

    def wait(self, timeout: float, share: float) -> None:
        """Wait until the share of the wanted machines has registered.

        Raises:
            SchedulerMissing, WorkersMissing: it has not in time, or what is missing has given up.
        """
        deadline = self._clock.now() + timeout
        told: set[str] = set()
        self._progress.step("waiting for the scheduler")
        while True:
            outlook = self.look()
            if outlook.scheduler_is_up:
                self._progress.count("machines registered", outlook.done, outlook.total)
                if outlook.done >= count_enough(share, outlook.total):
                    return
            self._tell_failures(outlook, told)
            if outlook.not_launched and self._clock.now() > self._ask_at:
                self._look_into_shortage(outlook)
            over = self._clock.now() > deadline
            if over or _is_hopeless(outlook):
                why = f"within {timeout:g} s" if over else "and those that are missing have given up"
                text = report_failure(self._cloud, self._fleet, self._resources, outlook, why)
                raise WorkersMissing(text) if outlook.scheduler_is_up else SchedulerMissing(text)
            self._clock.sleep(self._cloud.poll_seconds)

    def relieve(self) -> None:
        """Take on-demand machines where the spot market has none and that is wanted; nothing is waited for."""
        outlook = self.look()
        if outlook.not_launched:
            self._look_into_shortage(outlook)

    def _look_into_shortage(self, outlook: Outlook) -> None:
        """Tell why machines are not launched; take on-demand ones where the spot market has none and that is wanted."""
        self._ask_at = self._clock.now() + SHORTAGE_SECONDS
        short = [group for group in self._resources.groups if group.name in outlook.not_launched]
        for name, shortage in self._cloud.explain_shortages(short).items():
            self._progress.step(f"group {name}: {redact(shortage.reason)}")
            if name in self._fallback and shortage.on_spot:
                count = outlook.not_launched[name]
                self._progress.step(f"group {name}: taking {count} on-demand for what the spot market has not")
                self._cloud.take_on_demand(next(group for group in short if group.name == name))

    def _tell_failures(self, outlook: Outlook, told: set[str]) -> None:
        for node in (*((outlook.scheduler,) if outlook.scheduler else ()), *outlook.missing):
            text = node.marks.failure
            if text and text not in told:
                told.add(text)
                self._progress.step(f"{node.machine.node}: {text}")


def _is_hopeless(outlook: Outlook) -> bool:
    """Whether nothing that is missing still tries."""
    if not outlook.scheduler_is_up:
        return outlook.scheduler is not None and outlook.scheduler.has_given_up
    return bool(outlook.missing) and not outlook.not_launched and all(node.has_given_up for node in outlook.missing)
