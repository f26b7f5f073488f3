"""EC2's placement groups."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, is_gone
from stand_ins.core.naming import AutoName
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.shapes import fields, from_api, to_api

SETTINGS = fields("name=GroupName strategy partitionCount spreadLevel")


class PlacementGroup(Resource[Call]):
    token = "aws:ec2/placementGroup:PlacementGroup"
    label = "EC2 Placement Group"
    inputs = {**SETTINGS, **fields("tags region")}
    replaces = ("name", "strategy", "partitionCount", "spreadLevel", "region")
    autoname = AutoName()

    def create(self, call: Call, given: Properties) -> str:
        settings = to_api(SETTINGS, given)
        call.ec2.create_placement_group(**settings, **tags.spec("placement-group", given))
        return str(given["name"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        group = call.find_one(call.ec2.describe_placement_groups, "PlacementGroups", GroupNames=[id_])
        if group is None:
            return None
        return {
            "partitionCount": 0,
            "spreadLevel": "",
            **from_api(fields("name=GroupName strategy placementGroupId=GroupId arn=GroupArn"), group),
            "tagsAll": tags.of(group),
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        tags.update_ec2(call, old["placementGroupId"], old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        try:
            call.delete(lambda: call.ec2.delete_placement_group(GroupName=id_), ("InvalidPlacementGroup.InUse",))
        except Exception as error:
            if not is_gone(error):
                raise
