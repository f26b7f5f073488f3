"""Trying again, with growing pauses, what a machine that has just started may have to wait for."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from daskfleet_images.node.errors import NodeFailed, NotYet

logger = logging.getLogger("daskfleet.node")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

Result = TypeVar("Result")


def grow_pauses(chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling, and by up to a quarter shorter or longer.

    A thousand machines that start together must not ask together.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * (0.75 + chance() / 2)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def keep_trying(
    attempt: Callable[[], Result],
    what: str,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """What `attempt` returns, tried until it raises no `NotYet`, for `seconds`; 0 tries once.

    Each new kind of failure is told in the log once.

    Raises:
        NodeFailed: the time is over; `what` says what could not be done.
    """
    end, told = clock() + seconds, set()
    for pause in grow_pauses():
        try:
            return attempt()
        except NotYet as failure:
            left = end - clock()
            if left <= 0:
                tried = f" in {seconds:g} s" if seconds else ""
                raise NodeFailed(f"{what}{tried}: {failure.reason}; {failure.remedy}") from None
            if failure.kind not in told:
                told.add(failure.kind)
                logger.warning("%s yet: %s; trying for another %.0f s", what, failure.reason, left)
            sleep(min(pause, left))
    raise AssertionError("pauses do not end")
