"""Field types that the specs of all providers share.

Each refuses with a `PydanticCustomError` whose context holds the remedy, so that the reason and the way out are
written once, beside the rule.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

NAME_LIMIT = 40
"""Longest name of a fleet or a worker group: it is part of cloud names, the shortest of which end at 63 characters."""

NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"

MAX_WORKERS = 10_000
"""More workers in a group than one Dask scheduler has been seen to serve is a slip of the keyboard."""

MAX_THREADS = 1024
MIN_MEMORY = 64 * 2**20
"""A worker that imports Dask holds about this much before its first task."""


def refuse(reason: str, remedy: str) -> PydanticCustomError:
    """The error for a value that is refused, with its way out."""
    # Braces would be read as the template's own.
    return PydanticCustomError(
        "refused",
        reason.replace("{", "(").replace("}", ")"),
        {"remedy": remedy},
    )


def check_name(value: Any) -> str:
    """Validate the name of a fleet or a worker group."""
    if not isinstance(value, str):
        raise refuse(f"a name is text, not {_kind(value)}", "put it in quotes, or choose another")
    if len(value) > NAME_LIMIT:
        raise refuse(f"{len(value)} characters, a name has at most {NAME_LIMIT}", "choose a shorter one")
    if not re.match(NAME_PATTERN, value):
        near = _suggest_name(value)
        raise refuse(
            "a name has lower-case letters a to z, digits and hyphens, begins with a letter and ends with no hyphen",
            f"choose another, such as '{near}'" if near else "choose another, such as 'research'",
        )
    return value


def _suggest_name(value: str) -> str | None:
    near = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-0123456789")[:NAME_LIMIT].strip("-")
    return near or None


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)


def check_count(value: Any) -> int | Literal["auto"]:
    """Validate a number of workers."""
    if isinstance(value, dict) and set(value) <= {"min", "max"}:
        raise refuse(
            "autoscaled counts are not available yet",
            "give a number, or call Fleet.adapt(minimum=…, maximum=…) from Python",
        )
    if value == "auto" and isinstance(value, str):
        return "auto"
    return _check_int(value, 0, MAX_WORKERS, "a number of workers", "or 'auto'")


def check_threads(value: Any) -> int | Literal["auto"]:
    """Validate a number of threads of a worker."""
    if value == "auto" and isinstance(value, str):
        return "auto"
    return _check_int(value, 1, MAX_THREADS, "a number of threads", "or 'auto'")


def check_port(value: Any) -> int | Literal["auto"]:
    """Validate a TCP port that an ordinary user may listen on."""
    if value == "auto" and isinstance(value, str):
        return "auto"
    return _check_int(value, 1024, 65535, "a port", "or 'auto'")


def _check_int(value: Any, low: int, high: int, what: str, other: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(
            f"{what} is a whole number, not {_kind(value) if not isinstance(value, float) else 'a fraction'}"
            if not isinstance(value, str)
            else f"{what} is a whole number, not text",
            f"give a whole number from {low} to {high}, {other}",
        )
    if not low <= value <= high:
        raise refuse(
            f"{what} is at least {low} and at most {high}", f"give a whole number from {low} to {high}, {other}"
        )
    return value


_BYTES = TypeAdapter(ByteSize)


def check_memory(value: Any) -> int | Literal["auto"]:
    """Validate a memory limit; returns bytes, 0 for none."""
    remedy = "give a size such as 4GiB or 500MB, 0 for no limit, or 'auto'"
    if value == "auto" and isinstance(value, str):
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise refuse(f"a memory limit is a size, not {_kind(value)}", remedy)
    try:
        size = int(_BYTES.validate_python(value))
    except ValidationError:
        raise refuse("this is no size in bytes", remedy) from None
    if size == 0:
        return 0
    if size < MIN_MEMORY:
        raise refuse(f"a worker needs at least {MIN_MEMORY >> 20}MiB to start", remedy)
    return size


def check_resources(value: Any) -> dict[str, float]:
    """Validate Dask resources: a positive number for each name."""
    remedy = "give a mapping of names to positive numbers, such as {GPU: 1}"
    if not isinstance(value, dict):
        raise refuse(f"resources are a mapping, not {_kind(value)}", remedy)
    for name, amount in value.items():
        if not isinstance(name, str) or not name:
            raise refuse(f"the resource name {name!r} is not text", remedy)
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount < float("inf"):
            raise refuse(f"the amount of resource {name!r} is {amount!r}", remedy)
    return {name: float(amount) for name, amount in value.items()}


def check_tags(value: Any) -> dict[str, str]:
    """Validate tags, within the limits of the strictest cloud (63 characters, GCP labels)."""
    remedy = "give a mapping of names to text, such as {team: climate}"
    if not isinstance(value, dict):
        raise refuse(f"tags are a mapping, not {_kind(value)}", remedy)
    for name, text in value.items():
        if not isinstance(name, str) or not re.match(r"^[a-z][a-z0-9_-]{0,62}$", name):
            raise refuse(
                f"the tag name {name!r} is not made of 1 to 63 lower-case letters, digits, hyphens and underscores",
                remedy,
            )
        if not isinstance(text, str) or len(text) > 63:
            raise refuse(f"the tag {name!r} is not text of at most 63 characters", remedy)
    return dict(value)


_AUTO = {"const": "auto"}

Name = Annotated[
    str,
    BeforeValidator(check_name),
    WithJsonSchema({"type": "string", "pattern": NAME_PATTERN, "maxLength": NAME_LIMIT}),
]
Count = Annotated[
    int | Literal["auto"],
    BeforeValidator(check_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_WORKERS}, _AUTO]}),
]
Threads = Annotated[
    int | Literal["auto"],
    BeforeValidator(check_threads),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_THREADS}, _AUTO]}),
]
Port = Annotated[
    int | Literal["auto"],
    BeforeValidator(check_port),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1024, "maximum": 65535}, _AUTO]}),
]
Memory = Annotated[
    int | Literal["auto"],
    BeforeValidator(check_memory),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "examples": ["4GiB", "auto"]}]}),
]
Resources = Annotated[
    dict[str, float],
    BeforeValidator(check_resources),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}),
]
Tags = Annotated[
    dict[str, str],
    BeforeValidator(check_tags),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}),
]
