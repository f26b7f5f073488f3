"""Phase marks: what a node has got to, and when.

A node writes one JSON object a line. Reading is a pure function of the lines, so that a mark cut in half by a full
disk or a kill is one mark less, never an error.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from daskfleet_images.node.console import NOTABLE

if TYPE_CHECKING:
    from daskfleet_images.node.notify import Notifier

logger = logging.getLogger("daskfleet.node")

Phase = Literal["kernel", "booted", "document", "secrets", "daemon", "registered", "left", "failed", "stopped"]
"""`kernel` the machine started (only where the node is its first since then) · `booted` the process runs ·
`document` it has read what to be · `secrets` its TLS material is there · `daemon` Dask listens · `registered` the
scheduler knows it · `left` a worker is gone · `failed` something went wrong, with the detail · `stopped` the node ended
in order."""

PHASES: tuple[str, ...] = get_args(Phase)


@dataclass(frozen=True)
class Mark:
    """One phase mark; `time` is in seconds since the epoch."""

    phase: Phase
    time: float
    worker: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class NodeMarks:
    """The marks of a node since it last started."""

    phases: dict[str, float] = field(default_factory=dict)
    """First time of each phase."""
    registered: dict[str, float] = field(default_factory=dict)
    """Workers that are registered now, with the time."""
    failure: str | None = None
    """What went wrong last, if nothing has gone right since."""


class MarkWriter:
    """Writes phase marks to the log, to systemd where it listens and, where the document says so, to a file."""

    def __init__(self, notifier: Notifier | None = None) -> None:
        self._pending: list[Mark] | None = []
        self._path: Path | None = None
        self._notifier = notifier

    def write_to(self, path: Path | None) -> list[Mark]:
        """Write the marks to `path` from now on, those before included, and return these; what the last life left goes.

        Where it left something, this is not the machine's first node, and when the machine started does not matter.
        """
        self._path, earlier, self._pending = path, self._pending or [], None
        if path is not None:
            with contextlib.suppress(OSError):
                if path.exists():
                    earlier = [mark for mark in earlier if mark.phase != "kernel"]
                path.write_text("")
        for mark in earlier:
            self._append(mark)
        return earlier

    def mark(
        self, phase: Phase, *, worker: str | None = None, detail: str | None = None, at: float | None = None
    ) -> None:
        """Record that `phase` was reached, now or at `at` (seconds since the epoch)."""
        mark = Mark(phase, time.time() if at is None else at, worker, detail)
        words = " ".join(part for part in (phase, worker, detail) if part)
        # A worker that comes and goes would fill the console, which has room for little.
        extra = {"mark": mark} if phase in ("failed", "left") else {"mark": mark, **NOTABLE}
        logger.log(logging.ERROR if phase == "failed" else logging.INFO, "phase: %s", words, extra=extra)
        if self._notifier is not None:
            ready = {"READY": 1} if phase == "daemon" else {}
            self._notifier.send(**ready, STATUS=words)
        if self._pending is not None:
            self._pending.append(mark)
        else:
            self._append(mark)

    def _append(self, mark: Mark) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(render_mark(mark))
        except OSError as error:  # A full disk must not stop a node that computes: the mark is in the log.
            logger.warning("the phase mark cannot be written to %s: %s", self._path, error.strerror)


def describe_mark(mark: Mark) -> dict[str, str | float]:
    """What stands for `mark`; without what it does not say."""
    data = {"phase": mark.phase, "time": round(mark.time, 3), "worker": mark.worker, "detail": mark.detail}
    return {key: value for key, value in data.items() if value is not None}


def render_mark(mark: Mark) -> str:
    """The line that stands for `mark`."""
    return json.dumps(describe_mark(mark)) + "\n"


def parse_marks(lines: Iterable[str]) -> list[Mark]:
    """The marks in `lines`; a line that is no mark is passed over."""
    marks = []
    for line in lines:
        try:
            mark = Mark(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        texts = (mark.phase, mark.worker or "", mark.detail or "")
        if all(isinstance(each, str) for each in texts) and isinstance(mark.time, int | float) and mark.phase in PHASES:
            marks.append(mark)
    return marks


def replay_marks(marks: Iterable[Mark]) -> NodeMarks:
    """What the marks say about the node now: only those since its last `booted` count, and the `kernel` before it."""
    phases: dict[str, float] = {}
    kernel: Mark | None = None
    registered: dict[str, float] = {}
    failure: str | None = None
    for mark in marks:
        if mark.phase == "booted":
            phases, registered, failure = {} if kernel is None else {"kernel": kernel.time}, {}, None
        kernel = mark if mark.phase == "kernel" else None
        phases.setdefault(mark.phase, mark.time)
        if mark.phase == "failed":
            failure = mark.detail
        elif mark.phase == "registered":
            failure = None
            if mark.worker is not None:
                registered[mark.worker] = mark.time
        elif mark.phase == "left" and mark.worker is not None:
            registered.pop(mark.worker, None)
        elif mark.phase == "stopped":
            registered = {}
    return NodeMarks(phases, registered, failure)


def read_marks(path: Path) -> NodeMarks:
    """The state that the marks file at `path` tells; a missing file is a node that has not started."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return NodeMarks()
    return replay_marks(parse_marks(text.splitlines()))
