"""The official models of Azure's APIs, in one form.

Only the models are loaded, without the clients that come with them, as that takes a fraction of the time. They come in
two forms: newer ones have typed fields, older ones maps of attributes.
"""

from __future__ import annotations

import enum
import functools
import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PACKAGES = {
    "authorization": "azure.mgmt.authorization.v2022_04_01",
    "compute": "azure.mgmt.compute",
    "keyvault": "azure.mgmt.keyvault",
    "msi": "azure.mgmt.msi.v2024_11_30",
    "network": "azure.mgmt.network",
    "resource": "azure.mgmt.resource.resources",
    "storage": "azure.mgmt.storage",
}
TEXTS = {"str", "iso-8601", "rfc-1123", "duration", "date", "time", "bytearray", "base64", "decimal"}

OPEN = ("VirtualMachineSizeTypes",)
"""Enumerations that say themselves that they have a part of the values only."""


@dataclass(frozen=True)
class Kind:
    """What a value is: one of Python's types, a list, a map, a model, or anything."""

    name: str
    """`str`, `int`, `float`, `bool`, `any`, `list`, `map` or `model`."""
    inner: Kind | None = None
    model: type | None = None
    fields: Mapping[str, Field] | None = None
    """Of an object that has no model of its own."""
    choices: frozenset[str] = frozenset()
    """The values that a text may have; empty when it may be any."""


@dataclass(frozen=True)
class Field:
    """One field of a model."""

    kind: Kind
    is_required: bool = False
    is_read_only: bool = False
    pattern: str = ""


ANY = Kind("any")
TEXT = Kind("str")


@functools.cache
def load_package(name: str) -> types.ModuleType:
    """The package of models of a service: `network`."""
    package = PACKAGES[name]
    parts = package.split(".")
    for end in range(3, len(parts) + 1):
        within = ".".join(parts[:end])
        spec = importlib.util.find_spec(within) if within not in sys.modules else None
        if spec is not None:
            module = types.ModuleType(within)
            module.__path__ = list(spec.submodule_search_locations or ())
            sys.modules[within] = module
    return importlib.import_module(f"{package}.models")


def read_all(references: Iterable[str]) -> None:
    """Load all packages, and read models and what is in them, once for all copies."""
    for name in PACKAGES:
        load_package(name)
    waiting = [Kind("model", model=find_model(each)) for each in references]
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        if kind.inner is not None:
            waiting.append(kind.inner)
        waiting += [field.kind for field in (kind.fields or {}).values()]
        if kind.model is not None and kind.model not in seen:
            seen.add(kind.model)
            waiting += [field.kind for field in list_fields(kind.model).values()]


def find_model(reference: str) -> type:
    """`network:VirtualNetwork`."""
    package, _, name = reference.partition(":")
    found: type = getattr(load_package(package), name)
    return found


@functools.cache
def list_fields(model: type) -> Mapping[str, Field]:
    """The fields of a model by their names in JSON."""
    if hasattr(model, "_attribute_map"):
        return dict(_list_older(model))
    return dict(_list_newer(model))


def find_subclass(model: type, value: Mapping[str, Any]) -> type:
    """The model that a discriminating field of a value chooses."""
    for name, field in _list_rest_fields(model).items():
        if field._is_discriminator:
            chosen = model.__mapping__.get(value.get(field._rest_name_input or name))  # type: ignore[attr-defined]
            return chosen if isinstance(chosen, type) else model
    return model


# Newer models


def _list_newer(model: type) -> Iterator[tuple[str, Field]]:
    hints = _read_hints(model)
    for attribute, field in _list_rest_fields(model).items():
        hint = hints.get(attribute, Any)
        is_required = not _is_optional(hint) and type(field._default) is object
        name = field._rest_name_input or attribute
        kind = Kind("int") if field._format == "unix-timestamp" else _read_hint(hint)
        yield name, Field(kind, is_required, field._visibility == ["read"])


@functools.cache
def _list_rest_fields(model: type) -> Mapping[str, Any]:
    return {
        name: value
        for each in reversed(model.__mro__)
        for name, value in vars(each).items()
        if not name.startswith("_") and type(value).__name__ == "_RestField"
    }


