"""Arguments that many commands have, and how a shell completes them."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.services.names import complete_clouds, complete_fleets, complete_groups, complete_nodes

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
    float | None,
    typer.Option(
        "--timeout",
        min=1,
        metavar="SECONDS",
        help="How long the workers may take to register. Default: 120, in a cloud 600.",
    ),
]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ProviderOption = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="PROVIDER",
        help="The fleet's cloud, where nothing of the fleet is on this machine: aws.",
        autocompletion=complete_clouds,
    ),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="With --provider: the region that the fleet is in.")
]


def check_share(share: float) -> float:
    """Refuse what is no share."""
    if not 0 < share <= 1:
        raise typer.BadParameter(f"{share:g} is no share: it is above 0 and at most 1, such as 0.9")
    return share


def check_region(provider: str | None, region: str | None) -> None:
    """Refuse one of the two without the other."""
    if (provider is None) != (region is None):
        raise typer.BadParameter("--provider and --region go together")
