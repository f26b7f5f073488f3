"""Waiting, for as long as an operation has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from stand_ins.core.errors import Cancelled, Refused

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The time of one operation."""

    deadline: float
    cancelled: threading.Event

    def pauses(self, what: str) -> Iterator[None]:
        """Yields at once and then after growing pauses, until the time of the operation is up."""
        pause = FIRST_PAUSE
        while True:
            if self.cancelled.is_set():
                raise Cancelled
            yield
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise Refused(f"timeout while waiting for {what}")
            self.cancelled.wait(min(pause, left))
            pause = min(pause * 1.6, LONGEST_PAUSE)

    def wait_for(self, what: str, probe: Callable[[], T | None]) -> T:
        """The first answer of `probe` that is one."""
        for _ in self.pauses(what):
            if (answer := probe()) is not None:
                return answer
        raise AssertionError("the pauses ended without an error")

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Until `condition` holds."""
        self.wait_for(what, lambda: True if condition() else None)

    def retry(self, what: str, passes: Callable[[Exception], bool], action: Callable[[], T]) -> T:
        """`action`, again while its error is one that `passes`; the last such error when time is up."""
        last: Exception | None = None
        try:
            for _ in self.pauses(what):
                try:
                    return action()
                except Exception as error:
                    if not passes(error):
                        raise
                    last = error
        except Refused:
            if last is None:
                raise
            raise last from None
        raise AssertionError("the pauses ended without an error")
