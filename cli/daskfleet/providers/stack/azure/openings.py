"""Rules in a fleet's firewall that let others reach its machines and that its stack has not made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daskfleet.azure import Azure, Refused, explain_azure_errors
from daskfleet.providers.stack.azure.places import SECURITY_GROUPS, Place
from daskfleet.providers.stack.cloud import Leftover

RULE = "security rule"

OWN_RULES = frozenset(
    {
        "scheduler-from-workers",
        "workers-from-scheduler",
        "workers-from-workers",
        "clients",
        "ssh",
        "nobody-else",
    }
)
"""The rules that the components make, by name. Whatever else is in them, the stack puts back."""


def find_openings(azure: Azure, place: Place) -> list[Leftover]:
    """The rules that let somebody in and are not the fleet's own. One call."""
    with explain_azure_errors():
        try:
            groups = list(azure.list(place.list_of(SECURITY_GROUPS)))
        except Refused as error:
            if error.is_missing:
                return []
            raise
    return [
        Leftover(RULE, str(rule["id"]), describe_rule(rule, str(group["name"])), details={"group": group["id"]})
        for group in groups
        for rule in (group.get("properties") or {}).get("securityRules") or ()
        if is_opening(rule)
    ]


def is_opening(rule: Mapping[str, Any]) -> bool:
    """Whether a rule lets somebody reach the fleet's machines that the stack does not let. Pure."""
    properties = rule.get("properties") or {}
    return (
        properties.get("access") == "Allow"
        and properties.get("direction") == "Inbound"
        and rule.get("name") not in OWN_RULES
    )


def describe_rule(rule: Mapping[str, Any], group: str) -> str:
    """`tcp 22 from 0.0.0.0/0 into research-firewall1a2b3c4d`. Pure."""
    properties = rule.get("properties") or {}
    protocol = str(properties.get("protocol") or "*")
    words = ["everything" if protocol == "*" else protocol.lower()]
    words += [each for each in _join(properties, "destinationPortRange") if each != "*"]
    sources = [each for each in _join(properties, "sourceAddressPrefix", plural="sourceAddressPrefixes") if each != "*"]
    sources += [
        str(each.get("id")).rpartition("/")[2] for each in properties.get("sourceApplicationSecurityGroups") or ()
    ]
    return f"{' '.join(words)} from {', '.join(sources) or 'everywhere'} into {group}"


def _join(properties: Mapping[str, Any], name: str, plural: str = "") -> list[str]:
    one = properties.get(name)
    return [*([str(one)] if one else []), *map(str, properties.get(plural or f"{name}s") or ())]


def close(azure: Azure, opening: Leftover) -> None:
    """Take a rule out of its group; passed over where it is not there any more."""
    path = str(opening.details["group"])
    group = azure.find(path)
    if group is None:
        return
    rules = group["properties"].get("securityRules") or []
    kept = [each for each in rules if str(each["id"]).lower() != opening.id.lower()]
    if len(kept) < len(rules):
        body = {
            "location": group["location"],
            "tags": group.get("tags") or {},
            "properties": {"securityRules": [_render(each) for each in kept]},
        }
        # Whoever changes the group meanwhile is not overruled.
        azure.await_end(azure.begin("PUT", path, body=body, headers={"If-Match": str(group.get("etag") or "*")}))


def _render(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as it is asked for, without what only Azure says of it."""
    properties = {key: value for key, value in rule["properties"].items() if key != "provisioningState"}
    return {"name": rule["name"], "properties": properties}
