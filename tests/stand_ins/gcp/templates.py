"""Templates of instances, which never change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import from_api, many, same_fields, to_api, words
from stand_ins.gcp import launching, links
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource

DISK = same_fields("autoDelete boot deviceName diskSizeGb:digits interface mode source type")
NEW_DISK = same_fields("diskName diskSizeGb:digits diskType labels sourceImage")
DISKS = {**DISK, **NEW_DISK}


class RegionInstanceTemplate(ComputeResource):
    token = "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate"
    label = "Region Instance Template"
    collection = "instanceTemplates"
    scope = "region"
    body_fields = same_fields("description")
    inputs = {
        **launching.COMMON,
        **launching.APART,
        **same_fields(
            "instanceDescription labels machineType metadataStartupScript name namePrefix project region "
            "deletionPolicy",
            disks=many(DISKS),
        ),
    }
    told = same_fields("creationTimestamp numericId=id selfLink")
    links = (*launching.LINKS, "sourceImage")
    lenient = (*launching.DECIDED, *words("boot diskSizeGb diskType sourceImage type"))
    sets = launching.SETS
    replaces = (*(name for name in inputs if name not in ("labels", "deletionPolicy")), "effectiveLabels")
    defaults = {"canIpForward": False}
    inner_defaults = {**launching.INNER_DEFAULTS, "disks": {"autoDelete": True}}
    autoname = AutoName(longest=63, lower=True)
    at_most_one = (("name", "namePrefix"),)

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from launching.check_common(given)

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        same = launching.means_same_common(name, old, new)
        return super().means_same(name, old, new) if same is None else same

    def create(self, call: Call, given: Properties) -> str:
        return super().create(call, {**given, "name": given.get("name") or make_suffixed(given["namePrefix"])})

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        properties = launching.to_common(call, {**given, "description": given.get("instanceDescription")})
        properties["machineType"] = given["machineType"]
        properties["disks"] = [self._disk(call, index, disk) for index, disk in enumerate(given["disks"])]
        if script := given.get("metadataStartupScript"):
            items = properties.setdefault("metadata", {"items": []})["items"]
            items.append({"key": "startup-script", "value": script})
        if given.get("resourcePolicies"):
            properties["resourcePolicies"] = [links.last(given["resourcePolicies"])]
        if accelerators := to_api({"guestAccelerators": launching.APART["guestAccelerators"]}, given):
            properties |= accelerators
        return {**super().body(call, given), "properties": properties}

    def _disk(self, call: Call, index: int, disk: Properties) -> dict[str, Any]:
        body = {"boot": index == 0, **to_api(DISK, disk)}
        if disk.get("source"):
            return body
        params = {"diskType": "pd-standard", **to_api(NEW_DISK, disk)}
        if disk.get("sourceImage"):
            params["sourceImage"] = launching.resolve_image(call, disk["sourceImage"])
        return {**body, "initializeParams": params}

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        properties = answer["properties"]
        found = launching.from_common(properties, known)
        found["instanceDescription"] = found.pop("description", "")
        if known.get("metadataStartupScript") is not None:
            found["metadataStartupScript"] = found["metadata"].pop("startup-script", "")
        found["disks"] = [
            {**from_api(DISK, disk), **from_api(NEW_DISK, disk.get("initializeParams") or {})}
            for disk in properties.get("disks", ())
        ]
        if prefix := known.get("namePrefix"):
            found["namePrefix"] = prefix
        return {**found, "machineType": properties["machineType"], **super().describe(call, answer, known)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        """Only what Google does not know changes: whether it is deleted, and which labels are whose."""
