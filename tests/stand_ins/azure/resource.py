"""What all types of Azure's resources have in common, which is nearly everything."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from stand_ins.azure.call import Call
from stand_ins.azure.catalog import PARAMETER, Entry, Kind
from stand_ins.azure.changes import normalize_location
from stand_ins.azure.lost import UNTOLD
from stand_ins.azure.models import Model, find_model, read, write
from stand_ins.azure.naming import Strategy, choose_strategy
from stand_ins.core.errors import PartlyDone, Refused
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Member, TypeSchema, load_schema
from stand_ins.core.shapes import Field
from stand_ins.core.wire import Unknown

PREFIX = "azure-native:"


class AzureResource(Resource[Call]):
    """A resource type of Azure's."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.token = f"{PREFIX}{kind.token}"  # type: ignore[misc]  # of each, not of a class
        self.label = self.token  # type: ignore[misc]

    @cached_property
    def schema(self) -> TypeSchema:
        """What the SDK says of it."""
        return load_schema("azure").resources[self.token]

    @property
    def version(self) -> str:
        """Of the API."""
        return str(self.schema.raw["version"])

    @cached_property
    def inputs(self) -> Mapping[str, Field]:  # type: ignore[override]
        """All that the SDK has and the model knows, and what the path says."""
        known = {*self.kind.parameters, *self.body.properties}
        return {name: Field(name) for name in self.schema.inputs if name in known}

    @cached_property
    def replaces(self) -> Collection[str]:  # type: ignore[override]
        """What the path says, what the models mark, and what the real provider adds."""
        once = [name for name, item in self.body.properties.items() if item.mark == "+" and name in self.schema.inputs]
        fixed = (name for name in self.kind.fixed if name in self.schema.inputs)
        return {*self.kind.parameters, *once, *fixed}

    @property
    def body(self) -> Model:
        """Of what is sent."""
        return find_model(self.kind.module, self.kind.body)

    @property
    def answer(self) -> Model:
        """Of what comes back."""
        return find_model(self.kind.module, self.kind.answer)

    @cached_property
    def told(self) -> Collection[str]:
        """The outputs that the SDK has."""
        return {*self.schema.inputs, *self.schema.outputs} & set(self.answer.properties)

    @property
    def name(self) -> str:
        """The property with its name."""
        return self.kind.parameters[-1]

    @property
    def strategy(self) -> Strategy:
        """How it gets a name where the program gives none."""
        return choose_strategy(self.kind.path)

    @property
    def located(self) -> bool:
        """Whether it is at a location."""
        return "location" in self.body.properties and "location" in self.schema.inputs

    def select_body(self, given: Properties) -> dict[str, Any]:
        """Of what is given, all that the path does not say."""
        return {key: value for key, value in given.items() if key not in self.kind.parameters}

    def make_body(self, given: Properties) -> dict[str, Any]:
        """What is sent to make it."""
        return self.body.to_arm(self.select_body(given))

    def describe(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What ARM answered, as programs see it."""
        found = self.answer.from_arm(answer)
        return {**{name: found[name] for name in self.told if name in found}, "azureApiVersion": self.version}

    def foresee(self, given: Properties) -> dict[str, Any]:
        """The outputs of what is not made yet."""
        foreseen = self.answer.foresee(given)
        return {**{name: foreseen[name] for name in self.told}, "azureApiVersion": self.version}

    def choose_inputs(self, outputs: Properties) -> dict[str, Any]:
        """The inputs that a program would have given for such outputs, but for those of the path."""
        members: dict[str, Member] = {
            name: member for name, member in self.schema.inputs.items() if name not in self.kind.parameters
        }
        return self.body.choose(members, outputs)

    def make_id(self, call: Call, given: Properties) -> str:
        return fill(self.kind, call, given)

    def parse_id(self, id_: str) -> dict[str, str]:
        """What an id says: the resource group, names."""

        def name(match: re.Match[str]) -> str:
            return f"(?P<{match[1]}>{'.+' if match[1] == 'scope' else '[^/]+'})"

        pattern = PARAMETER.sub(name, self.kind.path)
        match = re.fullmatch(pattern, id_, re.IGNORECASE)
        if match is None:
            raise Refused(f"the id {id_!r} does not match {self.kind.path!r}")
        return {name: match[name] for name in self.kind.parameters}

    def create(self, call: Call, given: Properties) -> str:
        id_ = self.make_id(call, given)
        if call.find(id_, self.version):
            raise Refused(f"cannot create already existing resource '{id_}'")
        body = self.make_body(given)
        for name in self._find_unsaid(body):
            write(body, name, [])
        return self._put(call, id_, body, given)

    def _put(self, call: Call, id_: str, body: Mapping[str, Any], given: Properties) -> str:
        answer = call.send("PUT", id_, self.version, body)
        id_ = str(answer.body.get("id") or id_)
        try:
            call.wait(answer, id_, self.version, creates=True)
        except Exception as error:  # whatever it is: the thing exists, and the engine has to remember it
            reason = str(error) or "the operation was cancelled"
            raise PartlyDone(id_, self._read_anyway(call, id_) or given, f"{id_}: {reason}") from error
        return id_

    def _read_anyway(self, call: Call, id_: str) -> dict[str, Any] | None:
        try:
            return self.read(call, id_, {})
        except Exception:
            return None

    def _find_unsaid(self, body: Mapping[str, Any]) -> list[str]:
        """Where ARM has the lists of separate things of which the program says nothing."""
        paths = [self._find_path(name) for name in self.kind.separate]
        return [path for path in paths if read(body, path) is None]

    def _find_path(self, name: str) -> str:
        model, places = self.body, []
        for part in name.split("."):
            item = model.properties[part]
            places.append(item.path)
            model = model.inner(item) if item.kind else model
        return ".".join(places)

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        answer = call.find(id_, self.version)
        return self.describe(answer) if answer else None

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        """All of it again, with the separate things that the program does not speak of as they are now."""
        body = self.make_body(new)
        if unsaid := self._find_unsaid(body):
            there = call.send("GET", id_, self.version).body
            for path in unsaid:
                if (value := read(there, path)) is not None:
                    write(body, path, value)
        self._put(call, id_, body, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(id_, self.version)

    def without_unsaid(self, outputs: Properties, inputs: Properties) -> dict[str, Any]:
        """`outputs` without the separate things of which the program said nothing: they are not its own."""
        result = dict(outputs)
        for name in self.kind.separate:
            first, _, rest = name.partition(".")
            if read(inputs, name) is None and isinstance(result.get(first), dict) and rest:
                result[first] = {key: value for key, value in result[first].items() if key != rest}
            elif read(inputs, name) is None:
                result.pop(first, None)
        return result

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        if isinstance(old, Unknown) or isinstance(new, Unknown):
            return True
        if old is None and name in (*self.kind.parameters, *UNTOLD):  # which Azure tells nobody
            return True
        if name == "location" and isinstance(old, str) and isinstance(new, str):
            return normalize_location(old) == normalize_location(new)
        return bool(old == new)


class Secret(AzureResource):
    """A secret of a key vault, which ARM makes and reads, and only the vault itself deletes."""

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        names = self.parse_id(id_)
        call.delete_secret(names["vaultName"], names["secretName"])


def fill(entry: Entry, call: Call, given: Properties) -> str:
    """The path with what is given."""

    def say(name: str) -> str:
        if name == "subscriptionId":
            return call.settings.subscription
        if given.get(name) is None:
            raise Refused(f"missing required property '{name}'")
        value = str(given[name])
        return value.strip("/") if name == "scope" else quote(value, safe="")

    return PARAMETER.sub(lambda match: say(match[1]), entry.path)
