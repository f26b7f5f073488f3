"""`daskfleet logs`."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from daskfleet.commands.arguments import NameArgument, NodeArgument
from daskfleet.services.names import DEFAULT_FLEET


def logs(
    name: NameArgument = DEFAULT_FLEET,
    node: NodeArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="COUNT", help="Lines of each log.")] = 50,
) -> None:
    """Show the logs of a fleet's nodes: also of workers that are gone."""
    from daskfleet.providers import find_provider

    found = find_provider(name).read_logs(name, node, lines=lines, follow=follow)
    width = max((len(each) for each in found.nodes), default=0)
    with contextlib.suppress(KeyboardInterrupt):
        for source, line in found.lines:
            width = max(width, len(source))
            print(line if found.nodes == (source,) else f"{source:<{width}} | {line}", flush=follow)
