"""What all types of Google's resources have in common, and those of Compute Engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import Field, from_api, to_api
from stand_ins.gcp import links
from stand_ins.gcp.call import Call
from stand_ins.gcp.errors import ApiError

NAME = AutoName(longest=63, lower=True)
DELETION = ("DELETE", "ABANDON", "PREVENT")


class GcpResource(Resource[Call]):
    """A resource type of Google's."""

    links: ClassVar[Collection[str]] = ()
    """Properties, at any depth, that are other things' links or names."""
    deletions: ClassVar[Collection[str]] = DELETION

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        policy = given.get("deletionPolicy")
        if is_known(policy) and policy not in self.deletions:
            yield Problem("deletionPolicy", f"expected one of {', '.join(self.deletions)}, got {policy}")

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        if name in self.links and isinstance(old, str) and isinstance(new, str):
            return links.same_thing(old, new)
        return super().means_same(name, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        match old.get("deletionPolicy"):
            case "ABANDON":
                return
            case "PREVENT":
                raise Refused(f"cannot destroy {self.label} {id_} without setting deletionPolicy to DELETE")
        self.remove(call, id_, old)

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        """Make it gone; that it is gone already is no error."""
        raise NotImplementedError


class ComputeResource(GcpResource):
    """A resource type of Compute Engine, whose requests are like those of all others there."""

    collection: ClassVar[str]
    scope: ClassVar[str]
    """`global`, `region` or `zone`."""
    told: ClassVar[Mapping[str, Field]]
    """Outputs that are no inputs, as the API tells them."""
    body_fields: ClassVar[Mapping[str, Field]]
    """Of the inputs, those that are simply in the API's body."""
    references: ClassVar[Mapping[str, str]] = {}
    """Of those, the ones that are another thing's link, and the collection of that."""
    patched: ClassVar[Collection[str]] = ()
    """What changes by sending it, with nothing else."""
    method: ClassVar[str] = "PATCH"
    autoname = NAME

    def place(self, given: Properties) -> str:
        """Where it is, in a path."""
        project = f"projects/{given['project']}"
        return f"{project}/global" if self.scope == "global" else f"{project}/{self.scope}s/{given[self.scope]}"

    def make_id(self, given: Properties) -> str:
        return f"{self.place(given)}/{self.collection}/{given['name']}"

    def doing(self, verb: str) -> str:
        return f"{verb} {self.label}"

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        """What is sent to make it."""
        body = to_api(self.body_fields, given)
        for name, collection in self.references.items():
            if is_known(given.get(name)):
                body[self.body_fields[name].api] = call.expand(collection, given[name])
        return body

    def create(self, call: Call, given: Properties) -> str:
        body = {"name": given["name"], **self.body(call, given)}
        call.compute("POST", f"{self.place(given)}/{self.collection}", body, doing=self.doing("Creating"))
        return self.make_id(given)

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        answer = call.find("compute", id_)
        return None if answer is None else {**self.where(id_), **self.describe(call, answer, known)}

    def where(self, id_: str) -> dict[str, Any]:
        """What the id says: project, region or zone, name."""
        parts = id_.split("/")
        found = {"project": parts[1], "name": parts[-1]}
        return found if self.scope == "global" else {**found, self.scope: parts[3]}

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        """What the API answered, in the program's words."""
        return {**from_api(self.body_fields, answer), **from_api(self.told, answer)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if set(self.patched) & set(changed):
            body = self.body(call, new) if self.method == "PUT" else self.patch(call, old, new, changed)
            body = {"name": new["name"], **body}
            call.compute(self.method, id_, body, doing=self.doing("Updating"))

    def patch(self, call: Call, old: Properties, new: Properties, changed: Collection[str]) -> dict[str, Any]:
        """What is sent to change `changed`; what is not wanted any more is sent as empty."""
        body = self.body(call, new)
        result = {}
        for name in set(changed) & set(self.patched):
            if name in self.body_fields:
                api = self.body_fields[name].api
                result[api] = body.get(api, empty_like(old.get(name)))
        return result

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.compute("DELETE", id_, doing=self.doing("Deleting")))

    def find_id(self, call: Call, imported: str) -> str:
        """A person may leave out the project, and the region or zone, where the provider knows them."""
        if imported.startswith("projects/"):
            return imported
        here = {"project": call.project, "region": call.region, "zone": call.zone}
        *place, here["name"] = imported.split("/")
        if place and self.scope != "global":
            here[self.scope] = place.pop()
        if place:
            here["project"] = place.pop()
        return self.make_id(here)


def empty_like(value: Any) -> Any:
    """What takes back `value` in a request."""
    match value:
        case list():
            return []
        case bool():
            return False
        case str():
            return ""
        case _:
            return None


def set_labels(call: Call, id_: str, fingerprint: str, labels: Mapping[str, str], doing: str) -> None:
    """Give something that exists its labels, all of them."""
    body = {"labels": dict(labels), "labelFingerprint": fingerprint}
    call.compute("POST", f"{id_}/setLabels", body, doing=doing)


def retry_when_changed(call: Call, action: Callable[[], None]) -> None:
    """`action`, which reads a fingerprint and writes with it, again where something else wrote between."""
    call.retry("the fingerprint", lambda error: isinstance(error, ApiError) and error.status == 412, action)
