"""What worker groups of any provider must be beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daskfleet_stacks.spec.problems import Path, Problem


def find_group_conflicts(groups: Any) -> list[Problem]:
    """Groups of one name, and one of the scheduler's."""
    if not isinstance(groups, list | tuple):
        return []
    problems = []
    seen: list[object] = []
    for index, group in enumerate(groups):
        if not isinstance(group, Mapping):
            continue
        name = group.get("name")
        path: Path = ("workers", index, "name")
        if name is not None and name in seen:
            problems.append(Problem(path, "another group has this name", "give each group its own", name, True))
        seen.append(name)
        if name == "scheduler":
            problems.append(Problem(path, "this is the name of the scheduler's own node", "choose another", name, True))
    return problems
