"""Remove what is left of a fleet: its resource group at once, or single things that no stack knows of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Never

from daskfleet.azure import VAULTS as AUDIENCE
from daskfleet.azure import Answer, Azure, Refused, explain_azure_errors
from daskfleet.errors import FleetError
from daskfleet.providers.stack.azure.connections import DENIED, VERSION
from daskfleet.providers.stack.azure.grants import GRANT
from daskfleet.providers.stack.azure.listing import DELETED_VAULT, KINDS, RESOURCE_GROUP, list_deleted_vaults
from daskfleet.providers.stack.azure.openings import RULE, close
from daskfleet.providers.stack.azure.parts import CONTAINER, SECRET
from daskfleet.providers.stack.azure.places import MACHINES, SCALE_SETS, Place
from daskfleet.providers.stack.cloud import Leftover

WAIT_SECONDS = 600.0
"""How long something may be held on to by what is on its way out."""

SECRET_SECONDS = 60.0
"""How long the deletion of a secret may take."""

POLL_SECONDS = 2.0
CONFLICT = 409
LOCKED = "ScopeLocked"

AT_ONCE = {
    "machine": {"forceDeletion": "true"},
    "scale set": {"forceDeletion": "true"},
    RESOURCE_GROUP: {"forceDeletionTypes": f"{MACHINES},{SCALE_SETS}"},
}
"""By which machines go without the minutes that they have to hand their data over."""


def remove_leftovers(azure: Azure, place: Place, leftovers: Sequence[Leftover]) -> None:
    """Remove the things, in their order. Safe to repeat: what is gone already is passed over.

    Raises:
        FleetError: something would not go; with what it is and what Azure said.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with explain_azure_errors():
        for each in leftovers:
            if each.kind in (RULE, SECRET):
                _remove_part(azure, each)
        is_whole = any(each.kind == RESOURCE_GROUP for each in leftovers)
        # What is in the group goes with it; roles elsewhere would be nobody's after.
        kinds = (GRANT, RESOURCE_GROUP) if is_whole else (GRANT, CONTAINER, *KINDS.values())
        for kind in kinds:
            _remove_all(azure, [each for each in leftovers if each.kind == kind], deadline)
        purged = [each for each in leftovers if each.kind == DELETED_VAULT]
        if is_whole or any(each.kind == KINDS["Microsoft.KeyVault/vaults"] for each in leftovers):
            purged += [each for each in list_deleted_vaults(azure, place) if each not in purged]
        for each in purged:
            _finish(azure, each, _begin(azure, each, deadline), deadline)


def _remove_all(azure: Azure, several: Sequence[Leftover], deadline: float) -> None:
    """All are asked to go before the first is waited for."""
    begun = [(each, _begin(azure, each, deadline)) for each in several]
    for each, answer in begun:
        _finish(azure, each, answer, deadline)


def _begin(azure: Azure, leftover: Leftover, deadline: float) -> Answer | None:
    """Ask for a thing to go; `None` where it is gone."""
    while True:
        try:
            if leftover.kind == DELETED_VAULT:
                return azure.begin("POST", f"{leftover.id}/purge")
            return azure.begin("DELETE", leftover.id, AT_ONCE.get(leftover.kind))
        except Refused as error:
            if error.is_missing:
                return None
            if not is_held(error) or time.monotonic() > deadline:
                _refuse(leftover, error)
            time.sleep(POLL_SECONDS)


def _finish(azure: Azure, leftover: Leftover, answer: Answer | None, deadline: float) -> None:
    """Wait until it is gone; ask again where something still held on to it."""
    while answer is not None:
        try:
            azure.await_end(answer)
        except Refused as error:
            if error.is_missing:
                return
            if not is_held(error) or time.monotonic() > deadline:
                _refuse(leftover, error)
            time.sleep(POLL_SECONDS)
            answer = _begin(azure, leftover, deadline)
        else:
            return


def is_held(error: Refused) -> bool:
    """Whether something still holds on to a thing, which may be on its way out. Pure."""
    return (error.status == CONFLICT or "InUse" in error.code) and error.code != LOCKED


def _refuse(leftover: Leftover, refusal: Refused) -> Never:
    try:
        with explain_azure_errors():
            raise refusal
    except FleetError as error:
        raise FleetError(f"{leftover} cannot be removed: {error}") from None


def _remove_part(azure: Azure, leftover: Leftover) -> None:
    try:
        if leftover.kind == RULE:
            close(azure, leftover)
        else:
            _remove_secret(azure, leftover)
    except Refused as error:
        # Whoever may make a secret may not delete it by that; it is in nobody's way but an update's, which says so.
        if not error.is_missing and (leftover.kind, error.code) != (SECRET, DENIED):
            _refuse(leftover, error)


def _remove_secret(azure: Azure, leftover: Leftover) -> None:
    """Delete a secret and purge it: until then its name cannot be used again."""
    address = str(leftover.details["secretUri"])
    azure.send("DELETE", f"{address}?api-version={VERSION}", AUDIENCE)
    deleted = f"{address.replace('/secrets/', '/deletedsecrets/')}?api-version={VERSION}"
    deadline = time.monotonic() + SECRET_SECONDS
    while True:
        try:
            azure.send("DELETE", deleted, AUDIENCE)
        except Refused as error:
            is_going = error.is_missing or error.status == CONFLICT
            if not is_going or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return
