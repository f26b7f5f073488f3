"""Policies of how instances are placed."""

from __future__ import annotations

from google_cloud.compute.collection import Body, Call, Collection
from google_cloud.errors import invalid
from google_cloud.validation import check_range

KINDS = (
    "diskConsistencyGroupPolicy",
    "groupPlacementPolicy",
    "instanceSchedulePolicy",
    "snapshotSchedulePolicy",
    "workloadPolicy",
)


class ResourcePolicies(Collection):
    name, model, scope, word = "resourcePolicies", "ResourcePolicy", "regions", "resource policy"
    patched = frozenset({"description"})

    def prepare(self, call: Call, body: Body) -> Body:
        given = [kind for kind in KINDS if kind in body]
        if len(given) != 1:
            raise invalid("resource", given, "Exactly one kind of policy must be specified.")
        if given != ["groupPlacementPolicy"]:
            raise invalid(f"resource.{given[0]}", "", "It is not supported here.")
        policy = body["groupPlacementPolicy"]
        if policy.get("vmCount") is not None:
            check_range(policy["vmCount"], 1, 1500, "resource.groupPlacementPolicy.vmCount")
        if policy.get("availabilityDomainCount") and policy.get("collocation") == "COLLOCATED":
            raise invalid(
                "resource.groupPlacementPolicy.availabilityDomainCount",
                policy["availabilityDomainCount"],
                "Cannot be combined with collocation.",
            )
        return {"status": "READY", **body}
