"""Firewall rules that let others reach a fleet's machines and that its stack has not made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from daskfleet.google import Google, explain_google_errors, find_name
from daskfleet.providers.stack.cloud import Leftover
from daskfleet.providers.stack.gcp.listing import RULE, list_accounts, list_rules, name_link
from daskfleet.providers.stack.gcp.marks import Mark


def find_openings(google: Google, mark: Mark) -> list[Leftover]:
    """The rules that let somebody in: all others in the fleet's own network, and elsewhere those for its identities.

    A handful of calls.
    """
    with explain_google_errors():
        accounts = {str(each["email"]) for each in list_accounts(google, mark)}
        networks = google.list("compute", google.compute("global/networks"), "items")
        own = {str(each["selfLink"]) for each in networks if mark.is_on(each)}
        if not accounts and not own:
            return []
        rules = list_rules(google)
    return [
        Leftover(RULE, name_link(str(rule["selfLink"])), describe_rule(rule), details=rule)
        for rule in rules
        if is_opening(rule, own, accounts) and not mark.is_on(rule)
    ]


def is_opening(rule: Mapping[str, Any], networks: Collection[str], accounts: Collection[str]) -> bool:
    """Whether a rule lets somebody reach the fleet's machines. Pure."""
    if rule.get("direction", "INGRESS") != "INGRESS" or rule.get("disabled") or not rule.get("allowed"):
        return False
    return rule.get("network") in networks or bool(set(rule.get("targetServiceAccounts") or ()) & set(accounts))


def describe_rule(rule: Mapping[str, Any]) -> str:
    """`tcp 22 from 0.0.0.0/0 into research-network`. Pure."""
    allowed = ", ".join(
        " ".join([{"all": "everything"}.get(each["IPProtocol"], each["IPProtocol"]), *each.get("ports", ())])
        for each in rule.get("allowed") or ()
    )
    sources = [*(rule.get("sourceRanges") or ()), *(rule.get("sourceServiceAccounts") or ())]
    sources += [f"tag {each}" for each in rule.get("sourceTags") or ()]
    return f"{allowed} from {', '.join(sources) or 'everywhere'} into {find_name(str(rule.get('network')))}"
