"""Parts of a fleet's things that carry no mark and go with what they are in: the gateway in its router.

`down` need not list them. But one that a killed update made and did not write down is in the way of the next update,
which cannot make it a second time.
"""

from __future__ import annotations

from collections.abc import Iterator

from daskfleet.google import Google, explain_google_errors
from daskfleet.providers.stack.cloud import Leftover
from daskfleet.providers.stack.gcp.listing import name_link
from daskfleet.providers.stack.gcp.marks import Mark

NAT = "NAT gateway"


def find_parts(google: Google, mark: Mark) -> list[Leftover]:
    """The parts, each by the identifier that it has in a stack's state."""
    with explain_google_errors():
        return list(_list_gateways(google, mark))


def _list_gateways(google: Google, mark: Mark) -> Iterator[Leftover]:
    path = google.compute(f"regions/{mark.region}/routers")
    for router in google.list("compute", path, "items"):
        if mark.is_on(router):
            for nat in router.get("nats") or ():
                id_ = f"{google.project}/{mark.region}/{router['name']}/{nat['name']}"
                details = {"router": name_link(str(router["selfLink"])), "name": nat["name"]}
                yield Leftover(NAT, id_, str(nat["name"]), details=details)
