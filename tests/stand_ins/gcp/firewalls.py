"""Firewall rules of networks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.resource import Properties
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import many, same_fields, words
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource

PORTS = same_fields("protocol=IPProtocol ports")
BY_TAGS, BY_ACCOUNTS = ("sourceTags", "targetTags"), ("sourceServiceAccounts", "targetServiceAccounts")


class Firewall(ComputeResource):
    token = "gcp:compute/firewall:Firewall"
    label = "Firewall"
    collection = "firewalls"
    scope = "global"
    body_fields = same_fields(
        "description destinationRanges direction disabled network priority sourceRanges sourceServiceAccounts "
        "sourceTags targetServiceAccounts targetTags",
        allows=many(PORTS, "allowed"),
        denies=many(PORTS, "denied"),
    )
    inputs = {**body_fields, **same_fields("name project logConfig deletionPolicy")}
    told = same_fields("creationTimestamp selfLink")
    references = {"network": "networks"}
    links = ("network",)
    sets = words(
        "allows denies destinationRanges sourceRanges sourceServiceAccounts sourceTags targetServiceAccounts targetTags"
    )
    replaces = words("name project direction")
    patched = (*body_fields, "logConfig")
    defaults = {"priority": 1000}
    exactly_one = (("allows", "denies"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        for one in BY_TAGS:
            for other in BY_ACCOUNTS:
                if given.get(one) and given.get(other):
                    yield Problem(one, f'Conflicting configuration arguments: "{one}" conflicts with {other}')
        sources = words("sourceTags sourceRanges sourceServiceAccounts")
        if given.get("direction") != "EGRESS" and not any(name in given for name in sources):
            yield Problem(
                "sourceRanges",
                "one of source_tags, source_ranges, or source_service_accounts must be defined when creating an "
                "INGRESS firewall",
            )
        for name in BY_ACCOUNTS:
            if isinstance(given.get(name), list) and len(given[name]) > 10:
                yield Problem(name, f"Too many list items: {name} supports at most 10 items")

    def normalize(self, name: str, value: Any) -> Any:
        return value.lower() if name == "protocol" and isinstance(value, str) else value

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        body = super().body(call, given)
        if log := given.get("logConfig"):
            body["logConfig"] = {"enable": True, "metadata": log["metadata"]}
        return body

    def patch(self, call: Call, old: Properties, new: Properties, changed: Collection[str]) -> dict[str, Any]:
        body = super().patch(call, old, new, changed)
        if "logConfig" in changed:
            body["logConfig"] = self.body(call, new).get("logConfig", {"enable": False})
        return body

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        log = answer.get("logConfig") or {}
        found = {"disabled": False, **super().describe(call, answer, known), "enableLogging": bool(log.get("enable"))}
        return {**found, "logConfig": {"metadata": log["metadata"]}} if log.get("enable") else found
