"""Remove what carries a fleet's mark and no stack knows of, each thing once what depends on it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Never

from daskfleet.errors import FleetError
from daskfleet.google import Google, Refused, explain_google_errors
from daskfleet.providers.stack.cloud import Leftover
from daskfleet.providers.stack.gcp.grants import BUCKET_GRANT, PROJECT_GRANT, remove_grant
from daskfleet.providers.stack.gcp.listing import RULE, read_item
from daskfleet.providers.stack.gcp.parts import NAT

WAIT_SECONDS = 600.0
"""How long something may be held on to by what is on its way out."""

POLL_SECONDS = 2.0
NETWORK = "network"
IN_USE = (
    "resourceInUseByAnotherResource",
    "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
    "resourceNotReady",
    "RESOURCE_NOT_READY",
)
"""What Google says of things that something still holds on to, which may be on its way out."""


def remove_leftovers(google: Google, leftovers: Sequence[Leftover]) -> None:
    """Remove the things, in their order. Safe to repeat: what is gone already is passed over.

    Raises:
        FleetError: something would not go; with what it is and what Google said.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with explain_google_errors():
        for kind in dict.fromkeys(each.kind for each in leftovers):
            several = [each for each in leftovers if each.kind == kind]
            if kind == NETWORK:  # Whatever others have put into it holds it.
                _remove_compute(google, _list_rules_in(google, several), deadline)
            if kind in COMPUTE:
                _remove_compute(google, several, deadline)
            for each in several:
                if kind in REMOVERS:
                    _pass_missing(google, each, REMOVERS[kind])


def _remove_compute(google: Google, several: Sequence[Leftover], deadline: float) -> None:
    """All are asked to go before the first is waited for."""
    operations = [(each, _begin(google, each, deadline)) for each in several]
    for each, operation in operations:
        _finish(google, each, operation, deadline)


def _list_rules_in(google: Google, networks: Sequence[Leftover]) -> list[Leftover]:
    links = {each.details.get("selfLink") for each in networks}
    rules = google.list("compute", google.compute("global/firewalls"), "items")
    return [read_item(RULE, each) for each in rules if each.get("network") in links]


def _begin(google: Google, leftover: Leftover, deadline: float) -> dict[str, Any] | None:
    """Ask for a thing to go; `None` where it is gone."""
    while True:
        try:
            return google.ask("compute", "DELETE", leftover.id)
        except Refused as error:
            if error.is_missing:
                return None
            if error.reason not in IN_USE or time.monotonic() > deadline:
                _refuse(leftover, error)
            time.sleep(POLL_SECONDS)


def _finish(google: Google, leftover: Leftover, operation: dict[str, Any] | None, deadline: float) -> None:
    """Wait until it is gone; ask again where something still held on to it."""
    while operation is not None:
        try:
            google.await_end(operation)
        except Refused as error:
            if error.is_missing:
                return
            if error.reason not in IN_USE or time.monotonic() > deadline:
                _refuse(leftover, error)
            time.sleep(POLL_SECONDS)
            operation = _begin(google, leftover, deadline)
        else:
            return


def _refuse(leftover: Leftover, refusal: Refused) -> Never:
    try:
        with explain_google_errors():
            raise refusal
    except FleetError as error:
        raise FleetError(f"{leftover} cannot be removed: {error}") from None


def _pass_missing(google: Google, leftover: Leftover, remove: Callable[[Google, Leftover], None]) -> None:
    try:
        remove(google, leftover)
    except Refused as error:
        if not error.is_missing:
            _refuse(leftover, error)


def _remove_secret(google: Google, leftover: Leftover) -> None:
    google.ask("secretmanager", "DELETE", f"v1/{leftover.id}")


def _remove_account(google: Google, leftover: Leftover) -> None:
    google.ask("iam", "DELETE", f"v1/{leftover.id}")


def _remove_log(google: Google, leftover: Leftover) -> None:
    google.ask("logging", "DELETE", f"v2/{leftover.id}")


def _remove_nat(google: Google, leftover: Leftover) -> None:
    router = google.ask("compute", "GET", leftover.details["router"])
    nats = [each for each in router.get("nats") or () if each["name"] != leftover.details["name"]]
    google.await_end(google.ask("compute", "PATCH", leftover.details["router"], body={"nats": nats}))


COMPUTE = (
    "managed group",
    "instance",
    "disk",
    "instance template",
    "health check",
    "placement policy",
    "address",
    "firewall rule",
    "router",
    "subnet",
    "network",
)
"""Kinds that Compute Engine removes by their full names."""

REMOVERS: dict[str, Callable[[Google, Leftover], None]] = {
    "secret": _remove_secret,
    "service account": _remove_account,
    "log": _remove_log,
    NAT: _remove_nat,
    PROJECT_GRANT: remove_grant,
    BUCKET_GRANT: remove_grant,
}
"""How things of the other kinds are removed."""
