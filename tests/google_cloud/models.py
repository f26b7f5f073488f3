"""The official models of Compute Engine's API, which requests are judged by.

Only the models are loaded, without the clients that come with them, as that takes a fraction of the time.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import google.cloud
from google.protobuf.json_format import ParseError

from google_cloud.errors import ApiError, invalid, unknown_name

PACKAGE = "google.cloud.compute_v1"
UNLISTED = "technical reasons:"
"""After these words the documentation of an enumeration has more of its values."""


def load_models() -> types.ModuleType:
    """The module with all models."""
    folders = [os.path.join(path, "compute_v1") for path in google.cloud.__path__]  # noqa: PTH118
    for name, below in ((PACKAGE, ""), (f"{PACKAGE}.types", "types")):
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(folder, below) for folder in folders]  # noqa: PTH118
        sys.modules.setdefault(name, package)
    return importlib.import_module(f"{PACKAGE}.types.compute")


MODELS = load_models()


@dataclass(frozen=True)
class Method:
    """What a method of the API takes, as the model of its request says."""

    body: str | None
    """Name of the body's model."""
    query: Mapping[str, Any]
    """Descriptors of what may be in the query, by name; some of them is in the path instead."""


@functools.cache
def find_method(name: str) -> Method | None:
    """A method by the name of its request's model, `InsertNetworkRequest`."""
    model = getattr(MODELS, name, None)
    if model is None:
        return None
    fields = describe(name).fields
    bodies = [each for each in fields if each.name.endswith("_resource") and each.message_type is not None]
    query = {each.json_name: each for each in fields if each not in bodies}
    return Method(bodies[0].message_type.name if bodies else None, query)


@functools.cache
def describe(model: str) -> Any:
    """The descriptor of a model."""
    kind = getattr(MODELS, model)
    return kind.pb(kind()).DESCRIPTOR


@functools.cache
def list_fields(model: str) -> Mapping[str, Any]:
    return {each.json_name: each for each in describe(model).fields}


def judge(model: str, body: Mapping[str, Any], where: str = "resource") -> dict[str, Any]:
    """A body in canonical form: 64-bit numbers are texts, as in Google's answers; `null` stays.

    Raises:
        ApiError: the API has no such fields or values.
    """
    judged = _judge_message(describe(model), body, where)
    kind = getattr(MODELS, model)
    try:
        kind.from_json(json.dumps(drop_nulls(judged)), ignore_unknown_fields=False)
    except (ParseError, TypeError, ValueError) as error:
        raise ApiError(400, f"Invalid JSON payload received. {error}") from None
    return judged


def judge_query(method: Method, name: str, text: str) -> Any:
    """A value of the query."""
    field = method.query[name]
    if field.type == field.TYPE_BOOL:
        if text not in ("true", "false"):
            raise invalid(name, text, "Must be true or false.")
        return text == "true"
    if field.type in (field.TYPE_INT32, field.TYPE_INT64, field.TYPE_UINT32, field.TYPE_UINT64):
        try:
            return int(text)
        except ValueError:
            raise invalid(name, text, "Must be an integer.") from None
    return text


def drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: drop_nulls(item) for key, item in value.items() if item is not None}
    return [drop_nulls(item) for item in value] if isinstance(value, list) else value


def merge(model: str, there: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What is there after a patch: messages and maps are merged, lists replaced, and what is `null` goes."""
    return _merge(describe(model), there, patch)


def _merge(descriptor: Any, there: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(there)
    fields = {each.json_name: each for each in descriptor.fields}
    for name, value in patch.items():
        field = fields[name]
        if value is None or value == []:
            merged.pop(name, None)
        elif _is_map(field):
            merged[name] = drop_nulls({**(there.get(name) or {}), **value})
        elif field.message_type is not None and not field.is_repeated:
            merged[name] = _merge(field.message_type, there.get(name) or {}, value)
        else:
            merged[name] = drop_nulls(value)
    return merged


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _judge_message(descriptor: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(where, descriptor.full_name, value)
    fields = {each.json_name: each for each in descriptor.fields}
    judged = {}
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            raise unknown_name(name, where)
        judged[name] = None if item is None else _judge_field(descriptor, field, item, f"{where}.{name}")
    return judged


def _judge_field(owner: Any, field: Any, value: Any, where: str) -> Any:
    if _is_map(field):
        if not isinstance(value, Mapping):
            raise _wrong(where, "map", value)
        inner = field.message_type.fields_by_name["value"]
        return {
            key: None if item is None else _judge_one(owner, inner, item, f"{where}['{key}']")
            for key, item in value.items()
        }
    if field.is_repeated:
        if not isinstance(value, list):
            raise _wrong(where, "list", value)
        return [_judge_one(owner, field, item, f"{where}[{index}]") for index, item in enumerate(value)]
    return _judge_one(owner, field, value, where)


def _judge_one(owner: Any, field: Any, value: Any, where: str) -> Any:
    if field.message_type is not None:
        return _judge_message(field.message_type, value, where)
    if field.type == field.TYPE_BOOL:
        if not isinstance(value, bool):
            raise _wrong(where, "TYPE_BOOL", value)
        return value
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        if not isinstance(value, str):
            raise _wrong(where, "TYPE_STRING", value)
        _judge_choice(owner, field, value, where)
        return value
    if field.type == field.TYPE_ENUM:
        if value not in field.enum_type.values_by_name:
            raise invalid(where, value, f"Must be one of {', '.join(field.enum_type.values_by_name)}.")
        return value
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _wrong(where, "TYPE_DOUBLE", value)
        return value
    return _judge_number(field, value, where)


def _judge_number(field: Any, value: Any, where: str) -> int | str:
    is_long = field.type in (field.TYPE_INT64, field.TYPE_UINT64)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong(where, "TYPE_INT64" if is_long else "TYPE_INT32", value)
    try:
        number = int(value)
    except ValueError:
        raise _wrong(where, "TYPE_INT64" if is_long else "TYPE_INT32", value) from None
    return str(number) if is_long else number


def _judge_choice(owner: Any, field: Any, value: str, where: str) -> None:
    choices = find_choices(owner.name, field.name)
    if choices and value not in choices:
        raise invalid(where, value, f"Must be one of {', '.join(sorted(choices))}.")


@functools.cache
def find_choices(model: str, field: str) -> frozenset[str]:
    """The values that a text may have; empty when it may be any. Enumerations are texts in these models."""
    kind = getattr(getattr(MODELS, model, None), "".join(part.capitalize() for part in field.split("_")), None)
    names = getattr(kind, "__members__", None)
    if names is None:
        return frozenset()
    _, _, unlisted = (kind.__doc__ or "").partition(UNLISTED)
    more = [word for word in unlisted.partition("Values:")[0].replace(",", " ").split() if word.isupper()]
    return frozenset([*(name for name in names if not name.startswith("UNDEFINED_")), *more])


def _wrong(where: str, kind: str, value: object) -> ApiError:
    return ApiError(400, f"Invalid value at '{where}' ({kind}), {json.dumps(value, default=str)}")
