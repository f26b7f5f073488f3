"""Run a person's command or script with a fleet's connection in its environment."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from daskfleet.connections import current_environment
from daskfleet.errors import FleetError
from daskfleet_stacks.connection import Connection

RUNNER = Path(__file__).parent.parent / "client" / "daskfleet_client_run.py"
"""Makes a `Client` and then runs a script that makes none; see the file."""


def replace_with_command(command: list[str], connection: Connection) -> NoReturn:
    """Become the command, so that its signals and its exit code are the caller's.

    Raises:
        FleetError: there is no such command.
    """
    if shutil.which(command[0]) is None:
        raise FleetError(f"there is no command {command[0]!r} to run (looked along PATH).")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(command[0], command, current_environment(connection))


def replace_with_script(script: str, arguments: list[str], connection: Connection, python: str | None) -> NoReturn:
    """Become a Python that runs the script with a default `Client` of the fleet.

    Raises:
        FleetError: there is no such script.
    """
    if not Path(script).is_file():
        raise FleetError(f"there is no script {script}.")
    replace_with_command([python or sys.executable, str(RUNNER), script, *arguments], connection)
