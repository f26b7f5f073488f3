"""Property values between the engine's protocol and Python: unknowns, secrets, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWNS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # of a type that is not known, or a string
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # an array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)
"""How `github.com/pulumi/pulumi/sdk/go/common/resource/plugin/rpc.go` spells a value that only the update will know."""


class Unknown:
    """A value that only the update itself will know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts wherever it keeps or shows it."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The properties of a request."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value in UNKNOWNS else value.string_value
        case "number_value":
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "struct_value":
            return _decode_object(decode(value.struct_value))
        case _:
            return None


def _decode_object(fields: dict[str, Any]) -> Any:
    match fields.get(SIGNATURE):
        case None:
            return fields
        case signature if signature == SECRET:
            return Secret(fields.get("value"))
        case signature if signature == OUTPUT:
            value = fields.get("value", UNKNOWN)
            return Secret(value) if fields.get("secret") else value
        case signature:
            raise ValueError(f"an asset, archive or resource reference ({signature}) where a plain value is wanted")


def encode(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """The properties for a response."""
    struct = struct_pb2.Struct()
    for key, value in values.items():
        _encode(value, struct.fields[key])
    return struct


def _encode(value: Any, into: struct_pb2.Value) -> None:
    match value:
        case None:
            into.null_value = struct_pb2.NULL_VALUE
        case Unknown():
            into.string_value = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
        case Secret():
            _encode({SIGNATURE: SECRET, "value": value.value}, into)
        case bool():
            into.bool_value = value
        case int() | float():
            into.number_value = value
        case str():
            into.string_value = value
        case Mapping():
            into.struct_value.SetInParent()
            for key, item in value.items():
                _encode(item, into.struct_value.fields[key])
        case list() | tuple():
            into.list_value.SetInParent()
            for item in value:
                _encode(item, into.list_value.values.add())
        case _:
            raise TypeError(f"{value!r} has no form in the protocol")


def plain(value: Any) -> Any:
    """`value` without the wrapping of its secrets."""
    return _rebuild(value, lambda item: plain(item.value) if isinstance(item, Secret) else item)


def _rebuild(value: Any, leaf: Callable[[Any], Any]) -> Any:
    match value:
        case dict():
            return {key: _rebuild(item, leaf) for key, item in value.items()}
        case list():
            return [_rebuild(item, leaf) for item in value]
        case _:
            return leaf(value)


def holds_secret(value: Any) -> bool:
    """Whether anything in `value` is secret."""
    return any(isinstance(item, Secret) for item in _walk(value))


def holds_unknown(value: Any) -> bool:
    """Whether anything in `value` is not known yet."""
    return any(isinstance(item, Unknown) for item in _walk(value))


def _walk(value: Any) -> Iterator[Any]:
    yield value
    match value:
        case dict():
            for item in value.values():
                yield from _walk(item)
        case list():
            for item in value:
                yield from _walk(item)
        case Secret():
            yield from _walk(value.value)
