"""Read logs that are files of this machine, and follow them while they grow."""

from __future__ import annotations

import codecs
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class LogFile:
    """The log of one node, growing at the end; `path` on this machine."""

    node: str
    path: str


def read_log_files(logs: list[LogFile], lines: int) -> Iterator[tuple[str, str]]:
    """The last `lines` of each log, as pairs of node and line."""
    for log in logs:
        for line in read_last_lines(log, lines):
            yield log.node, line


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
    try:
        while True:
            over = is_over()  # Asked before reading: what was written until then is still told.
            for follower in followers:
                for line in follower.read_new():
                    yield follower.log.node, line
            if over:
                return
            time.sleep(POLL_SECONDS)
    finally:
        for follower in followers:
            follower.close()


class _Follower:
    """Reads what is added to one log. It holds the file open, so that the end of a rotated one is not lost."""

    def __init__(self, log: LogFile) -> None:
        self.log = log
        self._file: BinaryIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def skip_to_end(self) -> None:
        """Pass over what is there."""
        self._file = self._open()
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def read_new(self) -> list[str]:
        """The whole lines that were added since."""
        lines = self._read_open_file()
        try:
            status = Path(self.log.path).stat()
        except FileNotFoundError:
            return lines
        if self._file is None or not os.path.samestat(status, os.fstat(self._file.fileno())):
            self.close()
            self._file = self._open()
            lines += self._read_open_file()
        return lines

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._decoder.reset()
        self._rest = ""

    def _open(self) -> BinaryIO | None:
        try:
            return Path(self.log.path).open("rb")
        except FileNotFoundError:
            return None

    def _read_open_file(self) -> list[str]:
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # It was emptied in place.
            self._file.seek(0)
            self._decoder.reset()
            self._rest = ""
        *whole, self._rest = (self._rest + self._decoder.decode(self._file.read())).split("\n")
        return whole
