"""Keep the connection of a fleet that was made elsewhere, so that it is used as one's own."""

from __future__ import annotations

import time
from collections.abc import Mapping

from daskfleet.home import FleetPaths, make_private_folder, write_private_file
from daskfleet.providers.stack.cloud import Resources
from daskfleet.providers.stack.files import write_connection
from daskfleet.providers.stack.state import GroupState, StackState, apply_resources, read_state
from daskfleet.providers.state_file import StateDamaged
from daskfleet_stacks.connection import Connection


def write_adopted(
    connection: Connection, resources: Resources | None, counts: Mapping[str, int], paths: FleetPaths
) -> Connection:
    """Write the files; what this machine knows of its own making of the fleet, it keeps.

    Args:
        resources: what the fleet is made of, where that is known: with it `status`, `scale` and `logs` work as well.
        counts: machines that each group wants, where that is known.
    """
    try:
        old = read_state(paths)
    except StateDamaged:
        old = None
    state = old or StackState(provider=connection.provider, region="", spec=None, created=time.time(), groups=())
    if resources is not None:
        known = {group.name: group.count for group in state.groups} | dict(counts)
        groups = tuple(GroupState(name=each.name, count=known.get(each.name, 0)) for each in resources.groups)
        state = apply_resources(state.model_copy(update={"groups": groups}), resources)
    make_private_folder(paths.root)
    write_private_file(paths.state, state.model_copy(update={"complete": True}).model_dump_json(indent=2))
    return write_connection(connection, paths)
