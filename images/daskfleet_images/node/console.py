"""The node's log: for a person with the time, for the journal of systemd with the priority.

The journal has a time of its own, takes the priority from a prefix of each line (sd-daemon(3)), and passes what is
notable on to the machine's console.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

ERROR, WARNING, NOTICE, INFO, DEBUG = 3, 4, 5, 6, 7
"""Priorities of syslog(3)."""

PERSON_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
JOURNAL_FORMAT = "%(name)s - %(levelname)s - %(message)s"

NOTABLE = {"priority": NOTICE}
"""`extra` of a log record that the console should show, though it is no warning."""


class JournalFormatter(logging.Formatter):
    """Puts the priority before each line of a record."""

    def __init__(self) -> None:
        super().__init__(JOURNAL_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        priority = getattr(record, "priority", None) or find_priority(record.levelno)
        return prefix_lines(super().format(record), priority)


def find_priority(level: int) -> int:
    """The syslog priority that stands for a level of `logging`."""
    if level >= logging.ERROR:
        return ERROR
    if level >= logging.WARNING:
        return WARNING
    return INFO if level >= logging.INFO else DEBUG


def prefix_lines(text: str, priority: int) -> str:
    """The text with the priority before each line: the journal takes lines, not records."""
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


def is_journal(stream: str, descriptor: int = 2) -> bool:
    """Whether the descriptor is the journal, which `$JOURNAL_STREAM` names by device and inode (systemd.exec(5))."""
    if not stream:
        return False
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def writes_to_journal() -> bool:
    """Whether this process's standard error is the journal."""
    return is_journal(os.environ.get("JOURNAL_STREAM", ""))


def set_up_logging() -> None:
    """Send the log to standard error, as whoever reads there wants it."""
    handler = logging.StreamHandler()
    handler.setFormatter(JournalFormatter() if writes_to_journal() else logging.Formatter(PERSON_FORMAT))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def tell_error(text: str) -> None:
    """Print one line that says why there will be no node."""
    line = f"daskfleet-node: {text}"
    print(prefix_lines(line, ERROR) if writes_to_journal() else line, file=sys.stderr)


def dask_setup(_worker: Any) -> None:
    """As a preload of a worker in the journal: its process has Dask's own log handlers, which know no priority."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(JournalFormatter())
