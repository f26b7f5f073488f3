"""Auto Scaling groups."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

from stand_ins.aws.call import Call, error_code, refuse
from stand_ins.aws.launch_templates import REQUIREMENTS
from stand_ins.aws.launching import check_launch, check_types
from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many, one, to_api, words

TEMPLATE = fields("id=LaunchTemplateId name=LaunchTemplateName version")
SPECIFICATION = fields("launchTemplateId launchTemplateName version")
MIXED = fields(
    instancesDistribution=one(
        fields(
            "onDemandAllocationStrategy onDemandBaseCapacity onDemandPercentageAboveBaseCapacity "
            "spotAllocationStrategy "
            "spotInstancePools spotMaxPrice"
        )
    ),
    launchTemplate=one(
        fields(
            launchTemplateSpecification=one(SPECIFICATION),
            overrides=many(
                fields(
                    "instanceType weightedCapacity",
                    launchTemplateSpecification=one(SPECIFICATION),
                    instanceRequirements=one(REQUIREMENTS),
                )
            ),
        )
    ),
)
HOOK = fields(
    "name=LifecycleHookName defaultResult heartbeatTimeout lifecycleTransition notificationMetadata "
    "notificationTargetArn=NotificationTargetARN roleArn=RoleARN"
)
SETTINGS = fields(
    "availabilityZones capacityRebalance context defaultCooldown defaultInstanceWarmup desiredCapacity "
    "desiredCapacityType healthCheckGracePeriod healthCheckType maxInstanceLifetime maxSize minSize placementGroup "
    "protectFromScaleIn=NewInstancesProtectedFromScaleIn serviceLinkedRoleArn=ServiceLinkedRoleARN terminationPolicies",
    launchTemplate=one(TEMPLATE),
    mixedInstancesPolicy=one(MIXED),
    instanceMaintenancePolicy=one(fields("minHealthyPercentage maxHealthyPercentage")),
)
UNITS = {"s": 1, "m": 60, "h": 3600}
BUSY = ("ResourceInUse", "ScalingActivityInProgress", "ResourceInUseFault", "ScalingActivityInProgressFault")


def parse_duration(text: str) -> float:
    """Seconds of a duration as Go spells it: `10m`, `1h30m`, `0`."""
    if text == "0":
        return 0
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(float(number) * UNITS[unit] for number, unit in parts)


LAUNCHED = ("LaunchTemplate", "MixedInstancesPolicy")


def drop_names(described: Any) -> Any:
    """What AWS said of a template, as it wants to hear it: it says the id and the name, and takes one of them."""
    if isinstance(described, list):
        return [drop_names(item) for item in described]
    if not isinstance(described, dict):
        return described
    return {key: drop_names(value) for key, value in described.items() if key != "LaunchTemplateName"}


class Group(Resource[Call]):
    token = "aws:autoscaling/group:Group"
    label = "Auto Scaling Group"
    inputs = {
        **SETTINGS,
        **fields(
            "enabledMetrics metricsGranularity forceDelete forceDeleteWarmPool ignoreFailedScalingActivities name "
            "namePrefix suspendedProcesses targetGroupArns loadBalancers vpcZoneIdentifiers waitForCapacityTimeout "
            "region",
            initialLifecycleHooks=many(HOOK),
            tags=many(fields("key value propagateAtLaunch")),
        ),
    }
    replaces = ("initialLifecycleHooks", "name", "namePrefix", "region")
    defaults = {
        "forceDelete": False,
        "forceDeleteWarmPool": False,
        "healthCheckGracePeriod": 300,
        "ignoreFailedScalingActivities": False,
        "metricsGranularity": "1Minute",
        "protectFromScaleIn": False,
        "waitForCapacityTimeout": "10m",
    }
    sets = words(
        "acceleratorManufacturers acceleratorNames availabilityZones cpuManufacturers enabledMetrics "
        "initialLifecycleHooks loadBalancers suspendedProcesses tags targetGroupArns vpcZoneIdentifiers"
    )
    lenient = words(
        "defaultResult id name instancesDistribution launchTemplateId launchTemplateName onDemandAllocationStrategy "
        "onDemandBaseCapacity onDemandPercentageAboveBaseCapacity overrides spotAllocationStrategy spotInstancePools "
        "version"
    )
    kept = words(
        "forceDelete forceDeleteWarmPool ignoreFailedScalingActivities initialLifecycleHooks waitForCapacityTimeout"
    )
    autoname = AutoName()
    at_most_one = (("name", "namePrefix"), ("availabilityZones", "vpcZoneIdentifiers"))
    exactly_one = (("launchTemplate", "mixedInstancesPolicy", "launchConfiguration"),)
    minutes = {"update": 10, "delete": 10}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if is_known(given.get("waitForCapacityTimeout")):
            try:
                parse_duration(given["waitForCapacityTimeout"])
            except ValueError as error:
                yield Problem("waitForCapacityTimeout", str(error))
        for name in ("targetGroupArns", "loadBalancers"):
            if given.get(name):
                yield Problem(name, f"the stand-in for aws does not know how to do {name!r} of {self.token}")
        template = given.get("launchTemplate")
        if isinstance(template, dict) and template.get("id") and template.get("name"):
            yield Problem("launchTemplate.name", 'conflicts with "launchTemplate.id"')

    def _settings(self, given: Properties) -> dict[str, Any]:
        settings = to_api(SETTINGS, given)
        if (zones := given.get("vpcZoneIdentifiers")) is not None:
            settings["VPCZoneIdentifier"] = ",".join(zones)
        return settings

    def _tags(self, name: str, given: Properties) -> list[dict[str, Any]]:
        shape = fields("key value propagateAtLaunch")
        where = {"ResourceId": name, "ResourceType": "auto-scaling-group"}
        return [{**where, **to_api(shape, tag)} for tag in given.get("tags") or ()]

    def create(self, call: Call, given: Properties) -> str:
        name = given.get("name") or make_suffixed(given["namePrefix"])
        settings = self._settings(given)
        if given.get("initialLifecycleHooks"):  # no instance may start before the hooks are there
            settings |= {"MinSize": 0, "MaxSize": given["maxSize"], "DesiredCapacity": 0}
        self._check_template(call, given)
        call.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name, Tags=self._tags(name, given), **settings
        )
        return str(name)

    def _check_template(self, call: Call, given: Properties) -> None:
        """AWS tries a launch before it makes a group; moto only when it needs an instance."""
        specification = to_api(TEMPLATE, given.get("launchTemplate") or {})
        types: list[str] = []
        if mixed := given.get("mixedInstancesPolicy"):
            specification = to_api(SPECIFICATION, mixed["launchTemplate"]["launchTemplateSpecification"])
            overrides = mixed["launchTemplate"].get("overrides") or ()
            types = [item["instanceType"] for item in overrides if "instanceType" in item]
        if not specification:
            return
        versions = [specification.pop("Version", "$Default")]
        try:
            found = call.ec2.describe_launch_template_versions(Versions=versions, **specification)
            data = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
            check_launch(call, "CreateAutoScalingGroup", data, given.get("vpcZoneIdentifiers") or ())
            check_types(call, "CreateAutoScalingGroup", types)
        except Exception as error:
            if not error_code(error):
                raise
            reason = error.response["Error"]["Message"]  # type: ignore[attr-defined]
            message = f"You must use a valid fully-formed launch template. {reason}"
            raise refuse("ValidationError", "CreateAutoScalingGroup", message) from None
        if not types and not data.get("InstanceType") and not data.get("InstanceRequirements"):
            message = (
                "You must use a valid fully-formed launch template. The request must contain the parameter InstanceType"
            )
            raise refuse("ValidationError", "CreateAutoScalingGroup", message)

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        client, group = call.client("autoscaling"), {"AutoScalingGroupName": id_}
        if hooks := given.get("initialLifecycleHooks"):
            for hook in hooks:
                client.put_lifecycle_hook(**group, **to_api(HOOK, hook))
            sizes = to_api(fields("minSize maxSize desiredCapacity"), given)
            client.update_auto_scaling_group(**group, **sizes)
        if given.get("suspendedProcesses"):
            client.suspend_processes(**group, ScalingProcesses=given["suspendedProcesses"])
        if given.get("enabledMetrics"):
            client.enable_metrics_collection(
                **group, Metrics=given["enabledMetrics"], Granularity=given["metricsGranularity"]
            )
        self._wait_for_capacity(call, id_, given)

    def _wait_for_capacity(self, call: Call, id_: str, given: Properties) -> None:
        seconds = parse_duration(given["waitForCapacityTimeout"])
        if not seconds:
            return
        bounded = replace(call, deadline=monotonic() + seconds)

        def reached() -> bool:
            group = self._find(call, id_) or {"Instances": [], "DesiredCapacity": 0, "MinSize": 0}
            wanted: int = given.get("desiredCapacity") or group["MinSize"]
            healthy = [
                item
                for item in group["Instances"]
                if item["HealthStatus"].lower() == "healthy" and item["LifecycleState"] == "InService"
            ]
            return len(healthy) >= wanted

        bounded.wait_until(f"Auto Scaling Group ({id_}) capacity satisfied", reached)

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        client = call.client("autoscaling")
        return call.find_one(client.describe_auto_scaling_groups, "AutoScalingGroups", AutoScalingGroupNames=[id_])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        group = self._find(call, id_)
        if group is None:
            return None
        found = {"protectFromScaleIn": False, **from_api(SETTINGS, group)}
        for name in ("healthCheckGracePeriod", "defaultCooldown"):
            if known.get(name) == 0 and found.get(name) == 300:
                found[name] = 0  # which moto takes for missing
        asked = (known.get("launchTemplate") or {}).get("version", "")
        if asked.startswith("$") and "launchTemplate" in found:
            found["launchTemplate"]["version"] = asked  # moto says which one that is now
        if not known.get("terminationPolicies") and found.get("terminationPolicies") == ["Default"]:
            del found["terminationPolicies"]
        found |= {
            "name": id_,
            "namePrefix": known.get("namePrefix", ""),
            "arn": group["AutoScalingGroupARN"],
            "vpcZoneIdentifiers": [zone for zone in group.get("VPCZoneIdentifier", "").split(",") if zone],
            "suspendedProcesses": [item["ProcessName"] for item in group.get("SuspendedProcesses", ())],
            "enabledMetrics": [item["Metric"] for item in group.get("EnabledMetrics", ())],
            "metricsGranularity": next((item["Granularity"] for item in group.get("EnabledMetrics", ())), "1Minute"),
            "predictedCapacity": group.get("PredictedCapacity", 0),
            "warmPoolSize": group.get("WarmPoolSize", 0),
            "loadBalancers": group.get("LoadBalancerNames", []),
            "targetGroupArns": group.get("TargetGroupARNs", []),
            "tags": [
                {
                    "key": tag["Key"],
                    "value": tag.get("Value", ""),
                    "propagateAtLaunch": bool(tag.get("PropagateAtLaunch")),
                }
                for tag in group.get("Tags", ())
                if not call.account.ignored_tags.covers(tag["Key"])
            ],
        }
        return found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        client, group = call.client("autoscaling"), {"AutoScalingGroupName": id_}
        settings = self._settings({key: new.get(key) for key in changed})
        if {"launchTemplate", "mixedInstancesPolicy", "vpcZoneIdentifiers"} & set(changed):
            self._check_template(call, new)
        if removed := [key for key in changed if key in SETTINGS and new.get(key) is None]:
            raise Refused(f"the stand-in does not know how to take {', '.join(removed)} back from a group")
        if settings:
            # What is launched is said each time, as it is now: moto forgets it otherwise.
            if not {"launchTemplate", "mixedInstancesPolicy"} & {*changed}:
                group_now = self._find(call, id_) or {}
                settings |= {key: drop_names(group_now[key]) for key in LAUNCHED if group_now.get(key)}
            client.update_auto_scaling_group(**group, **settings)
        if "tags" in changed:
            before, after = self._tags(id_, old), self._tags(id_, new)
            keys = {tag["Key"] for tag in after}
            if surplus := [tag for tag in before if tag["Key"] not in keys]:
                client.delete_tags(Tags=surplus)
            if more := [tag for tag in after if tag not in before]:
                client.create_or_update_tags(Tags=more)
        if "suspendedProcesses" in changed:
            paused, wanted = set(old.get("suspendedProcesses") or ()), set(new.get("suspendedProcesses") or ())
            if paused - wanted:
                client.resume_processes(**group, ScalingProcesses=sorted(paused - wanted))
            if wanted - paused:
                client.suspend_processes(**group, ScalingProcesses=sorted(wanted - paused))
        if "enabledMetrics" in changed:
            client.disable_metrics_collection(**group)
            if new.get("enabledMetrics"):
                client.enable_metrics_collection(
                    **group, Metrics=new["enabledMetrics"], Granularity=new["metricsGranularity"]
                )
        if {"minSize", "maxSize", "desiredCapacity"} & set(changed):
            self._wait_for_capacity(call, id_, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        client, group = call.client("autoscaling"), {"AutoScalingGroupName": id_}
        if self._find(call, id_) is None:
            return
        force = bool(old.get("forceDelete"))
        if not force:
            client.update_auto_scaling_group(**group, MinSize=0, MaxSize=0, DesiredCapacity=0)
            call.wait_until(
                f"Auto Scaling Group ({id_}) drained",
                lambda: not (self._find(call, id_) or {}).get("Instances"),
            )
        try:
            call.delete(lambda: client.delete_auto_scaling_group(**group, ForceDelete=force), BUSY)
        except Exception as error:
            # It went away in the meantime: this API has no code of its own for that.
            if error_code(error) != "ValidationError" or self._find(call, id_) is not None:
                raise
        call.wait_until(f"Auto Scaling Group ({id_}) deleted", lambda: self._find(call, id_) is None)
