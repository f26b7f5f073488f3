"""`daskfleet up`."""

from __future__ import annotations

import dataclasses
import time
from typing import Annotated

import typer

from daskfleet.commands.arguments import JsonOption, TimeoutOption, YesOption, check_share
from daskfleet.commands.output import build_confirm, print_json, print_problem, show_progress
from daskfleet.commands.specs import read_spec_or_exit


def up(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|NAME]",
            help="A fleet file, or the name of a fleet to mend. Without one: 'local', which fills this machine.",
        ),
    ] = None,
    timeout: TimeoutOption = None,
    share: Annotated[
        float,
        typer.Option("--share", metavar="SHARE", callback=check_share, help="How many of the workers to wait for."),
    ] = 1.0,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Make a fleet what its file says: start it, change it or mend it.

    In a cloud it shows its plan and asks first. Safe to repeat at any time. Ctrl-C while a new fleet starts leaves
    nothing behind.
    """
    from daskfleet.interrupts import interrupt_on_termination
    from daskfleet.providers import load_provider
    from daskfleet.providers.base import Declined

    start = time.monotonic()
    spec = read_spec_or_exit(target)
    provider = load_provider(spec.provider)
    try:
        with interrupt_on_termination(), show_progress() as progress:
            confirm = build_confirm(progress, yes=yes)
            connection = provider.up(spec, progress, timeout=timeout, share=share, confirm=confirm)
    except KeyboardInterrupt:
        print_problem("interrupted")
        raise typer.Exit(130) from None
    except Declined:
        print("nothing was changed")
        raise typer.Exit(1) from None
    if json:
        print_json(dataclasses.asdict(connection))
        return
    counts = provider.summarise(spec.name).counts
    workers = ", ".join(f"{count} in {group}" for group, count in counts.items())
    print(f"fleet '{spec.name}' is up at {connection.scheduler_address} after {time.monotonic() - start:.1f} s")
    print(f"  workers    {workers}")
    # Elsewhere the address is the scheduler's own loopback interface, to which that command makes a way.
    is_here = connection.access.mode == "local"
    print(f"  dashboard  {connection.dashboard_url if is_here else f'daskfleet dashboard {spec.name}'}")
    print(f"  use it     daskfleet connect {spec.name} -- python script.py")
