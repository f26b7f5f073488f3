"""Whether Azure says what it was told: else a test would say something about a cloud that nobody looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

UNTOLD = ("adminPassword", "createMode", "customData", "protectedSettings", "userData", "value")
"""What Azure takes and tells nobody."""


def find_lost(wanted: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of what was asked for, and is not there or is otherwise; what Azure added is no matter."""
    for name, value in wanted.items():
        if name not in UNTOLD and value not in (None, [], {}):
            yield from _compare(value, found.get(name), f"{path}{name}")


def _compare(wanted: Any, found: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        yield from find_lost(wanted, found, f"{path}.")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        if all(isinstance(item, str) for item in (*wanted, *found)):
            if sorted(map(_normalize, wanted)) != sorted(map(_normalize, found)):
                yield path
        else:
            for index, pair in enumerate(zip(wanted, found, strict=True)):
                yield from _compare(*pair, f"{path}[{index}]")
    elif _normalize(wanted) != _normalize(found):
        yield path


def _normalize(value: Any) -> Any:
    """Ids and locations mean the same however they are spelled."""
    return value.lower().replace(" ", "") if isinstance(value, str) else value
