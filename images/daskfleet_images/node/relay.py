"""From the worker processes' log to the node process, which alone sends it: over a socket in a private folder.

Nothing waits: what does not fit is left out here, and stays in the journal. Every worker process imports this file, so
it imports next to nothing: not pydantic, not the rest of the node runtime.
"""

from __future__ import annotations

import asyncio
import json
import logging
import logging.handlers
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger("daskfleet.node")

VARIABLE = "DASKFLEET_LOG_SOCKET"
"""Where a worker finds the path of the socket."""

MOST_CHARACTERS = 16 * 1024


class RelayHandler(logging.handlers.DatagramHandler):
    """Sends each record as one datagram."""

    def __init__(self, path: str) -> None:
        super().__init__(path, None)

    def makePickle(self, record: logging.LogRecord) -> bytes:  # noqa: N802
        """JSON instead: unpickling would run what a worker sends."""
        text = self.format(record)[:MOST_CHARACTERS]
        data = {"name": record.name, "level": record.levelno, "created": record.created, "text": text}
        return json.dumps(data, ensure_ascii=False).encode(errors="replace")

    def makeSocket(self, timeout: float = 0) -> socket.socket:  # noqa: N802
        made = super().makeSocket()
        made.setblocking(False)
        return made

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """The node process is busy, or gone; the journal has the record."""


def dask_setup(_worker: Any) -> None:
    """As a preload of a worker: send Dask's log to the node process."""
    path = os.environ.get(VARIABLE)
    if path:
        logging.getLogger("distributed").addHandler(RelayHandler(path))


def parse_record(data: bytes) -> logging.LogRecord | None:
    """The record in a datagram; `None` if there is none."""
    try:
        values = json.loads(data)
        name, level, created, text = (values[key] for key in ("name", "level", "created", "text"))
        fields = {"name": str(name), "levelno": int(level), "levelname": logging.getLevelName(int(level))}
        return logging.makeLogRecord({**fields, "created": float(created), "msg": str(text)})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, handle: Callable[[logging.LogRecord], object]) -> None:
        self._handle = handle

    def datagram_received(self, data: bytes, _address: object) -> None:
        record = parse_record(data)
        if record is not None:
            self._handle(record)


@asynccontextmanager
async def receive_records(handle: Callable[[logging.LogRecord], object]) -> AsyncIterator[str | None]:
    """The path of a socket, of which every record goes to `handle`; `None` where none can be made."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="daskfleet-", ignore_cleanup_errors=True)  # 0700
    except OSError as error:
        logger.warning("the workers' log is not sent: no folder for its socket can be made: %s", error.strerror)
        yield None
        return
    with folder as name:
        path = str(Path(name) / "log")
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Receiver(handle), local_addr=path, family=socket.AF_UNIX
            )
        except (OSError, ValueError) as error:  # Such as a path that is too long.
            logger.warning("the workers' log is not sent: no socket can be made at %s: %s", path, error)
            yield None
            return
        try:
            yield path
        finally:
            transport.close()
