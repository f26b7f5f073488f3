"""All fleets at a glance, from what is on this machine; without asking any scheduler."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths, list_fleet_names
from daskfleet.providers import find_provider
from daskfleet.reach import check_reachable
from daskfleet_stacks.connection import Connection


@dataclass(frozen=True)
class Overview:
    """One fleet, in a line."""

    name: str
    provider: str
    state: str
    """`reachable`, `unreachable`, `damaged`, or `unknown` where a tunnel leads there and is not open; `status` says
    more."""
    workers: int
    """Wanted workers."""
    scheduler_address: str
    tags: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The overview as data."""
        return dataclasses.asdict(self)


def read_overviews() -> list[Overview]:
    """Every fleet, by name. All are looked at together: one that does not answer takes seconds."""
    names = list_fleet_names()
    with ThreadPoolExecutor(max_workers=max(1, min(16, len(names)))) as pool:
        return list(pool.map(_read_overview, names))


def _read_overview(name: str) -> Overview:
    provider = find_provider(name)
    try:
        connection = load_connection(name)
        summary = provider.summarise(name)
    except FleetError:
        return Overview(name, "", "damaged", 0, "", {})
    state = _judge(connection)
    return Overview(name, connection.provider, state, summary.workers, connection.scheduler_address, summary.tags)


def _judge(connection: Connection) -> str:
    if connection.access.mode == "ssh":
        from daskfleet.tunnel import is_tunnel_open

        return "reachable" if is_tunnel_open(fleet_paths(connection.fleet)) else "unknown"
    try:
        check_reachable(connection)
    except FleetError:
        return "unreachable"
    return "reachable"
