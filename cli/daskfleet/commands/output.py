"""How commands speak: plain where a program or a file listens, in colour on a terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, TYPE_CHECKING, Any

from daskfleet.errors import FleetError
from daskfleet.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

    from daskfleet.providers.base import Confirm, Question


def print_json(data: Any) -> None:
    """Print `data` for a program."""
    print(json.dumps(data, indent=2))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with their cells in columns; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_problem(text: str) -> None:
    """Tell on standard error what went wrong."""
    mark = "\x1b[1;31merror:\x1b[0m" if has_colour(sys.stderr) else "error:"
    print(f"{mark} {text}", file=sys.stderr)


def print_note(text: str) -> None:
    """Tell on standard error something that is worth knowing."""
    mark = "\x1b[1;33mnote:\x1b[0m" if has_colour(sys.stderr) else "note:"
    print(f"{mark} {text}", file=sys.stderr)


def build_confirm(progress: Progress, *, yes: bool) -> Confirm:
    """Asks on the terminal; with `yes` it only tells. Where there is nobody to ask it refuses, with the way out."""

    def confirm(question: Question) -> bool:
        with progress.paused():
            for line in question.lines:
                print(line, file=sys.stderr)
            if yes:
                return True
            if not sys.stdin.isatty():
                raise FleetError(f"{question.refusal}: there is no terminal to ask on; say --yes.")
            import typer

            return typer.confirm(question.ask, default=False, err=True)

    return confirm


def has_colour(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that wants colour (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def build_console() -> Console:
    """A rich console on standard output."""
    from rich.console import Console

    return Console(highlight=False)


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Progress on standard error: a moving line on a terminal, plain lines elsewhere."""
    if has_colour(sys.stderr):
        with _terminal_progress() as progress:
            yield progress
    else:
        yield _PlainProgress()


class _PlainProgress:
    """A line for each step, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = ""

    def step(self, text: str) -> None:
        self._print(text)

    def count(self, what: str, done: int, total: int) -> None:
        self._print(f"{what}: {done} of {total}")

    def paused(self) -> AbstractContextManager[object]:
        return nullcontext()

    def _print(self, text: str) -> None:
        if text != self._last:
            self._last = text
            print(f"[{time.monotonic() - self._start:5.1f} s] {text}", file=sys.stderr, flush=True)


@contextmanager
def _terminal_progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
    with bar:
        yield _TerminalProgress(bar)


class _TerminalProgress:
    """One moving line: the step, and how many workers are there."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, counted="")

    def step(self, text: str) -> None:
        self._bar.update(self._task, description=text.replace("[", r"\["))

    def count(self, what: str, done: int, total: int) -> None:
        self._bar.update(
            self._task, description=f"waiting for {what}", total=total, completed=done, counted=f"{done}/{total}"
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()
