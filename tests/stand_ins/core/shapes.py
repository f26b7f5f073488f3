"""How a provider's properties map to an API's: mechanical, in both directions, with nothing left out unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stand_ins.core.wire import Unknown


@dataclass(frozen=True)
class Field:
    """One property."""

    api: str
    """The API's name of it."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    """Of an object, or of each in a list."""
    many: bool = False
    flag: bool = False
    """A boolean that the provider spells as text, to tell false from missing."""
    digits: bool = False
    """A number that the API spells as text, as JSON's numbers end at 53 bits."""


def fields(names: str = "", **objects: Field) -> dict[str, Field]:
    """A shape of an API whose names are the provider's in `CamelCase`.

    Words `camelCase` or `camelCase=ApiName`, with `:flag` or `:digits` behind; then objects.
    """
    return _make_shape(pascal, names, objects)


def same_fields(names: str = "", **objects: Field) -> dict[str, Field]:
    """A shape of an API whose names are the provider's own."""
    return _make_shape(str, names, objects)


def _make_shape(spell: Callable[[str], str], names: str, objects: Mapping[str, Field]) -> dict[str, Field]:
    shape = {}
    for word in names.split():
        spelled, _, kind = word.partition(":")
        name, _, api = spelled.partition("=")
        shape[name] = Field(api or spell(name), flag=kind == "flag", digits=kind == "digits")
    for name, item in objects.items():
        shape[name] = item if item.api else Field(spell(name), item.fields, item.many)
    return shape


def words(text: str) -> tuple[str, ...]:
    """Names, written without the quotes and commas of a tuple."""
    return tuple(text.split())


def one(shape: Mapping[str, Field], api: str = "") -> Field:
    """An object; `api` is for a name that is not simply the property's own."""
    return Field(api, shape)


def many(shape: Mapping[str, Field], api: str = "") -> Field:
    """A list of objects."""
    return Field(api, shape, many=True)


def pascal(name: str) -> str:
    """`camelCase` as `CamelCase`."""
    return name[:1].upper() + name[1:]


def to_api(shape: Mapping[str, Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a program gave, in the API's words; what it left out stays out."""
    result: dict[str, Any] = {}
    for name, item in shape.items():
        value = given.get(name)
        if value is None:
            continue
        if item.many:
            result[item.api] = [to_api(item.fields, entry) for entry in value]
        elif item.fields:
            result[item.api] = to_api(item.fields, value)
        elif item.flag:
            result[item.api] = value == "true"
        elif item.digits:
            result[item.api] = str(value)
        else:
            result[item.api] = value
    return result


def from_api(shape: Mapping[str, Field], answer: Mapping[str, Any]) -> dict[str, Any]:
    """What an API answered, in the program's words; what it left out stays out."""
    result: dict[str, Any] = {}
    for name, item in shape.items():
        value = answer.get(item.api)
        if value is None or (item.many and not value):
            continue
        if item.many:
            result[name] = [from_api(item.fields, entry) for entry in value]
        elif item.fields:
            if found := from_api(item.fields, value):
                result[name] = found
        elif item.flag:
            result[name] = "true" if value else "false"
        elif item.digits:
            result[name] = int(value)
        else:
            result[name] = value
    return result


def find_unsupported(shape: Mapping[str, Field], given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of what was given and has no place in `shape`."""
    for name, value in given.items():
        if value is None or value in ([], {}):
            continue
        if name not in shape:
            yield f"{path}{name}"
        elif not shape[name].fields or isinstance(value, Unknown):
            continue
        elif shape[name].many:
            for index, entry in enumerate(value):
                if isinstance(entry, dict):
                    yield from find_unsupported(shape[name].fields, entry, f"{path}{name}[{index}].")
        elif isinstance(value, dict):
            yield from find_unsupported(shape[name].fields, value, f"{path}{name}.")
