"""Which mounts let a person who is not root use this project's Python at the same path as outside."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[2]

READ, PASS = 0o004, 0o001

Step = list[str | bool]
"""What the first process of a place does: `["tmpfs", PATH, OPTIONS]` or `["bind", PATH, SOURCE, WRITABLE]`."""


def find_needed() -> list[Path]:
    """The folders that this Python and the project are in, and those in which it finds modules."""
    modules = [path for path in map(Path, sys.path) if path.is_absolute() and path.is_dir()]
    named = [Path(sys.prefix), Path(sys.base_prefix), PROJECT, *modules]
    # A link is followed to the end, and to a folder's own name: either may be what is looked up inside.
    resolved = [path.resolve() for path in named] + [Path(sys.executable).resolve().parents[1]]
    return sorted({*named, *resolved}, key=lambda path: (len(path.parts), path))


def plan_sight(needed: Iterable[Path], private: Sequence[Path]) -> list[Step]:
    """Steps that make folders visible at their own paths, read-only, and nothing else beside them.

    Args:
        needed: the folders; outer ones first.
        private: folders that are empty file systems by then.
    """
    steps: list[Step] = []
    hidden = list(private)
    """Folders in which nothing of this computer is seen, but for what is bound."""
    bound: list[Path] = []
    for path in needed:
        seen_from = max((each for each in bound if path.is_relative_to(each)), default=Path("/"), key=_depth)
        way = [each for each in (path, *path.parents) if each != seen_from and each.is_relative_to(seen_from)]
        closed = min((each for each in way if not _lets(each, PASS)), default=None, key=_depth)
        covered = any(path.is_relative_to(each) and _depth(each) > _depth(seen_from) for each in hidden)
        if closed is None and not covered:
            continue
        if closed is not None and not covered:
            steps.append(["tmpfs", str(closed), "mode=755"])
            hidden.append(closed)
        # Bound as a whole, a closed folder would be as closed as it is.
        parts = [path] if _lets(path, PASS | READ) else [part for part in sorted(path.iterdir()) if part.exists()]
        steps += [["bind", str(part), str(part), False] for part in parts]
        bound.append(path)
    return steps


def _depth(path: Path) -> int:
    return len(path.parts)


def _lets(folder: Path, rights: int) -> bool:
    """Whether those who neither own a folder nor are in its group have these rights to it."""
    return folder.stat().st_mode & rights == rights
