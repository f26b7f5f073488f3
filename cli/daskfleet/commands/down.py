"""`daskfleet down`."""

from __future__ import annotations

import typer

from daskfleet.commands.arguments import (
    NameArgument,
    ProjectOption,
    ProviderOption,
    RegionOption,
    SubscriptionOption,
    YesOption,
    choose_account,
)
from daskfleet.commands.output import build_confirm, show_progress
from daskfleet.services.names import DEFAULT_FLEET


def down(
    name: NameArgument = DEFAULT_FLEET,
    provider: ProviderOption = None,
    region: RegionOption = None,
    project: ProjectOption = None,
    subscription: SubscriptionOption = None,
    yes: YesOption = False,
) -> None:
    """Remove a fleet: its processes or machines, its files, its keys. Then look whether anything is left.

    Repeating it is no error. It works as well on a fleet that is half started, damaged or dead. With --provider and
    --region it finds a fleet by its tag, also where nothing of it is on this machine; then it shows what it found and
    asks.
    """
    from daskfleet.connections import describe_missing
    from daskfleet.errors import FleetNotFound
    from daskfleet.interrupts import hold_interrupts
    from daskfleet.providers import find_provider, load_provider
    from daskfleet.providers.base import Declined

    account = choose_account(provider, region, project=project, subscription=subscription)
    if provider is not None:
        chosen = load_provider(provider, region, account)
    else:
        try:
            chosen = find_provider(name)
        except FleetNotFound:
            chosen = load_provider("local")  # Its processes may be there when its files are not.
    try:
        with show_progress() as progress, hold_interrupts():
            removed = chosen.down(name, progress, confirm=build_confirm(progress, yes=yes))
    except Declined:
        print("nothing was removed")
        raise typer.Exit(1) from None
    if removed:
        print(f"fleet '{name}' is down: nothing left")
    elif provider is not None:
        print(f"nothing to take down: nothing in {provider} {region} carries the tag of a fleet '{name}'")
    else:
        print(f"nothing to take down: {describe_missing(name)}")
