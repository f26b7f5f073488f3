"""`daskfleet dashboard`."""

from __future__ import annotations

from typing import Annotated

import typer

from daskfleet.commands.arguments import NameArgument
from daskfleet.services.names import DEFAULT_FLEET


def dashboard(
    name: NameArgument = DEFAULT_FLEET,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
) -> None:
    """Open the fleet's dashboard in the browser, and print its address."""
    from daskfleet.access import reach_dashboard

    url = reach_dashboard(name)
    print(url)
    if browser:
        import webbrowser

        from daskfleet.reach import await_page

        await_page(url, timeout=15)
        if not webbrowser.open(url):
            print("no browser was found here; open the address by hand")
