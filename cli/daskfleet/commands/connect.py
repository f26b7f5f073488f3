"""`daskfleet connect`."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daskfleet.commands.arguments import (
    JsonOption,
    NameArgument,
    ProjectOption,
    ProviderOption,
    RegionOption,
    SubscriptionOption,
    choose_account,
)
from daskfleet.commands.output import print_json, print_note
from daskfleet.services.names import DEFAULT_FLEET

if TYPE_CHECKING:
    from daskfleet_stacks.connection import Connection


def connect(
    name: NameArgument = DEFAULT_FLEET,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="A command to run with the connection, after `--`."),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE", help="Use the fleet whose connection is in this file; `-` is standard input."
        ),
    ] = None,
    provider: ProviderOption = None,
    region: RegionOption = None,
    project: ProjectOption = None,
    subscription: SubscriptionOption = None,
    json: JsonOption = False,
    env: Annotated[
        bool, typer.Option("--env", help='Print shell code: eval "$(daskfleet connect NAME --env)".')
    ] = False,
) -> None:
    """Show how to use a fleet, or run a command on it.

    `daskfleet connect NAME -- python script.py` runs the unchanged script: its bare Client() lands on the fleet. The
    exit code is the command's.

    A fleet that somebody else made is used once its connection is here: from a file that they hand over (--from), or
    from the fleet's own secret, with credentials of its cloud (--provider and --region).
    """
    from daskfleet.access import reach_fleet
    from daskfleet.connections import render_environment

    if bool(command) + json + env > 1:
        raise typer.BadParameter("--json, --env and a command exclude one another")
    account = choose_account(provider, region, project=project, subscription=subscription)
    if file is not None and provider is not None:
        raise typer.BadParameter("--from and --provider exclude one another")
    if file is not None:
        from daskfleet.services.adopt import adopt_from_file

        name = adopt_from_file(file, None if name == DEFAULT_FLEET else name)
    elif provider is not None and region is not None:
        from daskfleet.services.adopt import adopt_from_cloud

        adopt_from_cloud(name, provider, region, account)
    connection = reach_fleet(name)
    if command:
        from daskfleet.services.run import replace_with_command

        replace_with_command(command, connection)
    elif json:
        print_json({**dataclasses.asdict(connection), "environment": render_environment(connection, os.environ)})
    elif env:
        for key, value in render_environment(connection, os.environ).items():
            print(f"export {key}={shlex.quote(value)}")
    else:
        _print_for_a_person(connection)


def _print_for_a_person(connection: Connection) -> None:
    from daskfleet.client.daskfleet_client_preload import find_mismatch

    name, versions = connection.fleet, connection.versions
    print(f"fleet      {name} ({connection.provider})")
    print(f"scheduler  {connection.scheduler_address}")
    print(f"dashboard  {connection.dashboard_url}")
    print(f"runs       python {versions.python}, dask {versions.dask}, distributed {versions.distributed}")
    print()
    uses = (
        (f"daskfleet connect {name} -- python script.py", "an unchanged script: its Client() lands on the fleet"),
        (f"daskfleet run {name} script.py", "a script that never makes a Client"),
        (f'eval "$(daskfleet connect {name} --env)"', "every Client() from this shell, until it ends"),
        (f'client = daskfleet.connect("{name}")', "in Python"),
    )
    width = max(len(command) for command, _ in uses)
    for command, what in uses:
        print(f"  {command:<{width}}   {what}")
    mismatch = find_mismatch(name, dataclasses.asdict(versions))
    if mismatch:
        sys.stdout.flush()
        print_note(mismatch)
