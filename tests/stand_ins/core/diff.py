"""What changes between a resource's state and what a program wants, as Terraform's plan decides it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stand_ins.core.resource import Resource
from stand_ins.core.schema import Member, TypeSchema, parse_members
from stand_ins.core.wire import holds_unknown


@dataclass(frozen=True)
class Change:
    """Of one top-level property."""

    name: str
    paths: tuple[tuple[str, str], ...]
    """Where, exactly, and whether it is an `ADD`, a `DELETE` or an `UPDATE`."""
    replace: bool


def find_changes(
    resource: Resource[Any],
    schema: TypeSchema,
    state: Mapping[str, Any],
    wanted: Mapping[str, Any],
    ignore: Collection[str],
) -> Iterator[Change]:
    """The properties in which `wanted` differs from `state`; neither holds a `Secret`, and only `wanted` an unknown."""
    compare = Comparison(resource)
    for name in sorted({*resource.inputs, *wanted} - {"__defaults"}):
        member = schema.inputs.get(name, Member({"*": "str"}, required=False, computed=False))
        old, new = state.get(name), wanted.get(name)
        if _covers(ignore, name) or compare.same_member(name, member, old, new):
            continue
        paths = tuple(
            (path, kind) for path, kind in compare.find_paths(name, member, old, new) if not _covers(ignore, path)
        )
        if paths:
            yield Change(name, paths, resource.must_replace(name, state, wanted))
    for name in resource.find_expired(state):
        yield Change(name, ((name, "UPDATE"),), replace=True)


def _covers(ignore: Collection[str], path: str) -> bool:
    return any(path == entry or path.startswith((f"{entry}.", f"{entry}[")) for entry in ignore)


@dataclass(frozen=True)
class Comparison:
    """Of values of one resource type."""

    resource: Resource[Any]

    def same_member(self, name: str, member: Member, old: Any, new: Any) -> bool:
        if new is None:
            return member.computed or name in self.resource.lenient or is_empty(old)
        if holds_unknown(new):
            return False
        if name in self.resource.documents and isinstance(old, str) and isinstance(new, str):
            return same_document(old, new)
        return self.same(name, member.kind, old, new)

    def same(self, name: str, kind: Any, old: Any, new: Any) -> bool:
        """Whether `old` already is what `new` asks for; `name` is the nearest property's."""
        if is_empty(old) and is_empty(new):
            return True
        if isinstance(kind, list) and isinstance(old, list) and isinstance(new, list):
            return self._same_list(name, kind[0], old, new)
        if isinstance(kind, dict) and isinstance(old, dict) and isinstance(new, dict):
            if "*" in kind:
                return old == new
            return all(
                self.same_member(key, member, old.get(key), new.get(key)) for key, member in parse_members(kind).items()
            )
        if isinstance(kind, dict) and isinstance(new, dict) and old is None:
            return not new
        return self.resource.means_same(name, old, new)

    def _same_list(self, name: str, kind: Any, old: list[Any], new: list[Any]) -> bool:
        if len(old) != len(new):
            return False
        if name not in self.resource.sets:
            return all(self.same(name, kind, *pair) for pair in zip(old, new, strict=True))
        left = list(old)
        for wanted in new:
            match = next((item for item in left if self.same(name, kind, item, wanted)), None)
            if match is None:
                return False
            left.remove(match)
        return True

    def find_paths(self, name: str, member: Member, old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
        """Where `old` and `new` differ, as deep as their shapes agree."""
        path = path or name
        if is_missing(old) or is_missing(new):
            yield path, "DELETE" if is_missing(new) else "ADD"
        elif isinstance(old, dict) and isinstance(new, dict) and isinstance(member.kind, dict):
            kinds = parse_members(member.kind)
            for key in sorted({*old, *new}):
                inner = kinds.get(key, Member("str", required=False, computed=False))
                if "*" in member.kind:
                    inner = Member(member.kind["*"], required=False, computed=False)
                if not self.same_member(key, inner, old.get(key), new.get(key)):
                    yield from self.find_paths(key, inner, old.get(key), new.get(key), join(path, key))
        elif isinstance(old, list) and isinstance(new, list) and name not in self.resource.sets:
            item = Member(member.kind[0], required=False, computed=False)
            for index in range(max(len(old), len(new))):
                pair = [entries[index] if index < len(entries) else None for entries in (old, new)]
                if not self.same_member(name, item, *pair):
                    yield from self.find_paths(name, item, pair[0], pair[1], f"{path}[{index}]")
        else:
            yield path, "UPDATE"


def join(path: str, key: str) -> str:
    """A property path of Pulumi: a key that is no plain word stands in brackets."""
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"


def is_missing(value: Any) -> bool:
    """Whether there is nothing at all."""
    return value is None or value in ([], {})


def is_empty(value: Any) -> bool:
    """Whether Terraform cannot tell `value` from one that is missing."""
    return is_missing(value) or value in ("", 0)


def same_document(old: str, new: str) -> bool:
    """Whether two policies mean the same: a list of one is that one, and order means nothing."""
    try:
        return bool(_normal(json.loads(old)) == _normal(json.loads(new)))
    except ValueError:
        return old == new


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_normal(item) for item in value]
        return items[0] if len(items) == 1 else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return value
