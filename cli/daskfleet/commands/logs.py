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
    from daskfleet.home import fleet_paths
    from daskfleet.providers import find_provider
    from daskfleet.services.logs import follow_logs, read_last_lines

    found = find_provider(name).find_logs(name, node)
    width = max(len(log.node) for log in found) if len(found) > 1 else 0

    def print_line(source: str, line: str) -> None:
        print(f"{source:<{width}} | {line}" if width else line, flush=follow)

    if not follow:
        for log in found:
            for line in read_last_lines(log, lines):
                print_line(log.node, line)
        return
    folder = fleet_paths(name).root
    with contextlib.suppress(KeyboardInterrupt):
        for source, line in follow_logs(found, lines, is_over=lambda: not folder.exists()):
            print_line(source, line)
