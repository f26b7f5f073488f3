"""Firewall rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from google_cloud.compute.collection import Body, Call, Collection, refer, require_field
from google_cloud.compute.store import Record
from google_cloud.errors import invalid, required
from google_cloud.validation import check_name, check_range, parse_cidr

PROTOCOLS = frozenset({"tcp", "udp", "icmp", "esp", "ah", "ipip", "sctp", "all"})
WITH_PORTS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
BY_TAGS = ("sourceTags", "targetTags")
BY_ACCOUNTS = ("sourceServiceAccounts", "targetServiceAccounts")
SOURCES = ("sourceRanges", "sourceTags", "sourceServiceAccounts")
MOST_ACCOUNTS = 10
LAST_PORT = 65535


class Firewalls(Collection):
    name, model, scope, word = "firewalls", "Firewall", "global", "firewall"
    is_aggregated = False
    patched = frozenset(
        {
            *BY_TAGS,
            *BY_ACCOUNTS,
            "allowed",
            "denied",
            "description",
            "destinationRanges",
            "disabled",
            "logConfig",
            "priority",
            "sourceRanges",
        }
    )

    def prepare(self, call: Call, body: Body) -> Body:
        network = refer(call, require_field(body, "network"), "networks", "resource.network")
        rule = {"direction": "INGRESS", "priority": 1000, "disabled": False, "logConfig": {"enable": False}, **body}
        check_range(rule["priority"], 0, LAST_PORT, "resource.priority")
        if bool(body.get("allowed")) == bool(body.get("denied")):
            raise invalid("resource.allowed", "", "Exactly one of allowed and denied must be specified.")
        verdict = "allowed" if body.get("allowed") else "denied"
        rule[verdict] = [
            check_protocol(each, f"resource.{verdict}[{index}]") for index, each in enumerate(body[verdict])
        ]
        check_sides(rule)
        for field in ("sourceRanges", "destinationRanges"):
            for index, block in enumerate(rule.get(field) or []):
                if ":" not in block:
                    parse_cidr(block, f"resource.{field}[{index}]")
        for field in BY_TAGS:
            for index, tag in enumerate(rule.get(field) or []):
                check_name(tag, f"resource.{field}[{index}]")
        for field in BY_ACCOUNTS:
            check_accounts(call, field, rule.get(field) or [])
        if rule["direction"] == "INGRESS" and not any(rule.get(field) for field in SOURCES):
            rule["sourceRanges"] = ["0.0.0.0/0"]
        if rule["direction"] == "EGRESS" and not rule.get("destinationRanges"):
            rule["destinationRanges"] = ["0.0.0.0/0"]
        return {**rule, "network": network.link}

    def list_used(self, record: Record) -> Iterator[str]:
        yield record.body["network"]


def check_protocol(rule: Body, field: str) -> Body:
    protocol = str(rule.get("IPProtocol", "")).lower()
    if not protocol:
        raise required(f"{field}.IPProtocol")
    is_number = protocol.isdigit() and int(protocol) <= 255
    if protocol not in PROTOCOLS and not is_number:
        raise invalid(f"{field}.IPProtocol", protocol, "Must be a well known protocol, or a number from 0 to 255.")
    for index, ports in enumerate(rule.get("ports") or []):
        found = PORTS.fullmatch(ports)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if protocol not in WITH_PORTS or not first <= last <= LAST_PORT:
            raise invalid(f"{field}.ports[{index}]", ports, "Must be a port or a range of ports, of TCP, UDP or SCTP.")
    return {**rule, "IPProtocol": protocol}


def check_sides(rule: Body) -> None:
    """Sources are of what comes in, destinations of what goes out; and tags do not go with accounts."""
    if rule["direction"] == "EGRESS":
        for field in SOURCES[1:]:
            if rule.get(field):
                raise invalid(f"resource.{field}", rule[field], "Must not be specified for EGRESS rules.")
    for one in BY_TAGS:
        for other in BY_ACCOUNTS:
            if rule.get(one) and rule.get(other):
                raise invalid(f"resource.{one}", rule[one], f"Cannot be combined with {other}.")


def check_accounts(call: Call, field: str, accounts: Sequence[str]) -> None:
    if len(accounts) > MOST_ACCOUNTS:
        raise invalid(f"resource.{field}", len(accounts), f"At most {MOST_ACCOUNTS} service accounts are allowed.")
    for index, account in enumerate(accounts):
        if not call.engine.has_account(account):
            raise invalid(f"resource.{field}[{index}]", account, "The service account does not exist.")
