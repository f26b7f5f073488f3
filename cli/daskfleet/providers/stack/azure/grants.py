"""Roles of a fleet's identities: those on data that is elsewhere do not go with the fleet's resource group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from daskfleet.azure import Azure, Refused
from daskfleet.providers.stack.azure.places import ASSIGNMENTS, IDENTITIES, Place
from daskfleet.providers.stack.cloud import Leftover

GRANT = "role assignment"


def list_principals(azure: Azure, place: Place) -> set[str]:
    """The fleet's identities, as roles call them."""
    try:
        return {str(each["properties"]["principalId"]) for each in azure.list(place.list_of(IDENTITIES))}
    except Refused as error:
        if error.is_missing:
            return set()
        raise


def list_outside(azure: Azure, place: Place) -> list[Leftover]:
    """The roles of the fleet's identities outside of its resource group. One call for each identity.

    Of identities that are gone it cannot be known any more which roles were theirs.
    """
    found = []
    for principal in sorted(list_principals(azure, place)):
        query = {"$filter": f"principalId eq '{principal}'"}
        for each in azure.list(f"{azure.scope}/providers/{ASSIGNMENTS}", query):
            if not place.holds(read_scope(each)):
                found.append(read_grant(each))
    return found


def list_inside(azure: Azure, place: Place, principals: Iterable[str]) -> list[Leftover]:
    """The roles that these have in the fleet's resource group. One call."""
    wanted = {each.lower() for each in principals}
    return [
        read_grant(each)
        for each in azure.list(place.list_of(ASSIGNMENTS))
        if place.holds(read_scope(each)) and str(each["properties"].get("principalId")).lower() in wanted
    ]


def read_scope(assignment: Mapping[str, Any]) -> str:
    """What a role is for. Pure."""
    return str((assignment.get("properties") or {}).get("scope") or "")


def read_grant(assignment: Mapping[str, Any]) -> Leftover:
    """A role, by the identifier that it has in a stack, and named by what it is for. Pure."""
    name = "/".join(read_scope(assignment).rpartition("/providers/")[2].split("/")[2:])
    return Leftover(GRANT, str(assignment["id"]), name, details=assignment)
