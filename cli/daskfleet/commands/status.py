"""`daskfleet status`."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import typer

from daskfleet.commands.arguments import JsonOption, NameArgument
from daskfleet.commands.output import build_console, print_json
from daskfleet.services.names import DEFAULT_FLEET


def status(
    name: NameArgument = DEFAULT_FLEET,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it, until Ctrl-C.")] = False,
    json: JsonOption = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Save it as a picture too.")] = None,
) -> None:
    """Show a fleet: groups, workers with memory and load, phase marks, dashboard."""
    from daskfleet.commands.status_view import render_status
    from daskfleet.providers import find_provider

    if watch and json:
        raise typer.BadParameter("--watch and --json exclude one another")
    provider = find_provider(name)
    if json:
        print_json(dataclasses.asdict(provider.read_status(name)))
        return
    console = build_console()
    if watch:
        from rich.live import Live

        try:
            with Live(
                render_status(provider.read_status(name), console.width), console=console, auto_refresh=False
            ) as live:
                while True:
                    time.sleep(provider.WATCH_SECONDS)
                    live.update(render_status(provider.read_status(name), console.width), refresh=True)
        except KeyboardInterrupt:
            return
    current = provider.read_status(name)
    console.print(render_status(current, console.width))
    if svg is not None:
        from daskfleet.commands.status_view import export_svg

        export_svg(current, svg, title=f"daskfleet status {name}")
        print(f"saved {svg}")
