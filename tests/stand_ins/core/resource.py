"""The contract of one resource type."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeGuard, TypeVar

from stand_ins.core.naming import AutoName
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import Field
from stand_ins.core.wire import Unknown

Properties = Mapping[str, Any]
CallT = TypeVar("CallT")


class Resource(Generic[CallT]):
    """One resource type: what it takes, what changes it in place, and the operations.

    Operations get plain values, without secrets or unknowns; `call` is how they reach what the plugin is for.
    """

    token: ClassVar[str]
    label: ClassVar[str]
    """As the real provider calls it in its errors."""
    inputs: ClassVar[Mapping[str, Field]]
    """What the stand-in knows how to do; all else that the SDK has is refused."""
    replaces: ClassVar[Collection[str]] = ()
    """What can only change by making another one."""
    defaults: ClassVar[Properties] = {}
    inner_defaults: ClassVar[Mapping[str, Properties]] = {}
    """Of the objects inside, by their path: `disk`, or `disk.params`, each of them where it is a list."""
    sets: ClassVar[Collection[str]] = ()
    """Lists, at any depth, whose order means nothing."""
    documents: ClassVar[Collection[str]] = ()
    """Texts that are JSON: only their meaning counts."""
    lenient: ClassVar[Collection[str]] = ()
    """Properties, at any depth, that the cloud decides where the program does not, though the SDK does not say so."""
    kept: ClassVar[Collection[str]] = ()
    """What is said to the provider only: no API tells it back."""
    secrets: ClassVar[Collection[str]] = ()
    """Outputs that are secret whatever they were made from."""
    autoname: ClassVar[AutoName | None] = None
    at_most_one: ClassVar[Collection[Collection[str]]] = ()
    exactly_one: ClassVar[Collection[Collection[str]]] = ()
    at_least_one: ClassVar[Collection[Collection[str]]] = ()
    minutes: ClassVar[Mapping[str, float]] = {}
    """How long `create`, `update` and `delete` may take, where not the usual time."""

    def check(self, given: Properties) -> Iterator[Problem]:
        """What the rules above do not say; unknowns may be in `given`."""
        yield from self._count(given, self.exactly_one, least=1, most=1)
        yield from self._count(given, self.at_most_one, least=0, most=1)
        yield from self._count(given, self.at_least_one, least=1, most=99)

    def _count(
        self, given: Properties, groups: Collection[Collection[str]], *, least: int, most: int
    ) -> Iterator[Problem]:
        for group in groups:
            present = [name for name in group if given.get(name) not in (None, [], {})]
            names = ", ".join(group)
            if len(present) > most:
                yield Problem(present[-1], f"Conflicting configuration arguments: only one of {names} may be given")
            elif len(present) < least:
                yield Problem(next(iter(group)), f"Missing required argument: one of {names} must be given")

    def create(self, call: CallT, given: Properties) -> str:
        """Make it, with its tags, in one request where the API can; its id."""
        raise NotImplementedError

    def settle(self, call: CallT, id_: str, given: Properties) -> None:
        """What is left to do once it exists: further requests, waiting. When this fails the engine remembers it."""

    def read(self, call: CallT, id_: str, known: Properties) -> dict[str, Any] | None:
        """All that the cloud says of it, or None where it is gone. `known` is empty in an import."""
        raise NotImplementedError

    def update(self, call: CallT, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        """Bring it from `old` to `new`; they differ in `changed`."""
        raise NotImplementedError

    def delete(self, call: CallT, id_: str, old: Properties) -> None:
        """Make it gone; that it is gone already is no error."""
        raise NotImplementedError

    def replan(self, changed: Collection[str]) -> Collection[str]:
        """The outputs that an update of `changed` will change, beside those themselves."""
        return ()

    def remember(self, state: Properties, given: Properties) -> dict[str, Any]:
        """What a read after an update has to know."""
        return {**{key: state[key] for key in self.kept if key in state}, **given}

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        """Whether the change of the property `name` needs another one; what `new` holds may be unknown."""
        return name in self.replaces

    def normalize(self, name: str, value: Any) -> Any:
        """A text of the property `name`, at any depth, in the spelling in which the cloud tells it back."""
        return value

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        """Whether `old`, the cloud's, is what a program calls `new`: values of the property `name`, at any depth."""
        return bool(self.normalize(name, old) == self.normalize(name, new))

    def find_expired(self, state: Properties) -> Collection[str]:
        """The outputs whose state alone asks for another one, whatever the program wants."""
        return ()

    def find_id(self, call: CallT, imported: str) -> str:
        """The id of what a person named in an import."""
        return imported


def is_known(value: Any) -> TypeGuard[Any]:
    """Whether `value` is there and is not left to the update."""
    return value is not None and not isinstance(value, Unknown)
