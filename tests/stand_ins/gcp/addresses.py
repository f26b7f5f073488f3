"""Addresses of a region."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.resource import Properties
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import same_fields
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource, set_labels


class Address(ComputeResource):
    token = "gcp:compute/address:Address"
    label = "Address"
    collection = "addresses"
    scope = "region"
    body_fields = same_fields(
        "address addressType description ipVersion network networkTier prefixLength purpose subnetwork"
    )
    inputs = {**body_fields, **same_fields("name project region labels deletionPolicy")}
    told = same_fields("addressId=id creationTimestamp labelFingerprint users selfLink")
    references = {"network": "networks", "subnetwork": "subnetworks"}
    links = ("network", "subnetwork", "region")
    lenient = ("ipVersion",)
    replaces = (*body_fields, "name", "project", "region")
    defaults = {"addressType": "EXTERNAL"}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if given.get("addressType", "EXTERNAL") == "EXTERNAL" and given.get("subnetwork"):
            yield Problem("subnetwork", "only an INTERNAL address is of a subnetwork")

    def create(self, call: Call, given: Properties) -> str:
        """The real provider gives it its labels at the start, and once more afterwards."""
        id_ = super().create(call, given)
        if labels := given.get("effectiveLabels"):
            fingerprint = call.compute("GET", id_).get("labelFingerprint", "")
            set_labels(call, id_, fingerprint, labels, "Updating ComputeAddress Labels")
        return id_

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        labels = given.get("effectiveLabels")
        return {**super().body(call, given), **({"labels": labels} if labels else {})}

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        return {"users": [], **super().describe(call, answer, known), "effectiveLabels": answer.get("labels") or {}}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "effectiveLabels" in changed:
            set_labels(call, id_, old.get("labelFingerprint", ""), new["effectiveLabels"], self.doing("Updating"))
