"""What the real SDK says of a type's properties, and whether given ones agree with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stand_ins.core.wire import Unknown

SCHEMAS = Path(__file__).parents[1] / "schemas"


@dataclass(frozen=True)
class Problem:
    """What is wrong with the property at `path`."""

    path: str
    reason: str


@dataclass(frozen=True)
class Member:
    """A property that a program may give."""

    kind: Any
    """A type's name, `[item]`, `{"*": item}`, or an object's properties."""
    required: bool
    computed: bool
    """The provider decides it where the program does not."""


@dataclass(frozen=True)
class TypeSchema:
    """A resource's or a function's properties."""

    raw: Mapping[str, Any]

    @cached_property
    def inputs(self) -> dict[str, Member]:
        return parse_members(self.raw["inputs"])

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """What only the provider can say."""
        return dict(self.raw["outputs"])


@dataclass(frozen=True)
class Schema:
    """Of one plugin."""

    provider: dict[str, Member]
    resources: dict[str, TypeSchema]
    functions: dict[str, TypeSchema]


def load_schema(name: str) -> Schema:
    """As `python -m stand_ins.sdk` wrote it."""
    raw = json.loads((SCHEMAS / f"{name}.json").read_bytes())
    return Schema(
        parse_members(raw["provider"]),
        {token: TypeSchema(value) for token, value in raw["resources"].items()},
        {token: TypeSchema(value) for token, value in raw["functions"].items()},
    )


def parse_members(raw: Mapping[str, Any]) -> dict[str, Member]:
    """An object's properties: `name!` is required, `name~` is decided by the provider where it is left out."""
    return {key.rstrip("!~"): Member(kind, key.endswith("!"), key.endswith("~")) for key, kind in raw.items()}


def find_problems(members: Mapping[str, Member], given: Mapping[str, Any], path: str = "") -> Iterator[Problem]:
    """Unknown names, missing required ones, values of another type; `given` holds no `Secret`."""
    for name, value in given.items():
        if name not in members:
            near = ", ".join(sorted(members))
            yield Problem(f"{path}{name}", f"the SDK has no such property; it has {near}")
        elif value is not None:
            yield from _find_mismatches(members[name].kind, value, f"{path}{name}")
    for name, member in members.items():
        if member.required and given.get(name) is None:
            yield Problem(f"{path}{name}", f'Missing required argument. The argument "{path}{name}" is required')


PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def _find_mismatches(kind: Any, value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, Unknown) or kind == "any":
        return
    if isinstance(kind, str):
        if not isinstance(value, PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield Problem(path, f"{value!r} is no {kind}")
    elif isinstance(kind, list):
        if not isinstance(value, list):
            yield Problem(path, f"{value!r} is no list")
            return
        for index, item in enumerate(value):
            yield from _find_mismatches(kind[0], item, f"{path}[{index}]")
    elif not isinstance(value, dict):
        yield Problem(path, f"{value!r} is no object")
    elif "*" in kind:
        for key, item in value.items():
            yield from _find_mismatches(kind["*"], item, f"{path}.{key}")
    else:
        yield from find_problems(parse_members(kind), value, f"{path}.")
