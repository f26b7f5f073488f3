"""Field types that the specs of all providers share.

Each refuses with a `PydanticCustomError` whose context holds the remedy, so that the reason and the way out are
written once, beside the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

NAME_LIMIT = 40
"""Longest name of a fleet or a worker group: it is part of cloud names, the shortest of which end at 63 characters."""

NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"

TAG_PATTERN = r"[a-z][a-z0-9_-]{0,62}"
TAG_LIMIT = 63

MAX_WORKERS = 10_000
"""More workers in a group than one Dask scheduler has been seen to serve is a slip of the keyboard."""

MAX_THREADS = 1024
MAX_MEMORY = 2**60
MAX_AMOUNT = 1e15
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
    if not re.fullmatch(NAME_PATTERN, value):
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
    _refuse_autoscaling(value)
    if value == "auto" and isinstance(value, str):
        return "auto"
    return check_int(value, 0, MAX_WORKERS, "a number of workers", "or 'auto'")


def check_instances(value: Any) -> int:
    """Validate a number of machines."""
    _refuse_autoscaling(value)
    return check_int(value, 0, MAX_WORKERS, "a number of instances")


def _refuse_autoscaling(value: Any) -> None:
    if isinstance(value, dict) and set(value) <= {"min", "max"}:
        raise refuse(
            "autoscaled counts are not available yet",
            "give a number, or call Fleet.adapt(minimum=…, maximum=…) from Python",
        )


def check_threads(value: Any) -> int | Literal["auto"]:
    """Validate a number of threads of a worker."""
    if value == "auto" and isinstance(value, str):
        return "auto"
    return check_int(value, 1, MAX_THREADS, "a number of threads", "or 'auto'")


def check_port(value: Any) -> int | Literal["auto"]:
    """Validate a TCP port that an ordinary user may listen on."""
    if value == "auto" and isinstance(value, str):
        return "auto"
    return check_int(value, 1024, 65535, "a port", "or 'auto'")


def check_int(value: Any, low: int, high: int, what: str, other: str = "") -> int:
    """Validate a whole number between two others."""
    remedy = f"give a whole number from {low} to {high}{', ' if other else ''}{other}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(
            f"{what} is a whole number, not {_kind(value) if not isinstance(value, float) else 'a fraction'}"
            if not isinstance(value, str)
            else f"{what} is a whole number, not text",
            remedy,
        )
    if not low <= value <= high:
        raise refuse(f"{what} is at least {low} and at most {high}", remedy)
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
    except (ValidationError, OverflowError):
        raise refuse("this is no size in bytes", remedy) from None
    if size == 0 and not (isinstance(value, str) and re.search("[1-9]", value)):
        return 0
    if size < MIN_MEMORY:
        raise refuse(f"a worker needs at least {MIN_MEMORY >> 20}MiB to start", remedy)
    if size > MAX_MEMORY:
        raise refuse(f"no machine has more than {MAX_MEMORY >> 50}PiB", remedy)
    return size


def check_mapping(what: str, example: str) -> Callable[[Any], Any]:
    """A validator that refuses what is no mapping; its keys and values have validators of their own."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise refuse(f"{what} are a mapping, not {_kind(value)}", f"give one, such as {example}")
        return value

    return check


def check_resource_name(name: Any) -> str:
    """Validate the name of a Dask resource."""
    if not isinstance(name, str) or not name:
        raise refuse(f"the name of a resource is text, not {_kind(name)}", "put it in quotes, or choose another")
    return name


def check_amount(amount: Any) -> float:
    """Validate the amount of a Dask resource."""
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount <= MAX_AMOUNT:
        raise refuse("the amount of a resource is a positive number", "give a number, such as 1")
    return float(amount)


def check_tag_name(name: Any) -> str:
    """Validate the name of a tag, within the limits of the strictest cloud (63 characters, GCP labels)."""
    if not isinstance(name, str) or not re.fullmatch(TAG_PATTERN, name):
        raise refuse(
            "the name of a tag has 1 to 63 lower-case letters, digits, hyphens and underscores, a letter first",
            "choose another, such as 'team'",
        )
    return name


def check_tag(text: Any) -> str:
    """Validate the text of a tag."""
    if not isinstance(text, str):
        raise refuse(f"a tag is text, not {_kind(text)}", "put it in quotes")
    if len(text) > TAG_LIMIT:
        raise refuse(f"{len(text)} characters, a tag has at most {TAG_LIMIT}", "shorten it")
    return text


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
Instances = Annotated[
    int,
    BeforeValidator(check_instances),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_WORKERS}),
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
    dict[Annotated[str, BeforeValidator(check_resource_name)], Annotated[float, BeforeValidator(check_amount)]],
    BeforeValidator(check_mapping("resources", "{GPU: 1}")),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}),
]
Tags = Annotated[
    dict[Annotated[str, BeforeValidator(check_tag_name)], Annotated[str, BeforeValidator(check_tag)]],
    BeforeValidator(check_mapping("tags", "{team: climate}")),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{TAG_PATTERN}$"},
            "additionalProperties": {"type": "string", "maxLength": TAG_LIMIT},
        }
    ),
]
