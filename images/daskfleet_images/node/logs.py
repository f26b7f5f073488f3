"""The node's log and its phase marks to where the node document says, besides the journal.

A further destination joins with a class in `document.py`, whose `place` names it, and a function in `DESTINATIONS`,
which makes a handler of `logging` that neither waits nor raises, and whose `close` sends what is left within seconds.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from daskfleet_images.node.console import JOURNAL_FORMAT, NOTABLE
from daskfleet_images.node.document import AwsLogs, AzureLogs, GcpLogs, SchedulerDocument, WorkersDocument
from daskfleet_images.node.marks import Mark, render_mark

logger = logging.getLogger("daskfleet.node")

LOGGERS = ("daskfleet.node", "distributed")
"""What is sent; not what the libraries log that send it."""

OPEN_SECONDS = 5.0
"""How long the end waits for a destination that is not open yet."""

MOST_EARLY = 1000
"""Records that are kept for a destination until it is open."""


def open_cloud_watch(logs: AwsLogs, stream: str) -> logging.Handler:
    """Imports watchtower, and with it boto3, which only machines with this destination need."""
    from daskfleet_images.node.aws_logs import CloudWatchHandler

    return CloudWatchHandler(logs, stream)


def open_cloud_logging(logs: GcpLogs, stream: str) -> logging.Handler:
    """Imports google-auth and requests, which only machines with this destination need."""
    from daskfleet_images.node.gcp_logs import CloudLoggingHandler

    return CloudLoggingHandler(logs, stream)


def open_append_blobs(logs: AzureLogs, stream: str) -> logging.Handler:
    """Imports requests, which only machines with this destination need."""
    from daskfleet_images.node.azure_logs import AppendBlobHandler

    return AppendBlobHandler(logs, stream)


DESTINATIONS: dict[type[AwsLogs | GcpLogs | AzureLogs], Callable[[Any, str], logging.Handler]] = {
    AwsLogs: open_cloud_watch,
    GcpLogs: open_cloud_logging,
    AzureLogs: open_append_blobs,
}
"""For each kind of destination, what makes its handler."""


class EventFormatter(logging.Formatter):
    """A phase mark is the JSON line of the marks' file; everything else is text, as in the journal."""

    def __init__(self) -> None:
        super().__init__(JOURNAL_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        mark = getattr(record, "mark", None)
        return render_mark(mark).rstrip("\n") if isinstance(mark, Mark) else super().format(record)


class LogShipper(logging.Handler):
    """Takes the log from the start, and hands it on as soon as its destination is open; nobody waits for that."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[logging.LogRecord] | None = []
        self._destination: logging.Handler | None = None
        self._opening: threading.Thread | None = None

    def __bool__(self) -> bool:
        """Whether anything is sent."""
        return self._opening is not None

    def start(self, document: SchedulerDocument | WorkersDocument, earlier: Iterable[Mark]) -> None:
        """Send to where the document says, if it says so, the marks `earlier` first."""
        if document.logs is None:
            return
        for mark in earlier:
            level = {"levelno": logging.INFO, "levelname": "INFO", **NOTABLE}
            self.handle(logging.makeLogRecord({"name": logger.name, "mark": mark, "msg": mark.phase, **level}))
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)
        stream = name_stream(document, socket.gethostname())
        self._opening = threading.Thread(target=self._open, args=(document.logs, stream), name="logs", daemon=True)
        self._opening.start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._destination is not None:
            self._destination.handle(record)
        elif self._early is not None and len(self._early) < MOST_EARLY:
            self._early.append(record)

    def close(self) -> None:
        """Send what is left, within some seconds."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.join(OPEN_SECONDS)
        if self._destination is not None:
            self._destination.close()
        super().close()

    def _open(self, logs: AwsLogs | GcpLogs | AzureLogs, stream: str) -> None:
        destination = None
        try:
            destination = DESTINATIONS[type(logs)](logs, stream)
            destination.setFormatter(EventFormatter())
        except ModuleNotFoundError as error:
            logger.warning(
                "the log is not sent to %s: %s is not installed; add it to the image", logs.place, error.name
            )
        except Exception as error:  # The node goes on without.
            logger.warning("the log is not sent to %s: %s: %s", logs.place, type(error).__name__, error)
        self.acquire()
        try:
            for record in self._early or ():
                if destination is not None:
                    destination.handle(record)
            self._destination, self._early = destination, None
        finally:
            self.release()


def name_stream(document: SchedulerDocument | WorkersDocument, host_name: str) -> str:
    """`scheduler/HOST` or `GROUP/HOST`, with the host name's first part."""
    kind = document.group if isinstance(document, WorkersDocument) else document.role
    return f"{kind}/{host_name.partition('.')[0]}"
