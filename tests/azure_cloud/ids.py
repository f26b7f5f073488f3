"""Identifiers of resources, in which letters' case does not count."""

from __future__ import annotations

import re
from dataclasses import dataclass

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class ResourceId:
    """`/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/virtualNetworks/V/subnets/S`, in its parts."""

    scope: str
    """What is before `/providers/`, as it was given."""
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def type(self) -> str:
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def group(self) -> str:
        """Name of the resource group; empty when it is in none."""
        parts = self.scope.strip("/").split("/")
        return parts[3] if len(parts) >= 4 and parts[2].lower() == "resourcegroups" else ""

    @property
    def subscription(self) -> str:
        parts = self.scope.strip("/").split("/")
        return parts[1] if len(parts) > 1 else ""

    @property
    def parent(self) -> str:
        """Identifier of what it is a part of."""
        return render_id(self.scope, self.namespace, self.types[:-1], self.names[:-1])

    def __str__(self) -> str:
        return render_id(self.scope, self.namespace, self.types, self.names)


def render_id(scope: str, namespace: str, types: tuple[str, ...], names: tuple[str, ...]) -> str:
    pairs = "".join(f"/{type_}/{name}" for type_, name in zip(types, names, strict=True))
    return f"{scope}/providers/{namespace}{pairs}"


def parse_id(text: object) -> ResourceId | None:
    """An identifier; `None` when it is none."""
    if not isinstance(text, str) or not text.startswith("/"):
        return None
    at = text.lower().rfind("/providers/")
    if at < 0:
        return None
    namespace, *rest = text[at + len("/providers/") :].strip("/").split("/")
    if len(rest) < 2 or len(rest) % 2:
        return None
    return ResourceId(text[:at], namespace, tuple(rest[::2]), tuple(rest[1::2]))


def make_key(text: str) -> str:
    """By which things are kept and compared."""
    return text.rstrip("/").lower()


def is_same(one: object, other: object) -> bool:
    return isinstance(one, str) and isinstance(other, str) and make_key(one) == make_key(other)
