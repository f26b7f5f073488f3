"""What this machine remembers of a fleet, or why it does not."""

from __future__ import annotations

from daskfleet.connections import describe_missing
from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths
from daskfleet.providers.stack.state import StackState, read_state
from daskfleet.providers.state_file import StateDamaged


def load_state(name: str) -> StackState:
    """The fleet's state.

    Raises:
        FleetError: there is none, or it is damaged.
    """
    try:
        state = read_state(fleet_paths(name))
    except StateDamaged as error:
        raise FleetError(
            f"{error} `daskfleet up FILE` writes it anew; `daskfleet down {name}` removes the fleet."
        ) from None
    if state is None:
        raise describe_missing(name)
    return state
