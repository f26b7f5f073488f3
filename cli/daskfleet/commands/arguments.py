"""Arguments that many commands have, and how a shell completes them."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.services.names import complete_fleets, complete_groups, complete_nodes

NameArgument = Annotated[
    str, typer.Argument(metavar="[NAME]", help="Name of the fleet.", autocompletion=complete_fleets)
]
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="Worker group.", autocompletion=complete_groups)]
NodeArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NODE]", help="'scheduler' or a worker group; all if not given.", autocompletion=complete_nodes
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, metavar="SECONDS", help="How long the workers may take to register.")
]
