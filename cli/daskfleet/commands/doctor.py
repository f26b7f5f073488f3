"""`daskfleet doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.commands.arguments import JsonOption
from daskfleet.commands.output import print_json


def doctor(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE|NAME]", help="A fleet file, or the name of a fleet.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Look whether a fleet can be made: everything that is wrong, before anything is made.

    The file itself; over SSH each host: whether it lets you in, its Python, memory, disk, clock and ports; in a cloud
    the engine, the credentials, the region, its machines and the image. It changes nothing, and ends with 1 if
    something is wrong.
    """
    from daskfleet.services.doctor import examine

    checks = examine(file)
    if json:
        print_json(
            [{"check": each.name, "ok": each.ok, "problem": each.problem, "found": each.found} for each in checks]
        )
    else:
        width = max(len(each.name) for each in checks)
        for each in checks:
            mark = "ok" if each.ok else "NO"
            lines = (each.problem or each.found).splitlines() or [""]
            print(f"{mark}  {each.name:<{width}}  {lines[0]}".rstrip())
            for line in lines[1:]:
                print(f"    {'':<{width}}  {line.strip()}")
    if not all(each.ok for each in checks):
        raise typer.Exit(1)
