"""The command line: what there is, and how errors are told. Each command is in a file of its own.

Nothing heavy is imported before a command needs it: `daskfleet --help` imports neither Dask nor pydantic.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from daskfleet.commands.connect import connect
from daskfleet.commands.dashboard import dashboard
from daskfleet.commands.doctor import doctor
from daskfleet.commands.down import down
from daskfleet.commands.image import image
from daskfleet.commands.init import init
from daskfleet.commands.list import list_fleets
from daskfleet.commands.logs import logs
from daskfleet.commands.output import print_problem
from daskfleet.commands.preview import preview
from daskfleet.commands.run import run
from daskfleet.commands.scale import scale
from daskfleet.commands.schema import schema
from daskfleet.commands.ssh import ssh
from daskfleet.commands.status import status
from daskfleet.commands.up import up
from daskfleet.errors import FleetError
from daskfleet.services.names import DEFAULT_FLEET

SECTIONS = {
    "A fleet's life": ("up", "preview", "status", "scale", "logs", "list", "down"),
    "Using a fleet": ("connect", "run", "dashboard", "ssh"),
    "The fleet file": ("init", "doctor", "schema"),
    "Machine images": ("image",),
}


class _Commands(TyperGroup):
    """The commands in sections. Plain text: rich's help costs more time than everything else in `--help`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                commands = ((name, self.commands[name]) for name in names)
                formatter.write_dl([(name, command.get_short_help_str(90)) for name, command in commands])


app = typer.Typer(
    name="daskfleet",
    cls=_Commands,
    rich_markup_mode=None,
    help="Dask fleets: one spec file, one command, one way to connect.",
    epilog="Begin with: daskfleet up, then daskfleet connect local -- python script.py, then daskfleet down.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
PASS_ON = {"allow_interspersed_args": False, "ignore_unknown_options": True}

app.command()(up)
app.command()(preview)
app.command()(status)
app.command()(scale)
app.command()(logs)
app.command("list")(list_fleets)
app.command()(down)
app.command()(connect)
app.command(context_settings=PASS_ON)(run)
app.command()(dashboard)
app.command()(ssh)
app.command()(init)
app.command()(doctor)
app.command()(schema)
app.add_typer(image)


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
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:2] == ["connect", "--"]:  # The parser drops the mark, and would take the command for the name.
        arguments = ["connect", DEFAULT_FLEET, *arguments[1:]]
    try:
        app(args=arguments, prog_name="daskfleet")
    except FleetError as error:
        print_problem(str(error))
        sys.exit(1)
    except BrokenPipeError:  # Whoever read our output, such as `head`, has enough.
        sys.stderr.close()
        sys.exit(1)
