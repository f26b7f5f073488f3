"""Read the logs of nodes, and follow them while they grow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from daskfleet.providers.base import LogFile

POLL_SECONDS = 0.2


def read_last_lines(log: LogFile, count: int) -> list[str]:
    """The last `count` lines; none if there is no log yet."""
    try:
        with Path(log.path).open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


def follow_logs(
    logs: list[LogFile], lines: int, *, is_over: Callable[[], bool] = lambda: False
) -> Iterator[tuple[str, str]]:
    """The last `lines` of each log, then what is added, as pairs of node and line, until `is_over`.

    A log that is rotated is followed into its new file.
    """
    followers = [_Follower(log) for log in logs]
    for follower in followers:
        for line in read_last_lines(follower.log, lines):
            yield follower.log.node, line
        follower.skip_to_end()
    while True:
        over = is_over()  # Asked before reading: what was written until then is still told.
        for follower in followers:
            for line in follower.read_new():
                yield follower.log.node, line
        if over:
            return
        time.sleep(POLL_SECONDS)


class _Follower:
    """Reads what is added to one log."""

    def __init__(self, log: LogFile) -> None:
        self.log = log
        self._position = 0
        self._inode: int | None = None
        self._rest = ""

    def skip_to_end(self) -> None:
        """Pass over what is there."""
        try:
            status = Path(self.log.path).stat()
        except FileNotFoundError:
            return
        self._inode, self._position = status.st_ino, status.st_size

    def read_new(self) -> list[str]:
        """The whole lines that were added since."""
        try:
            with Path(self.log.path).open(encoding="utf-8", errors="replace", newline="") as file:
                status = Path(self.log.path).stat()
                if status.st_ino != self._inode or status.st_size < self._position:
                    self._inode, self._position, self._rest = status.st_ino, 0, ""
                file.seek(self._position)
                text = self._rest + file.read()
                self._position = file.tell()
        except FileNotFoundError:
            return []
        *whole, self._rest = text.split("\n")
        return whole
