"""The command line: what there is, and how errors are told. Each command is in a file of its own.

Nothing heavy is imported before a command needs it: `daskfleet --help` imports neither Dask nor pydantic.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from daskfleet.commands.connect import connect
from daskfleet.commands.dashboard import dashboard
from daskfleet.commands.down import down
from daskfleet.commands.init import init
from daskfleet.commands.list import list_fleets
from daskfleet.commands.logs import logs
from daskfleet.commands.output import print_problem
from daskfleet.commands.run import run
from daskfleet.commands.scale import scale
from daskfleet.commands.schema import schema
from daskfleet.commands.status import status
from daskfleet.commands.up import up
from daskfleet.errors import FleetError

app = typer.Typer(
    name="daskfleet",
    help="Dask fleets: one spec file, one command, one way to connect.",
    epilog="Begin with: daskfleet up, then daskfleet connect local -- python script.py, then daskfleet down.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
FLEET, USE, FILE = "A fleet's life", "Using a fleet", "The fleet file"
PASS_ON = {"allow_interspersed_args": False, "ignore_unknown_options": True}

app.command(rich_help_panel=FLEET)(up)
app.command(rich_help_panel=FLEET)(status)
app.command(rich_help_panel=FLEET)(scale)
app.command(rich_help_panel=FLEET)(logs)
app.command("list", rich_help_panel=FLEET)(list_fleets)
app.command(rich_help_panel=FLEET)(down)
app.command(rich_help_panel=USE)(connect)
app.command(rich_help_panel=USE, context_settings=PASS_ON)(run)
app.command(rich_help_panel=USE)(dashboard)
app.command(rich_help_panel=FILE)(init)
app.command(rich_help_panel=FILE)(schema)


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"daskfleet {importlib.metadata.version('daskfleet')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake is told without a traceback.

    Exit codes: 0 done, 1 it could not be done, 2 the command line is wrong, 130 interrupted.
    """
    try:
        app(args=arguments, prog_name="daskfleet")
    except FleetError as error:
        print_problem(str(error))
        sys.exit(1)
    except BrokenPipeError:  # Whoever read our output, such as `head`, has enough.
        sys.stderr.close()
        sys.exit(1)
