"""What Auto Scaling groups launch in moto: on-demand or spot, of the first of their types that is not sold out.

moto launches everything as on-demand, of one type, and always has it. Here a parameter of SSM says what is sold out,
as JSON: `{"spot": ["m7i.large"], "on-demand": ["*"]}`.
"""

from __future__ import annotations

import datetime
import json
import math
import uuid
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.ssm.models import ssm_backends

SOLD_OUT = "/market/sold-out"

REFUSALS = {
    "spot": (
        "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request "
        "configuration. Please adjust your request and try again. Launching EC2 instance failed."
    ),
    "on-demand": (
        "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient "
        "capacity in the Availability Zone you requested. Launching EC2 instance failed."
    ),
}

launch_any = FakeAutoScalingGroup.replace_autoscaling_group_instances
update_all = FakeAutoScalingGroup.update


def list_types(group: FakeAutoScalingGroup) -> list[str]:
    """The types of a group, first choice first; moto looks at that of its launch template only."""
    template = (group.mixed_instances_policy or {}).get("LaunchTemplate", {})
    own = [each["InstanceType"] for each in template.get("Overrides") or () if "InstanceType" in each]
    return own or [group.ec2_launch_template.get_version(group.launch_template_version).instance_type]  # type: ignore[union-attr]


def choose_type(self: FakeAutoScalingGroup) -> str:
    """The type of what is launched now."""
    chosen: str = self.__dict__.get("launching") or list_types(self)[0]
    return chosen


def count_on_demand(group: FakeAutoScalingGroup) -> int:
    """How many of the wanted machines are to be on-demand."""
    policy = (group.mixed_instances_policy or {}).get("InstancesDistribution") or {}
    wanted, base = group.desired_capacity or 0, int(policy.get("OnDemandBaseCapacity") or 0)
    percent = policy.get("OnDemandPercentageAboveBaseCapacity")
    above = max(0, wanted - base) * (100 if percent is None else int(percent)) / 100
    return min(wanted, base + math.ceil(above))


def launch(self: FakeAutoScalingGroup, count_needed: int, propagated_tags: dict[str, str]) -> None:
    """Launch what there is, and write down what there is not."""
    there = [each.instance for each in self.active_instances()]
    on_demand = count_on_demand(self) - sum(each.lifecycle != "spot" for each in there)
    counts = {"on-demand": min(count_needed, max(0, on_demand))}
    counts["spot"] = count_needed - counts["on-demand"]
    parameter = ssm_backends[self.autoscaling_backend.account_id][self.region].get_parameter(SOLD_OUT)
    sold_out = json.loads(parameter.value) if parameter else {}
    for market, count in counts.items():
        if not count:
            continue
        gone = sold_out.get(market, [])
        found = next((each for each in list_types(self) if each not in gone and "*" not in gone), None)
        write_down(self, count, REFUSALS[market] if found is None else "")
        if found is not None:
            self.launching = found  # type: ignore[attr-defined]
            launch_any(self, count, dict(propagated_tags))
            del self.launching  # type: ignore[attr-defined]
            for state in self.instance_states[-count:]:
                state.instance.lifecycle = "spot" if market == "spot" else None


def write_down(group: FakeAutoScalingGroup, count: int, refusal: str) -> None:
    """Note an activity of the group, the newest first."""
    activity = {
        "ActivityId": str(uuid.uuid4()),
        "AutoScalingGroupName": group.name,
        "Description": f"Launching {count} new EC2 instance(s)." + (" Status Reason: " + refusal if refusal else ""),
        "Cause": "an instance was started in response to a difference between desired and actual capacity",
        "StartTime": datetime.datetime.now(datetime.UTC),
        "StatusCode": "Failed" if refusal else "Successful",
        "StatusMessage": refusal,
        "Progress": 100,
    }
    group.__dict__.setdefault("activities", []).insert(0, activity)


def describe_activities(self: AutoScalingResponse) -> ActionResult:
    """What was written down; moto knows of no activities."""
    group = self.autoscaling_backend.autoscaling_groups.get(self._get_param("AutoScalingGroupName"))
    return ActionResult({"Activities": [] if group is None else group.__dict__.get("activities", [])})


def update(self: FakeAutoScalingGroup, **changes: Any) -> None:
    """Keep what is not named of the policy, and try again to have as many machines as are wanted; moto does neither."""
    new, old = changes.get("mixed_instances_policy") or {}, self.mixed_instances_policy or {}
    if not changes.get("launch_template") and not changes.get("launch_config_name"):
        merged = {key: {**old.get(key, {}), **new.get(key, {})} for key in {*old, *new}}
        specification = merged.get("LaunchTemplate", {}).get("LaunchTemplateSpecification", {})
        if "LaunchTemplateId" in specification:
            specification.pop("LaunchTemplateName", None)  # moto has both, and takes one.
        changes["mixed_instances_policy"] = merged or None
    wanted = changes.get("desired_capacity")
    update_all(self, **changes)
    if wanted is None:
        self.set_desired_capacity(self.desired_capacity)


def repair() -> None:
    """Put all of it into moto."""
    FakeAutoScalingGroup.instance_type = property(choose_type)  # type: ignore[assignment]
    FakeAutoScalingGroup.replace_autoscaling_group_instances = launch  # type: ignore[method-assign]
    FakeAutoScalingGroup.update = update  # type: ignore[method-assign]
    AutoScalingResponse.describe_scaling_activities = describe_activities  # type: ignore[method-assign]
