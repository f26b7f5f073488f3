"""What a project has in Compute Engine, by path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google_cloud.errors import invalid

HOSTS = ("https://www.googleapis.com/compute/v1/", "https://compute.googleapis.com/compute/v1/")
BASE = HOSTS[0]
REFERENCE = re.compile(
    r"projects/(?P<project>[^/]+)/(?P<place>global|(?:regions|zones)/[^/]+)/(?P<collection>\w+)/(?:family/)?[^/]+"
)


@dataclass
class Record:
    """One thing."""

    path: str
    """From the project on: `projects/lab/global/networks/one`."""
    body: dict[str, Any]
    """As the API tells it, without what follows from other things."""
    created: float
    is_ready: bool = False
    """Whether the operation that makes it has ended."""
    is_going: bool = False
    """Whether one that deletes it has begun."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What is not told."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def project(self) -> str:
        return self.path.split("/")[1]

    @property
    def place(self) -> str:
        """`global`, `regions/R` or `zones/Z`."""
        return find_place(self.path)

    @property
    def collection(self) -> str:
        return self.path.rsplit("/", 2)[1]

    @property
    def link(self) -> str:
        return BASE + self.path


class Store:
    """All of it."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def find(self, path: str) -> Record | None:
        return self._records.get(path)

    def add(self, record: Record) -> None:
        self._records[record.path] = record

    def remove(self, path: str) -> None:
        self._records.pop(path, None)

    def select(self, collection: str, project: str | None = None, place: str | None = None) -> list[Record]:
        """Those of a collection, by name."""
        found = (
            record
            for record in self
            if record.collection == collection and project in (None, record.project) and place in (None, record.place)
        )
        return sorted(found, key=lambda record: (record.name, record.path))

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))


def find_place(path: str) -> str:
    parts = path.split("/")
    return "global" if parts[2] == "global" else f"{parts[2]}/{parts[3]}"


def region_of(place: str) -> str:
    """The region of `regions/R`, and that of `zones/Z`."""
    kind, _, name = place.partition("/")
    return name.rpartition("-")[0] if kind == "zones" else name


def shorten(link: str) -> str:
    """A link's path from the project on."""
    for host in HOSTS:
        if link.startswith(host):
            return link.removeprefix(host)
    return link


def parse_reference(value: object, project: str, collection: str, field_name: str) -> str:
    """The path of a thing that a request names: by its link, or a part of it with at least its place.

    Raises:
        ApiError: it is no reference to such a thing.
    """
    text = shorten(value) if isinstance(value, str) else ""
    if re.match(r"(?:global|regions/[^/]+|zones/[^/]+)/", text):
        text = f"projects/{project}/{text}"
    found = REFERENCE.fullmatch(text)
    if found is None:
        why = "The URL is malformed. Must be a valid resource URL or partial URL."
        raise invalid(field_name, value, why)
    if found["collection"] != collection:
        raise invalid(field_name, value, f"Must be a URL of a resource of the collection '{collection}'.")
    return text
