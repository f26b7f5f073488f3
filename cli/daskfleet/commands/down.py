"""`daskfleet down`."""

from __future__ import annotations

from daskfleet.commands.arguments import NameArgument
from daskfleet.commands.output import show_progress
from daskfleet.services.names import DEFAULT_FLEET


def down(name: NameArgument = DEFAULT_FLEET) -> None:
    """Remove a fleet: its processes, its files, its keys. Then look whether anything is left.

    Repeating it is no error. It works as well on a fleet that is half started, damaged or dead.
    """
    from daskfleet.connections import describe_missing
    from daskfleet.errors import FleetNotFound
    from daskfleet.interrupts import hold_interrupts
    from daskfleet.providers import find_provider, load_provider

    try:
        provider = find_provider(name)
    except FleetNotFound:
        provider = load_provider("local")  # Its processes may be there when its files are not.
    with show_progress() as progress, hold_interrupts():
        removed = provider.down(name, progress)
    if removed:
        print(f"fleet '{name}' is down: nothing left")
    else:
        print(f"nothing to take down: {describe_missing(name)}")
