"""What there is in Azure, by identifier."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from azure_cloud.ids import ResourceId, make_key, parse_id

SUCCEEDED, FAILED, CREATING, UPDATING, DELETING = "Succeeded", "Failed", "Creating", "Updating", "Deleting"


@dataclass
class Record:
    """One thing."""

    id: str
    type: str
    given: dict[str, Any]
    """What requests said of it, all together."""
    body: dict[str, Any]
    """As the API tells it, without what follows from other things."""
    created: float
    state: str = SUCCEEDED
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))
    changed: float = 0.0
    error: dict[str, Any] | None = None
    """What its last operation failed with."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What is not told."""

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def parsed(self) -> ResourceId:
        found = parse_id(self.id)
        assert found is not None, self.id
        return found

    @property
    def group(self) -> str:
        return self.id.split("/")[4] if self.id.lower().count("/resourcegroups/") else ""

    @property
    def location(self) -> str:
        return str(self.body.get("location", ""))

    @property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body.setdefault("properties", {})
        return found

    def touch(self, now: float) -> None:
        """It has changed."""
        self.etag, self.changed = str(uuid.uuid4()), now


class Store:
    """All of it."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._by_type: dict[str, dict[str, Record]] = {}

    def find(self, id_: object, type_: str | None = None) -> Record | None:
        """A thing by its identifier, and of a type where one is given."""
        found = self._records.get(make_key(id_)) if isinstance(id_, str) else None
        return found if found is not None and type_ in (None, found.type) else None

    def add(self, record: Record) -> None:
        self._records[make_key(record.id)] = record
        self._by_type.setdefault(record.type, {})[make_key(record.id)] = record

    def remove(self, id_: str) -> None:
        record = self._records.pop(make_key(id_), None)
        if record is not None:
            self._by_type[record.type].pop(make_key(id_), None)

    def select(self, type_: str, scope: str = "") -> list[Record]:
        """Those of a type in a scope, by their identifiers."""
        prefix = make_key(scope) + "/" if scope else ""
        found = self._by_type.get(type_, {}).items()
        return [record for key, record in sorted(found) if key.startswith(prefix)]

    def list_below(self, id_: str) -> list[Record]:
        """All that is a part of something."""
        prefix = make_key(id_) + "/"
        return [record for key, record in self._records.items() if key.startswith(prefix)]

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))