def _read_hints(model: type) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for each in reversed(model.__mro__):
        names = _list_names(each.__module__)
        for name, hint in vars(each).get("__annotations__", {}).items():
            try:
                reference = typing.ForwardRef(hint) if isinstance(hint, str) else hint
                hints[name] = typing._eval_type(reference, names, names)  # type: ignore[attr-defined]
            except (NameError, AttributeError):
                hints[name] = Any
    return hints


@functools.cache
def _list_names(module: str) -> dict[str, Any]:
    """What the annotations of a module may name."""
    found = sys.modules[module]
    return {**vars(typing), **vars(found), "_models": _sibling(found)}


def _sibling(module: types.ModuleType) -> Any:
    """The package of models that a module of models is of."""
    name = module.__name__.rpartition(".")[0]
    return sys.modules.get(name if name.endswith("models") else module.__name__)


def _is_optional(hint: Any) -> bool:
    return hint is Any or type(None) in typing.get_args(hint)


def _read_hint(hint: Any) -> Kind:
    origin, args = typing.get_origin(hint), [each for each in typing.get_args(hint) if each is not type(None)]
    if origin is list:
        return Kind("list", _read_hint(args[0]))
    if origin is dict:
        return Kind("map", _read_hint(args[1]))
    if origin is typing.Literal:
        return Kind("str", choices=frozenset(each.value if isinstance(each, enum.Enum) else each for each in args))
    if args:  # An optional value, or one of an enumeration that may be a text too.
        enums = [each for each in args if isinstance(each, type) and issubclass(each, enum.Enum)]
        return _read_hint(enums[0] if enums else args[0])
    return _read_class(hint)


def _read_class(hint: Any) -> Kind:
    if not isinstance(hint, type) or hint in (Any, object):
        return ANY
    if hint.__name__ in OPEN:
        return TEXT
    if issubclass(hint, enum.Enum):
        return Kind("str", choices=frozenset(str(each.value) for each in hint))
    if any(each.__name__ == "Model" for each in hint.__mro__):
        return Kind("model", model=hint)
    if hint in (bool, int, float):
        return Kind(hint.__name__)
    return TEXT


# Older models


def _list_older(model: Any) -> Iterator[tuple[str, Field]]:
    choices = _read_choices(model)
    trees: dict[str, dict[str, Field]] = {}
    for attribute, described in model._attribute_map.items():
        rule = model._validation.get(attribute, {})
        kind = _read_text(model, described["type"])
        if kind == TEXT and attribute in choices:
            kind = Kind("str", choices=choices[attribute])
        field = Field(kind, bool(rule.get("required")), bool(rule.get("readonly")), rule.get("pattern", ""))
        path = re.split(r"(?<!\\)\.", described["key"])
        if len(path) == 1:
            yield path[0].replace("\\.", "."), field
        else:
            trees.setdefault(path[0], {})[path[1]] = field
    for name, fields in trees.items():
        yield name, Field(Kind("model", fields=fields), any(field.is_required for field in fields.values()))


def _read_choices(model: Any) -> dict[str, frozenset[str]]:
    """Enumerations are told by the types of the constructor's arguments only."""
    found = {}
    package = _sibling(sys.modules[model.__module__])
    for name, parameter in inspect.signature(model.__init__).parameters.items():
        for word in re.findall(r"_models\.(\w+)", str(parameter.annotation)):
            kind = getattr(package, word, None)
            if isinstance(kind, type) and issubclass(kind, enum.Enum):
                found[name] = frozenset(str(each.value) for each in kind)
    return found


def _read_text(model: type, text: str) -> Kind:
    if text.startswith("["):
        return Kind("list", _read_text(model, text[1:-1]))
    if text.startswith("{"):
        return Kind("map", _read_text(model, text[1:-1]))
    if text in ("int", "long"):
        return Kind("int")
    if text in ("bool", "float"):
        return Kind(text)
    if text in TEXTS:
        return TEXT
    found = getattr(_sibling(sys.modules[model.__module__]), text, None)
    if isinstance(found, type) and issubclass(found, enum.Enum):
        return Kind("str", choices=frozenset(str(each.value) for each in found))
    return ANY if found is None else Kind("model", model=found)
