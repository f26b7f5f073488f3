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
        help="The fleet's cloud, where nothing of the fleet is on this machine: aws, gcp, azure.",
        autocompletion=complete_clouds,
    ),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="With --provider: the region that the fleet is in.")
]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project", metavar="PROJECT", help="With --provider gcp: the project; that of your credentials if not given."
    ),
]
SubscriptionOption = Annotated[
    str | None,
    typer.Option(
        "--subscription",
        metavar="ID",
        help="With --provider azure: the subscription; that of your credentials if not given.",
    ),
]

ACCOUNTS = {"project": "gcp", "subscription": "azure"}
"""Options that say in whose name something is, each of one provider."""


def check_share(share: float) -> float:
    """Refuse what is no share."""
    if not 0 < share <= 1:
        raise typer.BadParameter(f"{share:g} is no share: it is above 0 and at most 1, such as 0.9")
    return share


def choose_account(provider: str | None, region: str | None, **given: str | None) -> str:
    """The project or subscription of a place, if one is given.

    Raises:
        typer.BadParameter: a part of a place is given without the others, or an option of another provider.
    """
    for option, value in given.items():
        if value is not None and provider != ACCOUNTS[option]:
            raise typer.BadParameter(f"--{option} goes with --provider {ACCOUNTS[option]}")
    if (provider is None) != (region is None):
        raise typer.BadParameter("--provider and --region go together")
    return next(filter(None, given.values()), "")
