"""Problems of a fleet spec: each with its place, its value, the reason and the remedy; all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a value in a document."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec."""

    path: Path
    reason: str
    remedy: str
    value: Any = None
    has_value: bool = False
    line: int | None = None
    """Line in the file, counted from 1."""

    def render(self, source: str | None = None) -> str:
        """`fleet.yaml:7: workers[0].count: -1: the reason; the remedy`."""
        place = f"{source}:{self.line}: " if source and self.line else f"{source}: " if source else ""
        value = f" {render_value(self.value)}:" if self.has_value else ""
        return make_printable(f"{place}{render_path(self.path)}:{value} {self.reason}; {self.remedy}")


class SpecError(ValueError):
    """A fleet spec is not valid; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(problem.render(source) for problem in self.problems))


def render_path(path: Path) -> str:
    """`workers[0].threads`; the whole document is `fleet`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "fleet"


def render_value(value: Any, limit: int = 60) -> str:
    """A value as a person wrote it, shortened."""
    text = repr(value) if isinstance(value, str) else _plain(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def make_printable(text: str) -> str:
    """The text in one line, harmless to a terminal: what cannot be printed is escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode("ascii") for each in text
    )


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except ValueError:  # Python writes no number of more than 4,300 digits.
        return "a number of thousands of digits"


def find_nearest(word: str, possible: Iterable[str]) -> str | None:
    """The possible word that `word` most likely stands for, if any is near."""
    matches = difflib.get_close_matches(word.lower(), list(possible), n=1, cutoff=0.6)
    return matches[0] if matches else None
