"""How long work tells how far it is."""

from __future__ import annotations

import contextlib
from typing import Protocol


class Progress(Protocol):
    """Where long work tells how far it is."""

    def step(self, text: str) -> None:
        """A step has begun, or something happened that a person wants to know."""

    def count(self, what: str, done: int, total: int) -> None:
        """`done` of `total` are there."""

    def paused(self) -> contextlib.AbstractContextManager[object]:
        """Leave the terminal to a question meanwhile."""
        ...


class Quiet:
    """Progress that nobody watches."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def count(self, what: str, done: int, total: int) -> None:
        """Say nothing."""

    def paused(self) -> contextlib.AbstractContextManager[object]:
        """Nothing is in the way."""
        return contextlib.nullcontext()
