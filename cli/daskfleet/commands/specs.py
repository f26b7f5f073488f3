"""The spec that a command is given, or an end with everything that is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from daskfleet.commands.output import print_problem

if TYPE_CHECKING:
    from daskfleet_stacks.spec import FleetSpec


def read_spec_or_exit(target: str | None) -> FleetSpec:
    """The spec that the command's argument names; a file that is wrong ends the command."""
    from daskfleet.services.specs import find_spec
    from daskfleet_stacks.spec import SpecError

    try:
        return find_spec(target)
    except SpecError as error:
        many = f"{len(error.problems)} problems" if len(error.problems) > 1 else "1 problem"
        print_problem(f"{many} in {error.source}, nothing was changed\n{error}")
        raise typer.Exit(1) from None
