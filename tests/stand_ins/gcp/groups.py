"""Managed groups of instances in a region."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.errors import PartlyDone
from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import from_api, many, one, same_fields, to_api, words
from stand_ins.gcp import links
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource

UPDATE = same_fields("instanceRedistributionType minimalAction mostDisruptiveAllowedAction replacementMethod type")
BOUNDS = words("maxSurge maxUnavailable")
LIFECYCLE = same_fields(
    "defaultActionOnFailure forceUpdateOnRepair onFailedHealthCheck",
    onRepair=one(same_fields("allowChangingZone")),
)
HEALING = same_fields("healthCheck initialDelaySec")
SELECTION = same_fields("machineTypes rank")
VERSION = same_fields("instanceTemplate name", targetSize=one(same_fields("fixed percent")))
USUAL_UPDATE = {"instanceRedistributionType": "PROACTIVE", "replacementMethod": "SUBSTITUTE"}


class RegionInstanceGroupManager(ComputeResource):
    token = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager"
    label = "RegionInstanceGroupManager"
    collection = "instanceGroupManagers"
    scope = "region"
    body_fields = same_fields(
        "baseInstanceName description listManagedInstancesResults",
        instanceLifecyclePolicy=one(LIFECYCLE),
        versions=many(VERSION),
        namedPorts=many(same_fields("name port")),
    )
    inputs = {
        **body_fields,
        **same_fields(
            "distributionPolicyTargetShape distributionPolicyZones name project region targetSize waitForInstances "
            "waitForInstancesStatus deletionPolicy",
            autoHealingPolicies=one(HEALING),
            instanceFlexibilityPolicy=one(same_fields(instanceSelections=many({**SELECTION, **same_fields("name")}))),
            targetSizePolicies=many(same_fields("mode")),
            updatePolicy=one({**UPDATE, **same_fields(" ".join(f"{name}Fixed {name}Percent" for name in BOUNDS))}),
        ),
    }
    told = same_fields(
        "creationTimestamp fingerprint instanceGroup instanceGroupManagerId=id:digits selfLink targetSize "
        "targetStoppedSize targetSuspendedSize"
    )
    links = words("distributionPolicyZones healthCheck instanceTemplate region")
    sets = words("distributionPolicyZones instanceSelections machineTypes namedPorts")
    lenient = words(
        "instanceRedistributionType maxSurgeFixed maxUnavailableFixed mostDisruptiveAllowedAction onRepair "
        "replacementMethod"
    )
    replaces = words("baseInstanceName description distributionPolicyZones name project region targetSizePolicies")
    defaults = {
        "listManagedInstancesResults": "PAGELESS",
        "waitForInstances": False,
        "waitForInstancesStatus": "STABLE",
    }
    inner_defaults = {
        "instanceLifecyclePolicy": {
            "defaultActionOnFailure": "REPAIR",
            "forceUpdateOnRepair": "NO",
            "onFailedHealthCheck": "DEFAULT_ACTION",
        }
    }
    kept = words("waitForInstances waitForInstancesStatus")
    minutes = {"create": 15, "update": 15, "delete": 15}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        policy = given.get("updatePolicy")
        for name in BOUNDS if isinstance(policy, dict) else ():
            if policy.get(f"{name}Fixed") is not None and policy.get(f"{name}Percent") is not None:
                yield Problem(f"updatePolicy.{name}Fixed", f'conflicts with "updatePolicy.{name}Percent"')
        healing = given.get("autoHealingPolicies")
        delay = healing.get("initialDelaySec") if isinstance(healing, dict) else None
        if is_known(delay) and not 0 <= delay <= 3600:
            yield Problem("autoHealingPolicies.initialDelaySec", f"expected it in the range (0 - 3600), got {delay}")

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        body = {**super().body(call, given), "targetSize": given.get("targetSize") or 0}
        for version in body["versions"]:
            version["instanceTemplate"] = links.shorten(version["instanceTemplate"])
        distribution: dict[str, Any] = {}
        if zones := given.get("distributionPolicyZones"):
            distribution["zones"] = [{"zone": f"zones/{links.last(zone)}"} for zone in zones]
        if shape := given.get("distributionPolicyTargetShape"):
            distribution["targetShape"] = shape
        parts = {
            "autoHealingPolicies": self._healing(given),
            "distributionPolicy": distribution,
            "instanceFlexibilityPolicy": self._selections(given, {}),
            "targetSizePolicy": next(iter(given.get("targetSizePolicies") or ()), None),
            "updatePolicy": self._update_policy(given),
        }
        return {**body, **{name: part for name, part in parts.items() if part}}

    def _healing(self, given: Properties) -> list[dict[str, Any]]:
        healing = given.get("autoHealingPolicies")
        if not healing:
            return []
        return [{**to_api(HEALING, healing), "healthCheck": links.shorten(healing["healthCheck"])}]

    def _selections(self, given: Properties, old: Properties) -> dict[str, Any]:
        """By name, as the API has them; one that is not wanted any more is said to be nothing."""
        before, after = (
            {
                item["name"]: to_api(SELECTION, item)
                for item in (which.get("instanceFlexibilityPolicy") or {}).get("instanceSelections") or ()
            }
            for which in (old, given)
        )
        selections = {**dict.fromkeys(before), **after}
        return {"instanceSelections": selections} if selections else {}

    def _update_policy(self, given: Properties) -> dict[str, Any]:
        policy = given.get("updatePolicy")
        if not policy:
            return {}
        body = {key: value for key, value in to_api(UPDATE, policy).items() if value}
        for name in BOUNDS:
            if policy.get(f"{name}Percent"):
                body[name] = {"percent": policy[f"{name}Percent"]}
            elif policy.get(f"{name}Fixed") is not None:
                body[name] = {"fixed": policy[f"{name}Fixed"]}
        return body

    def create(self, call: Call, given: Properties) -> str:
        """From the request on there is a group, and the engine remembers it whatever the operation comes to."""
        body = {"name": given["name"], **self.body(call, given)}
        operation = call.send("compute", "POST", f"{self.place(given)}/{self.collection}", body)
        id_ = self.make_id(given)
        try:
            call.wait(operation, "Creating InstanceGroupManager")
        except Exception as error:
            raise PartlyDone(id_, {**given, "id": id_}, f"creating {self.label} ({id_}): {error}") from error
        return id_

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given.get("waitForInstances"):
            self._wait(call, id_, given)

    def _wait(self, call: Call, id_: str, given: Properties) -> None:
        updated = given.get("waitForInstancesStatus") == "UPDATED"

        def reached() -> bool:
            status = call.compute("GET", id_).get("status") or {}
            at_version = bool((status.get("versionTarget") or {}).get("isReached", True))
            return bool(status.get("isStable")) and (at_version or not updated)

        call.wait_until(f"the instances of {id_}", reached)

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        found = super().describe(call, answer, known)
        distribution = answer.get("distributionPolicy") or {}
        found["distributionPolicyZones"] = [links.last(item["zone"]) for item in distribution.get("zones") or ()]
        found["distributionPolicyTargetShape"] = distribution.get("targetShape", "")
        if healing := answer.get("autoHealingPolicies"):
            found["autoHealingPolicies"] = from_api(HEALING, healing[0])
        if selections := (answer.get("instanceFlexibilityPolicy") or {}).get("instanceSelections"):
            found["instanceFlexibilityPolicy"] = {
                "instanceSelections": [
                    {"name": name, **from_api(SELECTION, item)} for name, item in sorted(selections.items())
                ]
            }
        if mode := (answer.get("targetSizePolicy") or {}).get("mode"):
            found["targetSizePolicies"] = [{"mode": mode}]
        if policy := answer.get("updatePolicy"):
            found["updatePolicy"] = self._describe_update(policy)
        found["statuses"] = [self._describe_status(answer.get("status") or {})]
        return found

    def _describe_update(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        found = from_api(UPDATE, policy)
        for name in BOUNDS:
            bound = policy.get(name) or {}
            found |= {f"{name}Fixed": bound.get("fixed", 0), f"{name}Percent": bound.get("percent", 0)}
        return found

    def _describe_status(self, status: Mapping[str, Any]) -> dict[str, Any]:
        target = status.get("versionTarget") or {}
        stateful = status.get("stateful") or {}
        return {
            "isStable": bool(status.get("isStable")),
            "versionTargets": [{"isReached": bool(target.get("isReached"))}],
            "statefuls": [{"hasStatefulConfig": bool(stateful.get("hasStatefulConfig")), "perInstanceConfigs": []}],
            "allInstancesConfigs": [],
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        body = self._changes(call, old, new, changed)
        if body:
            body["fingerprint"] = old.get("fingerprint", "")
            call.compute("PATCH", id_, body, doing="Updating region managed group instances")
        if "namedPorts" in changed:
            group = id_.replace("/instanceGroupManagers/", "/instanceGroups/")
            ports = to_api({"namedPorts": self.body_fields["namedPorts"]}, new)
            call.compute("POST", f"{group}/setNamedPorts", {"namedPorts": [], **ports}, doing=self.doing("Updating"))
        if "targetSize" in changed and "targetSize" not in body:
            query = {"size": str(new.get("targetSize") or 0)}
            call.compute("POST", f"{id_}/resize", query=query, doing="resizing RegionInstanceGroupManager")
        if new.get("waitForInstances"):
            self._wait(call, id_, new)

    def _changes(self, call: Call, old: Properties, new: Properties, changed: Collection[str]) -> dict[str, Any]:
        """What a patch says: only what changed."""
        whole = self.body(call, new)
        body = {name: whole.get(name) for name in ("versions", "listManagedInstancesResults") if name in changed}
        if "autoHealingPolicies" in changed:
            body["autoHealingPolicies"] = self._healing(new)
        if "instanceFlexibilityPolicy" in changed:
            body["instanceFlexibilityPolicy"] = self._selections(new, old)
            if "targetSize" in changed:
                body["targetSize"] = whole["targetSize"]
        if "distributionPolicyTargetShape" in changed:
            body["distributionPolicy"] = {"targetShape": new["distributionPolicyTargetShape"]}
        if "updatePolicy" in changed:
            body["updatePolicy"] = self._update_policy(new)
        if "instanceLifecyclePolicy" in changed:
            body["instanceLifecyclePolicy"] = whole.get("instanceLifecyclePolicy", {})
        return body
