"""`daskfleet run`."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.services.names import complete_fleets


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the fleet.", autocompletion=complete_fleets)],
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="A Python script.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARGS...]", help="Its arguments.")] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="PATH", help="Python to run it with, if not daskfleet's own; before NAME."),
    ] = None,
) -> None:
    """Run a script on a fleet, also one that never makes a Client.

    What it computes with Dask runs on the fleet, as if it began with Client(). The exit code is the script's.
    """
    from daskfleet.access import reach_fleet
    from daskfleet.services.run import replace_with_script

    replace_with_script(script, arguments or [], reach_fleet(name), python)
