"""`dask fleet …`: the same commands from Dask's own command line (entry point group `dask_cli`)."""

from __future__ import annotations

import click


@click.command(
    name="fleet",
    short_help="Dask fleets, from a laptop to the cloud (daskfleet).",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def fleet(arguments: tuple[str, ...]) -> None:
    """Pass everything on: typer has its own click, so its commands cannot be Dask's subcommands themselves."""
    from daskfleet.commands.app import main

    main(list(arguments))
