"""Writes down what the real SDKs say of the types that the stand-ins know: `python -m stand_ins.sdk`, in `tests/`.

A plugin starts with every command of the engine, and importing `pulumi_aws` takes longer than all else it does. So what
it needs of the SDK (names, types, which are required, which the provider decides where the program does not) is in
`schemas/*.json`, and a test holds that they say what the installed SDKs say.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import json
import pkgutil
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi._types import input_type_types, output_type_types, resource_types

from stand_ins.core.schema import SCHEMAS

PLUGINS = ("aws", "azure", "gcp", "tls")
PACKAGES = {"azure": "pulumi_azure_native"}
"""Those that are not called `pulumi_NAME`."""
SHALLOW = ("azure",)
"""Those whose outputs hold each other without end: what is inside them is not written down."""
_UNDER_WAY: list[type] = []
"""The objects inside each other that are written down just now."""


def main() -> None:
    """Write the schemas of the installed SDKs."""
    for name in PLUGINS:
        (SCHEMAS / f"{name}.json").write_text(render_schema(name))
    importlib.import_module("stand_ins.azure.official").write_models()


def render_schema(name: str) -> str:
    """The schema of the plugin `name`, one resource or function a line."""
    plugin = importlib.import_module(f"stand_ins.{name}.registry")
    lines = {
        "resources": {token: _resource(name, token) for token in sorted(plugin.RESOURCES)},
        "functions": {token: _function(name, token) for token in sorted(plugin.FUNCTIONS)},
    }
    parts = [
        f'"{kind}": {{\n' + ",\n".join(f'"{token}": {json.dumps(value)}' for token, value in members.items()) + "\n}"
        for kind, members in lines.items()
    ]
    provider = _object(_sdk(name, "index", "provider").ProviderArgs, None)
    if "endpoints" in provider:
        provider["endpoints"] = [{"*": "str"}]  # of some hundred services
    return f'{{\n"provider": {json.dumps(provider)},\n' + ",\n".join(parts) + "\n}\n"


def _sdk(name: str, module: str, member: str) -> types.ModuleType:
    path = [PACKAGES.get(name, f"pulumi_{name}"), *([] if module == "index" else [module])]
    package = importlib.import_module(".".join(path))
    # The SDKs do not agree where a word like `IAMMember` is divided.
    files = {info.name.replace("_", ""): info.name for info in pkgutil.iter_modules(package.__path__)}
    return importlib.import_module(f"{package.__name__}.{files[member.lower()]}")


def _resource(name: str, token: str) -> dict[str, Any]:
    module, cls = _find(name, token)
    resource = getattr(module, cls)
    # Where an object inside others has the name already, a resource's own is another one.
    args = getattr(module, f"{cls}InitArgs", None) or getattr(module, f"{cls}Args")
    inputs = _object(args, resource)
    known = {re.sub(r"[!~]$", "", key) for key in inputs}
    outputs = {key: kind for key, kind in resource_types(resource).items() if key not in known}
    return {"inputs": inputs, "outputs": _render_outputs(name, outputs), **_version(module)}


def _find(name: str, token: str) -> tuple[types.ModuleType, str]:
    """The module of a resource or function, and its name there."""
    _, path, member = token.split(":")
    package, _, file = path.partition("/")
    return _sdk(name, package, file or member), member


def _version(module: types.ModuleType) -> dict[str, str]:
    """Of the cloud's API, where the SDK says one for each type."""
    match = re.search(r"Uses Azure REST API version ([\w-]+)", inspect.getsource(module))
    return {"version": match[1]} if match else {}


def _render_outputs(name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    if name in SHALLOW:
        return dict.fromkeys(outputs, "any")
    return {key: _kind(kind) for key, kind in outputs.items()}


def _function(name: str, token: str) -> dict[str, Any]:
    module, member = _find(name, token)
    function = getattr(module, module.__name__.rpartition(".")[2])
    result = getattr(module, f"{member[0].upper()}{member[1:]}Result")
    names = [match[1] for match in re.finditer(r"__args__\['(\w+)'\] = ", inspect.getsource(function))]
    hints = [hint for key, hint in _hints(function, module).items() if key in inspect.signature(function).parameters]
    required = [item.default is inspect.Parameter.empty for item in inspect.signature(function).parameters.values()]
    inputs = {f"{key}{'!' * need}": _kind(hint) for key, hint, need in zip(names, hints, required, strict=False)}
    outputs = _render_outputs(name, output_type_types(result))
    return {"inputs": inputs, "outputs": outputs, **_version(module)}


def _hints(function: Any, module: types.ModuleType) -> dict[str, Any]:
    package = importlib.import_module(module.__name__.rpartition(".")[0])
    names = {**vars(builtins), **vars(importlib.import_module(f"{package.__name__}._inputs")), **vars(module)}
    return typing.get_type_hints(function, names)


def _object(args: type, output: type | None) -> dict[str, Any]:
    """The properties of an args class: `name!` is required, `name~` is decided by the provider where it is left out."""
    required = {
        parameter.name
        for parameter in inspect.signature(args).parameters.values()
        if parameter.default is inspect.Parameter.empty
    }
    kinds = input_type_types(args)
    outputs = dict(_outputs(output)) if output else {}
    result = {}
    for name, prop in _properties(args):
        optional = outputs.get(name, True)
        mark = "!" if prop in required else "" if optional else "~"
        result[name + mark] = _kind(kinds[name])
    return result


def _properties(cls: type) -> Iterator[tuple[str, str]]:
    for attribute, value in vars(cls).items():
        if isinstance(value, property) and value.fget is not None:
            yield getattr(value.fget, "_pulumi_name", attribute), attribute


def _outputs(cls: type) -> Iterator[tuple[str, bool]]:
    """Each output, and whether the SDK says that it may be missing."""
    for name, attribute in _properties(cls):
        hint = getattr(cls, attribute).fget.__annotations__["return"]
        if typing.get_origin(hint) is pulumi.Output:
            (hint,) = typing.get_args(hint)
        yield name, type(None) in typing.get_args(hint)


def _kind(hint: Any) -> Any:
    """A type as JSON: a name, `[item]`, `{"*": item}`, or an object's properties."""
    hint = _unwrap(hint)
    origin = typing.get_origin(hint)
    if origin and issubclass(origin, Sequence):
        return [_kind(typing.get_args(hint)[0])]
    if origin and issubclass(origin, Mapping):
        return {"*": _kind(typing.get_args(hint)[1])}
    if hint in (str, bool, int, float):
        return hint.__name__
    if inspect.isclass(hint) and hasattr(hint, "_pulumi_input_type"):
        return _inner_object(hint)
    if inspect.isclass(hint) and hasattr(hint, "_pulumi_output_type"):
        return {key: _kind(kind) for key, kind in output_type_types(hint).items()}
    return "any" if hint is Any else "str"  # an enumeration's values are texts


def _inner_object(args: type) -> Any:
    """An object's properties, but for one inside itself, which may have any."""
    if args in _UNDER_WAY:
        return "any"
    _UNDER_WAY.append(args)
    try:
        return _object(args, None)
    finally:
        _UNDER_WAY.pop()


def _unwrap(hint: Any) -> Any:
    """`hint` without `Input`, `Output`, `Optional`, and without the other spellings of the same type."""
    while typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(item for item in typing.get_args(hint) if item is not type(None))
    return hint


if __name__ == "__main__":
    main()
