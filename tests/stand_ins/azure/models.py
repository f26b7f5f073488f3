"""Between the provider's properties and ARM's: the same things, nested otherwise, as the official models tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stand_ins.core.schema import SCHEMAS, Member, parse_members
from stand_ins.core.wire import UNKNOWN, Unknown

FILE = SCHEMAS / "azure-models.json"
"""As `python -m stand_ins.sdk` wrote it."""
RENDERED = re.compile(r"(?P<path>[^:!+]+)(?::(?P<kind>[^!+]+))?(?P<mark>[!+]?)")


@dataclass(frozen=True)
class Property:
    """Of one model."""

    name: str
    """The SDK's."""
    path: str
    """Where ARM has it: `properties.addressPrefix`."""
    kind: str = ""
    """Of objects: their model, as `Subnet`, or `[Subnet]` or `{Subnet}` for many."""
    mark: str = ""
    """`!` is what only ARM says, `+` what can only be said once."""

    @property
    def model(self) -> str:
        return self.kind.strip("[]{}")

    def render(self) -> str:
        return f"{self.path}{':' if self.kind else ''}{self.kind}{self.mark}"


@dataclass(frozen=True)
class Model:
    """A model of one of the packages."""

    module: str
    name: str
    properties: Mapping[str, Property]

    def inner(self, item: Property) -> Model:
        """The model of what is in one of the properties."""
        return find_model(self.module, item.model)

    def to_arm(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a program gave, as ARM takes it; names that the model has not are left out."""
        result: dict[str, Any] = {}
        for name, value in given.items():
            if name in self.properties and value is not None:
                item = self.properties[name]
                write(result, item.path, self._to_arm(item, value))
        return result

    def _to_arm(self, item: Property, value: Any) -> Any:
        if not item.kind:
            return value
        inner = self.inner(item)
        if isinstance(value, list) and item.kind.startswith("{"):  # a set of texts: ARM has them as keys
            return {entry: {} for entry in value}
        return convert(item, value, inner.to_arm)

    def from_arm(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What ARM answered, as programs see it."""
        result = {}
        for name, item in self.properties.items():
            value = read(answer, item.path)
            if value is not None:
                result[name] = convert(item, value, self.inner(item).from_arm) if item.kind else value
        return result

    def foresee(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of what is not made yet: what is given, and else what only the update will know."""
        result = {}
        for name, item in self.properties.items():
            value = given.get(name)
            if value is None or isinstance(value, Unknown) or not fits(item, value):
                result[name] = UNKNOWN
            else:
                result[name] = convert(item, value, self.inner(item).foresee) if item.kind else value
        return result

    def choose(self, members: Mapping[str, Member], outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Of `outputs`, what a program may give, in the way in which it gives it."""
        result = {}
        for name, member in members.items():
            item = self.properties.get(name)
            if item is not None and item.mark != "!" and outputs.get(name) is not None:
                result[name] = self._choose(item, member.kind, outputs[name])
        return result

    def _choose(self, item: Property, kind: Any, value: Any) -> Any:
        if isinstance(kind, list) and isinstance(value, dict):
            return sorted(value)
        inner = kind[0] if isinstance(kind, list) else kind.get("*", kind) if isinstance(kind, dict) else kind
        if not item.kind or not isinstance(inner, dict):
            return value
        model, members = self.inner(item), parse_members(inner)
        return convert(item, value, lambda entry: model.choose(members, entry))

    def find_unknown(self, given: Mapping[str, Any], path: str = "") -> Iterator[str]:
        """The paths of what was given and has no place in the model."""
        for name, value in given.items():
            item = self.properties.get(name)
            if item is None:
                yield f"{path}{name}"
            elif item.kind and isinstance(value, dict):
                entries = value if item.kind.startswith("{") else {"": value}
                for key, entry in entries.items():
                    if isinstance(entry, dict):
                        yield from self.inner(item).find_unknown(entry, f"{path}{name}.{key}{'.' if key else ''}")
            elif item.kind and isinstance(value, list):
                for index, entry in enumerate(value):
                    if isinstance(entry, dict):
                        yield from self.inner(item).find_unknown(entry, f"{path}{name}[{index}].")


def fits(item: Property, value: Any) -> bool:
    """Whether `value` has the form in which ARM tells it."""
    form = {"[": list, "{": dict}.get(item.kind[:1], dict)
    return not item.kind or isinstance(value, form)


def convert(item: Property, value: Any, each: Any) -> Any:
    """`value` with each object in it converted."""
    if item.kind.startswith("[") and isinstance(value, list):
        return [each(entry) if isinstance(entry, Mapping) else entry for entry in value]
    if item.kind.startswith("{") and isinstance(value, Mapping):
        return {key: each(entry) if isinstance(entry, Mapping) else entry for key, entry in value.items()}
    return each(value) if isinstance(value, Mapping) else value


def read(body: Mapping[str, Any], path: str) -> Any:
    """What is at `path` in a body of ARM's."""
    value: Any = body
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def write(body: dict[str, Any], path: str, value: Any) -> None:
    """Put `value` at `path`."""
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value


@cache
def _load() -> dict[str, dict[str, dict[str, str]]]:
    return dict(json.loads(FILE.read_bytes()))


@cache
def find_model(module: str, name: str) -> Model:
    """The model `name` of the package for `module`."""
    properties = {}
    for key, rendered in _load()[module][name].items():
        match = RENDERED.fullmatch(rendered)
        assert match is not None, rendered
        properties[key] = Property(key, match["path"], match["kind"] or "", match["mark"])
    return Model(module, name, properties)
