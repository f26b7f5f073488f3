"""`daskfleet scale`."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.commands.arguments import GroupArgument, TimeoutOption
from daskfleet.commands.output import show_progress
from daskfleet.services.names import complete_fleets


def scale(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the fleet.", autocompletion=complete_fleets)],
    group: GroupArgument,
    count: Annotated[
        int, typer.Argument(min=0, max=10_000, metavar="COUNT", help="Number of workers; in a cloud, of machines.")
    ],
    timeout: TimeoutOption = None,
) -> None:
    """Give a worker group more or fewer workers; in a cloud, machines.

    Workers that leave hand the data that only they hold to others first.
    """
    from daskfleet.providers import find_provider

    provider = find_provider(name)
    with show_progress() as progress:
        provider.scale(name, group, count, progress, timeout=timeout)
    print(f"group '{group}' of fleet '{name}' has {count} {provider.UNIT}{'' if count == 1 else 's'}")
