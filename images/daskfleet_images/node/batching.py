"""A handler that gathers the log for a sender.

Entries wait in a bounded queue until a thread has sent them, in batches and in their order.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import NamedTuple

from daskfleet_images.node.marks import Mark, describe_mark
from daskfleet_images.node.shipping import MOST_BYTES, MOST_WAITING, Sender


class Entry(NamedTuple):
    """One line of the log, or one phase mark."""

    content: bytes
    """As the destination takes it."""
    mark: Mark | None


Batch = list[Entry]


class BatchingHandler(logging.Handler, ABC):
    """Sends records. It never waits, and never raises."""

    def __init__(self, sender: Sender[Batch], *, batch_bytes: int, send_seconds: float, close_seconds: float) -> None:
        """A handler whose thread runs until it is closed.

        Args:
            batch_bytes: of one batch; a single entry may have more.
            send_seconds: how long lines are gathered before they are sent.
            close_seconds: how long the end may take.
        """
        super().__init__()
        self._sender = sender
        self._batch_bytes = batch_bytes
        self._send_seconds = send_seconds
        self._close_seconds = close_seconds
        self._waiting: deque[Entry] = deque()
        self._size = 0
        self._is_urgent = False
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log-sender", daemon=True)
        self._thread.start()

    @abstractmethod
    def render(self, record: logging.LogRecord, mark: Mark | None) -> bytes:
        """What is sent for a record; only one thread at a time asks."""

    def emit(self, record: logging.LogRecord) -> None:
        said = getattr(record, "mark", None)
        mark = said if isinstance(said, Mark) else None
        with self._changed:
            if mark is None and self._is_full():
                self._sender.lost += 1
                return
            try:
                entry = Entry(self.render(record, mark), mark)
            except Exception:
                self.handleError(record)
                return
            self._waiting.append(entry)
            self._size += len(entry.content)
            self._is_urgent |= mark is not None  # Whoever looks at the marks wants them at once.
            self._changed.notify()

    def close(self) -> None:
        """Send what is left, within some seconds."""
        if not self._is_closing:
            self._sender.hurry()
            with self._changed:
                self._is_closing = True
                self._changed.notify()
            self._thread.join(self._close_seconds)
        super().close()

    def _run(self) -> None:
        while batch := self._gather():
            self._sender.send(batch)

    def _gather(self) -> Batch:
        """The next batch, once it is time to send it; an empty one is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            self._changed.wait_for(self._must_send, self._send_seconds)
            batch: Batch = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0].content) <= self._batch_bytes):
                batch.append(self._waiting.popleft())
                size += len(batch[-1].content)
            self._size -= size
            self._is_urgent = bool(self._waiting)  # What did not fit follows at once.
            return batch

    def _is_full(self) -> bool:
        # An entry may have several times the bytes of its line: JSON writes a control character as six.
        return len(self._waiting) >= MOST_WAITING or self._size >= MOST_WAITING * MOST_BYTES

    def _must_send(self) -> bool:
        return self._is_urgent or self._is_closing or self._is_full()


def cut_mark(mark: Mark) -> dict[str, str | float]:
    """What a mark says, with each of its texts cut."""
    return {key: cut(value) if isinstance(value, str) else value for key, value in describe_mark(mark).items()}


def cut(text: str) -> str:
    """The text in as many bytes as a line may have, without what UTF-8 cannot say."""
    return text.encode(errors="replace")[:MOST_BYTES].decode(errors="ignore")
