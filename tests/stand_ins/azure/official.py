"""Writes down how Azure Resource Manager's official models nest properties that Pulumi's SDK has side by side.

Pulumi's `addressPrefix` of a subnet is ARM's `properties.addressPrefix`, as the specifications mark `properties` as
flattened. The packages `azure-mgmt-*` are made from the same specifications and know it, too, but importing them takes
longer than all else that a plugin does. So what it needs of them is in `schemas/azure-models.json`, and a test holds
that it says what the installed packages say. See `stand_ins.sdk` for how to renew it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import types
import typing
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from stand_ins.azure.catalog import FUNCTIONS, TYPES
from stand_ins.azure.models import FILE, Property

PACKAGES = {
    "authorization": "azure.mgmt.authorization.v2022_04_01.models",
    "compute": "azure.mgmt.compute.models",
    "keyvault": "azure.mgmt.keyvault.models",
    "managedidentity": "azure.mgmt.msi.v2024_11_30.models",
    "network": "azure.mgmt.network.models",
    "resources": "azure.mgmt.resource.resources.models",
    "storage": "azure.mgmt.storage.models",
}


CLIENT_NAMES = {"ip_address_or_range": "iPAddressOrRange"}
"""Names for programs whose capitals the packages do not tell."""


def write_models() -> None:
    """Write the models of the installed packages."""
    FILE.write_text(render_models())


def render_models() -> str:
    """All models that the stand-in's types reach, one a line."""
    roots: dict[str, list[str]] = {}
    for entry in (*TYPES, *FUNCTIONS):
        roots.setdefault(entry.module, []).extend({entry.body, entry.answer} - {""})
    parts = []
    for module in sorted(roots):
        found = _read_models(importlib.import_module(PACKAGES[module]), roots[module])
        lines = ",\n".join(
            f'"{model}": {json.dumps({item.name: item.render() for item in found[model]})}' for model in sorted(found)
        )
        parts.append(f'"{module}": {{\n{lines}\n}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _read_models(package: types.ModuleType, roots: list[str]) -> dict[str, list[Property]]:
    found: dict[str, list[Property]] = {}
    left = sorted(set(roots))
    while left:
        name = left.pop()
        if name not in found:
            found[name] = list(_read_model(package, getattr(package, name)))
            left += [item.model for item in found[name] if item.kind]
    return found


def _read_model(package: types.ModuleType, cls: Any) -> Iterator[Property]:
    if hasattr(cls, "_attribute_map"):
        yield from _read_older(package, cls)
        return
    rest = _rest_fields(cls)
    hints = _hints(cls)
    flattened = _find_flattened(package, cls, rest, hints)
    found: dict[str, Property] = {}
    for attribute, item in rest.items():
        kind = _kind(package, hints[attribute])
        if attribute in flattened:
            inner = _read_model(package, getattr(package, kind))
            members = [replace(each, path=f"{item._rest_name}.{each.path}") for each in inner]
        else:
            mark = {("read",): "!", ("read", "create"): "+"}.get(tuple(item._visibility or ()), "")
            members = [Property(_name(attribute, item._rest_name), item._rest_name, kind, mark)]
        for member in members:  # of two with one name, the one that can be said
            if member.name not in found or found[member.name].mark == "!":
                found[member.name] = member
    yield from found.values()


def _name(attribute: str, rest_name: str) -> str:
    """The SDK's name, which is the API's, unless the specification gives clients another one."""
    if attribute in CLIENT_NAMES:
        return CLIENT_NAMES[attribute]
    is_same = attribute.replace("_", "") == rest_name.lower() and rest_name != rest_name.lower()
    if is_same or attribute.removesuffix("_property") == rest_name:
        return rest_name
    first, *rest = attribute.split("_")
    return first + "".join(map(str.capitalize, rest))


def _rest_fields(cls: Any) -> dict[str, Any]:
    cls.__new__(cls)  # which is when they are found
    return dict(cls._attr_to_rest_field)


def _hints(cls: Any) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        hints |= inspect.get_annotations(base)
    return hints


def _find_flattened(package: types.ModuleType, cls: Any, rest: dict[str, Any], hints: dict[str, Any]) -> set[str]:
    """The attributes whose model's own attributes are those that the class says are flattened."""
    result = set()
    for base in cls.__mro__:
        members = set(getattr(cls, f"_{base.__name__.lstrip('_')}__flattened_items", ()))
        for attribute in rest:
            model = _kind(package, hints[attribute])
            if members and model.isidentifier() and members == set(_rest_fields(getattr(package, model))):
                result.add(attribute)
    return result


def _kind(package: types.ModuleType, hint: Any) -> str:
    """The model of an annotation, if any: enumerations are texts."""
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        name = hint.rpartition(".")[2]
        return name if hasattr(getattr(package, name, None), "_is_model") else ""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return next(filter(None, (_kind(package, item) for item in arguments)), "")
    if origin is list:
        inner = _kind(package, arguments[0])
        return f"[{inner}]" if inner else ""
    if origin is dict:
        inner = _kind(package, arguments[1])
        return f"{{{inner}}}" if inner else ""
    return ""


def _read_older(package: types.ModuleType, cls: Any) -> Iterator[Property]:
    """Of a package whose models have their whole paths."""
    for attribute, item in cls._attribute_map.items():
        path, kind = item["key"], item["type"]
        model = getattr(package, kind.strip("[]{}"), None)
        read_only = cls._validation.get(attribute, {}).get("readonly")
        yield Property(
            path.rpartition(".")[2], path, kind if hasattr(model, "_attribute_map") else "", "!" if read_only else ""
        )
