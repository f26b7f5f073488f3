"""`daskfleet ssh`."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import typer

from daskfleet.errors import FleetError
from daskfleet.services.names import complete_fleets


def ssh(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the fleet.", autocompletion=complete_fleets)],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="A command to run there, after `--`.")
    ] = None,
) -> None:
    """Log in to the scheduler's machine; in a cloud with the fleet's own key.

    For fleets of provider ssh, and for those in a cloud with `access: {mode: ssh}`. The exit code is that of the
    command.
    """
    from daskfleet.connections import load_connection
    from daskfleet.home import fleet_paths
    from daskfleet.tunnel import render_login

    connection = load_connection(name)
    if not connection.access.host:
        raise FleetError(
            f"the scheduler of fleet '{name}' is not reached by SSH; in a cloud, `access: {{mode: ssh, allowed_cidrs: "
            "[...]}` in the fleet's file lets you in."
        )
    if shutil.which("ssh") is None:
        raise FleetError("there is no `ssh` here; install OpenSSH's client.")
    login = render_login(connection, fleet_paths(name))
    sys.stdout.flush()
    os.execvp(login[0], [*login, *(command or [])])
