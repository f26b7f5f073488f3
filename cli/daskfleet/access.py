"""From a fleet's name to a connection that works from here. Light: no Dask, no pydantic, no Pulumi, no cloud SDK."""

from __future__ import annotations

import dataclasses

from daskfleet.connections import load_connection
from daskfleet.home import fleet_paths
from daskfleet.reach import check_dashboard, check_reachable
from daskfleet_stacks.connection import Connection


def reach_dashboard(name: str) -> str:
    """The address of the fleet's dashboard, as this machine reaches it; through a tunnel if need be.

    Raises:
        FleetNotFound: there is no such fleet.
        FleetError: it cannot be reached; with what to do.
    """
    connection = load_connection(name)
    if connection.access.mode == "direct" and connection.access.host:
        # The scheduler is reached as it is, and its dashboard listens on its own machine only.
        from daskfleet.tunnel import open_route

        access = dataclasses.replace(connection.access, mode="ssh")
        return open_route(dataclasses.replace(connection, access=access), fleet_paths(name)).dashboard_url
    connection = reach_fleet(name)
    check_dashboard(connection)
    return connection.dashboard_url


def reach_fleet(name: str) -> Connection:
    """The connection of the fleet called `name`, as it is reached from this machine; through a tunnel if need be.

    Raises:
        FleetNotFound: there is no such fleet.
        FleetError: its scheduler cannot be reached; with what to do.
    """
    connection = load_connection(name)
    if connection.access.mode == "ssh":
        from daskfleet.tunnel import open_route

        connection = open_route(connection, fleet_paths(name))
    check_reachable(connection)
    return connection
