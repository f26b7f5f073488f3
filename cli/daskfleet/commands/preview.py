"""`daskfleet preview`."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.commands.arguments import JsonOption
from daskfleet.commands.output import print_json, show_progress
from daskfleet.commands.specs import read_spec_or_exit


def preview(
    target: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A fleet file, or the name of a fleet.")],
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compare with the cloud first, and show what others have changed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what `up` would change, and change nothing.

    For fleets in a cloud; it reads from the cloud, and makes nothing there.
    """
    from daskfleet.providers import load_provider

    spec = read_spec_or_exit(target)
    with show_progress() as progress:
        plan = load_provider(spec.provider).preview(spec, progress, refresh=refresh)
    if json:
        print_json(plan.as_dict())
        return
    for line in plan.render():
        print(line)
