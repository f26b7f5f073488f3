"""What changes between two sets of inputs: the real provider compares what programs said, not Azure's state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """At one path."""

    path: str
    kind: str
    """`ADD`, `DELETE` or `UPDATE`."""
    replace: bool

    @property
    def name(self) -> str:
        """Of the top-level property, with its index where the real provider leaves it."""
        return self.path.partition(".")[0]


def find_changes(fixed: Collection[str], old: Properties, new: Properties, state: Properties) -> Iterator[Change]:
    """How `new` differs from `old`; a change of what is `fixed` needs another one."""
    for change in _compare_objects(fixed, old, new):
        known = change.path in state and state[change.path] == new.get(change.path)
        if change.kind == "ADD" and change.replace and known:  # what Azure had decided is now said
            yield Change(change.path, change.kind, replace=False)
        elif not (change.path == "location" and same_location(old.get("location"), new.get("location"))):
            yield change


def _compare_objects(
    fixed: Collection[str], old: Properties, new: Properties, base: str = "", rule: str = ""
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        path, key = f"{base}{name}", f"{rule}{name}"
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            if before is not after:
                yield Change(path, "ADD" if before is None else "DELETE", key in fixed)
        elif before != after:
            yield from _compare(fixed, before, after, path, key)


def _compare(fixed: Collection[str], old: Any, new: Any, path: str, key: str) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for change in _compare_objects(fixed, old, new, f"{path}.", f"{key}."):
            inherited = change.kind == "UPDATE" and key in fixed
            yield Change(change.path, change.kind, change.replace or inherited)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            place = f"{path}[{index}]"
            if index >= len(old) or index >= len(new):
                yield Change(place, "ADD" if index >= len(old) else "DELETE", replace=False)
            elif old[index] != new[index]:
                yield from _compare(fixed, old[index], new[index], place, f"{key}[]")
    else:
        yield Change(path, "UPDATE", key in fixed)


def same_location(old: Any, new: Any) -> bool:
    """Whether two spellings mean one location: `West Europe`, `westeurope`."""
    return isinstance(old, str) and isinstance(new, str) and normalize_location(old) == normalize_location(new)


def normalize_location(location: str) -> str:
    """As ARM itself spells it."""
    return location.lower().replace(" ", "")


def apply_changes(inputs: Properties, old: Properties, new: Properties) -> dict[str, Any]:
    """`inputs` with what changed in Azure meanwhile: where `old` and `new` differ, outputs in the way of inputs.

    What is the same there stays as the program spelled it, or left it out.
    """
    result = {name: value for name, value in inputs.items() if name not in old or name in new}
    for name, value in new.items():
        if name not in old:
            result[name] = value
        elif old[name] != value:
            result[name] = _apply(inputs[name], old[name], value) if name in inputs else value
    return result


def _apply(base: Any, old: Any, new: Any) -> Any:
    if isinstance(base, dict) and isinstance(old, dict) and isinstance(new, dict):
        return apply_changes(base, old, new)
    if isinstance(base, list) and isinstance(old, list) and isinstance(new, list):
        return [
            item if index >= len(base) or index >= len(old) else _apply_same(base[index], old[index], item)
            for index, item in enumerate(new)
        ]
    return new


def _apply_same(base: Any, old: Any, new: Any) -> Any:
    return base if old == new else _apply(base, old, new)
