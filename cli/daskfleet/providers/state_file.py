"""Read back what a provider remembers of a fleet."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths

State = TypeVar("State", bound=BaseModel)


class StateDamaged(FleetError):
    """The fleet's state file cannot be read."""


def read_state_file(paths: FleetPaths, model: type[State], remedy: str = ".") -> State | None:
    """The state in the fleet's folder; `None` if there is none.

    Args:
        remedy: how the sentence ends that says that the file is damaged.

    Raises:
        StateDamaged: the file is there and cannot be read as a state.
    """
    try:
        return model.model_validate_json(paths.state.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateDamaged(f"{paths.state} cannot be read: {error.strerror}.") from None
    except ValidationError:
        raise StateDamaged(f"{paths.state} is damaged{remedy}") from None
