"""Step aside on somebody else's machine: while others use its processors, its workers take no new tasks.

What a worker runs already it finishes, and it goes on handing out the data that it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from daskfleet_images.node.errors import one_line

if TYPE_CHECKING:
    from distributed import Worker

logger = logging.getLogger("daskfleet.node")

POLL_SECONDS = 2.0

BUSY_SHARE = 0.25
"""Of the machine's processors, what others use when they are at work."""

QUIET_SHARE = 0.10
"""Less than this they use when they are away; an idle desktop uses some."""

BUSY_POLLS = 2
"""So often in a row others must have been at work: a page that opens is not yet work."""

QUIET_POLLS = 8
"""So often in a row they must have been away: who thinks for a moment is not gone."""

CONNECT_SECONDS = 3.0


@dataclass
class Judge:
    """Decides from shares of the processors whether others are at work. Pure."""

    busy: bool = False
    _streak: int = 0

    def hear(self, share: float) -> bool:
        """Take one more measurement, 0 to 1; returns whether others are at work."""
        contrary = share < QUIET_SHARE if self.busy else share > BUSY_SHARE
        self._streak = self._streak + 1 if contrary else 0
        if self._streak >= (QUIET_POLLS if self.busy else BUSY_POLLS):
            self.busy, self._streak = not self.busy, 0
        return self.busy


class Meter:
    """Measures how much of the machine's processors others use: all that this node and its workers do not."""

    def __init__(self) -> None:
        self._node = psutil.Process()
        self._total, self._idle, self._own = self._read()

    def measure(self) -> float:
        """The share since the last time, 0 to 1."""
        before = self._total, self._idle, self._own
        self._total, self._idle, self._own = self._read()
        passed = self._total - before[0]
        if passed <= 0:
            return 0.0
        used = passed - (self._idle - before[1])
        # A worker that has ended takes its count with it.
        own = max(0.0, self._own - before[2])
        return min(1.0, max(0.0, (used - own) / passed))

    def _read(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # Time of guests stands in that of users already.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        own = 0.0
        for process in (self._node, *self._node.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                spent = process.cpu_times()
                own += spent.user + spent.system
        return total, idle, own


class PauseKeeper:
    """Has workers pause while others are at work, also those that start meanwhile."""

    def __init__(self, list_addresses: Callable[[], Iterable[str]], connection_args: Any) -> None:
        self._list_addresses = list_addresses
        self._connection_args = connection_args
        self._paused: set[str] = set()

    async def apply(self, busy: bool) -> None:
        """Pause or go on: each worker is told once."""
        addresses = set(self._list_addresses())
        self._paused &= addresses
        for address in addresses - self._paused if busy else set(self._paused):
            try:
                await _tell(address, self._connection_args, paused=busy)
            except (OSError, TimeoutError) as error:  # It is starting or ending; it is told next time.
                logger.warning("worker at %s cannot be told to %s: %s", address, "pause" if busy else "go on", error)
                continue
            if busy:
                self._paused.add(address)
            else:
                self._paused.discard(address)


async def keep_aside(list_addresses: Callable[[], Iterable[str]], connection_args: Any) -> None:
    """Watch the machine, and have the workers pause while others use it; until cancelled."""
    meter, judge, keeper = Meter(), Judge(), PauseKeeper(list_addresses, connection_args)
    while True:
        await asyncio.sleep(POLL_SECONDS)
        before, share = judge.busy, meter.measure()
        if judge.hear(share) != before:
            logger.info(
                "others use %.0f%% of the processors: the workers %s",
                100 * share,
                "take no new tasks" if judge.busy else "go on",
            )
        try:
            await keeper.apply(judge.busy)
        except Exception as error:  # Whatever Dask raises: the workers must not be left without their node.
            logger.warning("the workers cannot be told: %s", one_line(f"{type(error).__name__}: {error}"))


async def _tell(address: str, connection_args: Any, *, paused: bool) -> None:
    from distributed.core import rpc

    async with (
        asyncio.timeout(CONNECT_SECONDS),
        rpc(address, connection_args=connection_args, timeout=CONNECT_SECONDS) as worker,
    ):
        await worker.run(function=pickle.dumps(set_paused), args=pickle.dumps((paused,)))


def set_paused(paused: bool, dask_worker: Worker) -> None:
    """Runs in the worker.

    Dask's own guard of memory pauses and resumes workers, so it is told, too: with a limit of nothing it always pauses.
    """
    import dask.config
    from distributed import Status

    manager = dask_worker.memory_manager
    configured = dask.config.get("distributed.worker.memory.pause")
    manager.memory_pause_fraction = (0.0 if configured is not False else False) if paused else configured
    if paused and dask_worker.status == Status.running:
        dask_worker.status = Status.paused
    elif not paused and dask_worker.status == Status.paused:
        dask_worker.status = Status.running
