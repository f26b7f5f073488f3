"""Placement groups for moto, which knows none of their calls."""

from __future__ import annotations

import secrets
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX


def read_groups(response: EC2Response) -> dict[str, dict[str, Any]]:
    """The region's placement groups, by name."""
    groups: dict[str, dict[str, Any]] = response.ec2_backend.__dict__.setdefault("placement_groups", {})
    return groups


def create(self: EC2Response) -> ActionResult:
    name, groups = self._get_param("GroupName"), read_groups(self)
    if name in groups:
        raise EC2ClientError("InvalidPlacementGroup.Duplicate", f"The placement group '{name}' already exists.")
    group = {"GroupId": f"pg-{secrets.token_hex(8)}", "GroupName": name, "Strategy": self._get_param("Strategy")}
    groups[name] = group
    tags = self._parse_tag_specification("placement-group").get("placement-group", {})
    self.ec2_backend.create_tags([group["GroupId"]], tags)
    return ActionResult({"PlacementGroup": describe(self, group)})


def describe(response: EC2Response, group: dict[str, Any]) -> dict[str, Any]:
    tags = response.ec2_backend.tags[group["GroupId"]]
    backend = response.ec2_backend
    arn = f"arn:aws:ec2:{backend.region_name}:{backend.account_id}:placement-group/{group['GroupName']}"
    labels = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {**group, "State": "available", "GroupArn": arn, "Tags": labels}


def describe_all(self: EC2Response) -> ActionResult:
    groups, names = read_groups(self), self._get_param("GroupNames", [])
    for name in names:
        if name not in groups:
            raise EC2ClientError("InvalidPlacementGroup.Unknown", f"The placement group '{name}' is unknown.")
    found = [describe(self, group) for name, group in groups.items() if not names or name in names]
    for key, values in self._filters_from_querystring().items():
        assert key.startswith("tag:"), f"the filter {key} is not known here"
        wanted = {(key.removeprefix("tag:"), value) for value in values}
        found = [each for each in found if wanted & {(tag["Key"], tag["Value"]) for tag in each["Tags"]}]
    return ActionResult({"PlacementGroups": found})


def delete(self: EC2Response) -> ActionResult:
    from moto.autoscaling.models import autoscaling_backends

    name, backend = self._get_param("GroupName"), self.ec2_backend
    if name not in read_groups(self):
        raise EC2ClientError("InvalidPlacementGroup.Unknown", f"The placement group '{name}' is unknown.")
    users = autoscaling_backends[backend.account_id][backend.region_name].autoscaling_groups.values()
    if any(each.placement_group == name and each.active_instances() for each in users):
        raise EC2ClientError(
            "InvalidPlacementGroup.InUse", f"The placement group '{name}' is in use and may not be deleted."
        )
    del read_groups(self)[name]
    return EmptyResult()


def repair() -> None:
    """Put all of it into moto."""
    for name, action in {
        "create_placement_group": create,
        "describe_placement_groups": describe_all,
        "delete_placement_group": delete,
    }.items():
        setattr(EC2Response, name, action)
    EC2_RESOURCE_TO_PREFIX["placement-group"] = "pg"
    EC2_PREFIX_TO_RESOURCE["pg"] = "placement-group"
