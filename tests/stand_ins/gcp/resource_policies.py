"""Policies of how instances are placed."""

from __future__ import annotations

from stand_ins.core.shapes import one, same_fields, words
from stand_ins.gcp.resource import ComputeResource


class ResourcePolicy(ComputeResource):
    token = "gcp:compute/resourcePolicy:ResourcePolicy"
    label = "ResourcePolicy"
    collection = "resourcePolicies"
    scope = "region"
    body_fields = same_fields(
        "description", groupPlacementPolicy=one(same_fields("availabilityDomainCount collocation maxDistance vmCount"))
    )
    inputs = {**body_fields, **same_fields("name project region deletionPolicy")}
    told = same_fields("selfLink")
    links = ("region",)
    replaces = words("name project region groupPlacementPolicy")
    patched = ("description",)
