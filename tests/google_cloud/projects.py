"""Projects."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

LAB = "daskfleet-lab"
LAB_NUMBER = 123456789012
"""As machines' metadata has it."""

DEFAULT_ACCOUNT = "-compute@developer.gserviceaccount.com"

NAME = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


@dataclass(frozen=True)
class Project:
    """One project."""

    name: str
    number: int
    created: float = 0.0


class Projects:
    """Those that there are: one from the beginning, and what is created."""

    def __init__(self) -> None:
        self._known = {LAB: Project(LAB, LAB_NUMBER, 1_700_000_000.0)}

    def __iter__(self) -> Iterator[Project]:
        return iter(self._known.values())

    def find(self, text: str) -> Project | None:
        """By name or number."""
        for each in self._known.values():
            if text in (each.name, str(each.number)):
                return each
        return None

    def default_account(self, name: str) -> str:
        """The service account that each project has for its machines."""
        return f"{self._known[name].number}{DEFAULT_ACCOUNT}"

    def add(self, name: str, now: float) -> Project:
        number = 200_000_000_000 + zlib.crc32(name.encode())
        self._known[name] = Project(name, number, now)
        return self._known[name]
