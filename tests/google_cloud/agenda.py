"""What is to happen later: done at the first request after its time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], None]


@dataclass
class Agenda:
    """Actions by their time, in seconds since 1970."""

    _waiting: list[tuple[float, int, Action]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def add(self, when: float, action: Action) -> None:
        heapq.heappush(self._waiting, (when, next(self._numbers), action))

    def run(self, now: float) -> None:
        """Do all that is due."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, action = heapq.heappop(self._waiting)
            action()
