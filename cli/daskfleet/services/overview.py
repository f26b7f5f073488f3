"""All fleets at a glance, from what is on this machine; without asking any scheduler."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import list_fleet_names
from daskfleet.providers import find_provider
from daskfleet.reach import check_reachable


@dataclass(frozen=True)
class Overview:
    """One fleet, in a line."""

    name: str
    provider: str
    state: str
    """`reachable`, `unreachable` or `damaged`; `status` says more."""
    workers: int
    """Wanted workers."""
    scheduler_address: str
    tags: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The overview as data."""
        return dataclasses.asdict(self)


def read_overviews() -> list[Overview]:
    """Every fleet, by name."""
    return [_read_overview(name) for name in list_fleet_names()]


def _read_overview(name: str) -> Overview:
    provider = find_provider(name)
    try:
        connection = load_connection(name)
        summary = provider.summarise(name)
    except FleetError:
        return Overview(name, "", "damaged", 0, "", {})
    try:
        check_reachable(connection)
        state = "reachable"
    except FleetError:
        state = "unreachable"
    return Overview(name, connection.provider, state, summary.workers, connection.scheduler_address, summary.tags)
