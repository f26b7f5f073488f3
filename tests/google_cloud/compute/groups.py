"""Managed groups of instances in a region."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google_cloud import models
from google_cloud.compute import catalog, group_control, launching
from google_cloud.compute.collection import Body, Call, Collection, action, refer, require_field
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.members import Member, describe_member, find_instance, find_members
from google_cloud.compute.store import BASE, Record, parse_reference
from google_cloud.errors import ApiError, invalid, required
from google_cloud.filters import compute_language, parse_filter
from google_cloud.paging import cut_page
from google_cloud.validation import check_range, make_fingerprint

BASE_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,57})")
SELECTION_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
MOST_SIZE = 4000
BOUNDS = ("maxSurge", "maxUnavailable")
PAGE_SIZE = 500
DELETE_SECONDS = 2 * launching.STOP_SECONDS

POLICY = {
    "type": "OPPORTUNISTIC",
    "minimalAction": "REPLACE",
    "instanceRedistributionType": "PROACTIVE",
    "replacementMethod": "SUBSTITUTE",
}
LIFECYCLE = {"defaultActionOnFailure": "REPAIR", "forceUpdateOnRepair": "NO", "onFailedHealthCheck": "DEFAULT_ACTION"}


class InstanceGroupManagers(Collection):
    """Managed groups."""

    name, model, scope, word = "instanceGroupManagers", "InstanceGroupManager", "regions", "instanceGroupManager"
    prefix = "Region"
    patched = frozenset(
        {
            "allInstancesConfig",
            "autoHealingPolicies",
            "distributionPolicy",
            "instanceFlexibilityPolicy",
            "instanceLifecyclePolicy",
            "instanceTemplate",
            "listManagedInstancesResults",
            "targetSize",
            "updatePolicy",
            "versions",
        }
    )

    def prepare(self, call: Call, body: Body) -> Body:
        base = require_field(body, "baseInstanceName")
        if not BASE_NAME.fullmatch(base):
            raise invalid("resource.baseInstanceName", base, f"Must be a match of regex '{BASE_NAME.pattern}'")
        if "targetSize" not in body:
            raise required("resource.targetSize")
        check_range(body["targetSize"], 0, MOST_SIZE, "resource.targetSize")
        distribution = prepare_distribution(call, body.get("distributionPolicy") or {})
        group = {
            "listManagedInstancesResults": "PAGELESS",
            **body,
            **prepare_versions(call, body),
            "distributionPolicy": distribution,
            "instanceLifecyclePolicy": {**LIFECYCLE, **(body.get("instanceLifecyclePolicy") or {})},
            "updatePolicy": prepare_update(body.get("updatePolicy") or {}, distribution),
            "instanceGroup": f"{BASE}{call.base}/instanceGroups/{body['name']}",
        }
        if body.get("autoHealingPolicies"):
            group["autoHealingPolicies"] = prepare_healing(call, body["autoHealingPolicies"])
        check_flexibility(call, body.get("instanceFlexibilityPolicy") or {}, distribution)
        group.pop("fingerprint", None)
        return {**group, "fingerprint": make_fingerprint(group)}

    def revise(self, call: Call, record: Record, body: Body) -> Body:
        zones = (call.body.get("distributionPolicy") or {}).get("zones")
        there = [item["zone"] for item in record.body["distributionPolicy"]["zones"]]
        if zones is not None and sorted(map(shorten_zone, zones)) != sorted(each.rpartition("/")[2] for each in there):
            raise invalid("resource.distributionPolicy.zones", zones, "Zones cannot be changed.")
        if "versions" in call.body and "instanceTemplate" not in call.body:
            body.pop("instanceTemplate", None)
        if "instanceTemplate" in call.body and "versions" not in call.body:
            body.pop("versions", None)
        kept = {key: body[key] for key in ("currentActions",) if key in body}
        return {**self.prepare(call, body), **kept}

    def render(self, engine: Engine, record: Record) -> Body:
        group_control.describe(engine, record, find_members(record))
        return record.body

    def list_used(self, record: Record) -> Iterator[str]:
        yield record.body["instanceTemplate"]
        for healing in record.body.get("autoHealingPolicies") or []:
            if healing.get("healthCheck"):
                yield healing["healthCheck"]

    def delete(self, call: Call) -> Body:
        record = self.require_ready(call)
        record.is_going = True
        members = find_members(record)
        instances = [find_instance(call.engine, record, member) for member in members.known]
        for member in list(members.known):
            group_control.let_go(call.engine, record, members, member)

        def finish() -> None:
            for instance in instances:
                if instance is not None:
                    launching.remove(call.engine, instance)
            call.engine.store.remove(record.path)

        return self.begin(call, record, "delete", finish, DELETE_SECONDS)

    # Instances

    @action()
    def resize(self, call: Call) -> Body:
        record = self.require_ready(call)
        if "size" not in call.query:
            raise required("size")
        check_range(call.query["size"], 0, MOST_SIZE, "size")
        record.body["targetSize"] = call.query["size"]
        return self.changed(call, record, "compute.instanceGroupManagers.resize")

    @action()
    def delete_instances(self, call: Call) -> Body:
        record, members = self.require_ready(call), find_members(self.require_ready(call))
        chosen = self.find_chosen(call, record)
        for member in chosen:
            group_control.let_go(call.engine, record, members, member)
        record.body["targetSize"] -= len(chosen)
        return self.changed(call, record, "compute.instanceGroupManagers.deleteInstances")

    @action()
    def abandon_instances(self, call: Call) -> Body:
        record, members = self.require_ready(call), find_members(self.require_ready(call))
        for member in self.find_chosen(call, record):
            members.known.remove(member)
            record.body["targetSize"] -= 1
        return self.changed(call, record, "compute.instanceGroupManagers.abandonInstances")

    @action()
    def recreate_instances(self, call: Call) -> Body:
        record = self.require_ready(call)
        for member in self.find_chosen(call, record):
            template = group_control.choose_template(record)
            group_control.recreate(call.engine, record, member, template)
        return self.changed(call, record, "compute.instanceGroupManagers.recreateInstances")

    @action()
    def set_instance_template(self, call: Call) -> Body:
        record = self.require_ready(call)
        if not call.body.get("instanceTemplate"):
            raise required("instanceTemplate")
        template = refer(call, call.body["instanceTemplate"], "instanceTemplates", "instanceTemplate").link
        record.body |= {"instanceTemplate": template, "versions": [{"instanceTemplate": template}]}
        return self.changed(call, record, "compute.instanceGroupManagers.setInstanceTemplate")

    @action()
    def list_managed_instances(self, call: Call) -> Body:
        record = self.require(call)
        known = find_members(record).known
        items = [describe_member(call.engine, record, each) for each in sorted(known, key=lambda each: each.name)]
        test = parse_filter(call.query.get("filter", ""), compute_language(models.list_fields("ManagedInstance")))
        items = [item for item in items if test(item)]
        if record.body["listManagedInstancesResults"] == "PAGELESS":
            return {"managedInstances": items} if items else {}
        return self.render_page(call, "managedInstances", items)

    @action("GET")
    def list_errors(self, call: Call) -> Body:
        record = self.require(call)
        return self.render_page(call, "items", find_members(record).errors[::-1])

    def render_page(self, call: Call, key: str, items: list[Body]) -> Body:
        size = call.query.get("maxResults") or PAGE_SIZE
        page, token = cut_page(items, size, call.query.get("pageToken"), [call.request.path])
        return {**({key: page} if page else {}), **({"nextPageToken": token} if token else {})}

    def find_chosen(self, call: Call, record: Record) -> list[Member]:
        """The managed instances that a request names."""
        if not call.body.get("instances"):
            raise required("instances")
        members, chosen = find_members(record), []
        for link in call.body["instances"]:
            path = parse_reference(link, call.project, "instances", "instances")
            member = members.find(path.split("/")[3], path.rpartition("/")[2])
            if member is not None and member.action != "DELETING":
                if member not in chosen:
                    chosen.append(member)
            elif not call.body.get("skipInstancesOnValidationError"):
                message = f"Invalid value for field 'instances': '{link}'. It is not a member of '{record.path}'."
                raise ApiError(400, message, "invalid", code="INVALID_INSTANCE")
        return chosen

    def changed(self, call: Call, record: Record, kind: str) -> Body:
        record.body.pop("fingerprint", None)
        told = {key: value for key, value in record.body.items() if key not in ("status", "currentActions")}
        record.body["fingerprint"] = make_fingerprint(told)
        return self.begin(call, record, kind)


# What a group says


def prepare_versions(call: Call, body: Body) -> Body:
    """Its template, which is said in one of two ways; groups with two versions are not for here."""
    versions = body.get("versions") or []
    if len(versions) > 1:
        raise invalid("resource.versions", len(versions), "Only one version is supported here.")
    named = versions[0].get("instanceTemplate") if versions else body.get("instanceTemplate")
    if not named:
        raise required("resource.versions[0].instanceTemplate" if versions else "resource.instanceTemplate")
    if versions and (versions[0].get("targetSize") or {}):
        raise invalid("resource.versions[0].targetSize", "", "The last version has no target size.")
    field = "resource.versions[0].instanceTemplate" if versions else "resource.instanceTemplate"
    template = refer(call, named, "instanceTemplates", field)
    if template.place != call.place:
        raise invalid(field, named, "The template must be global, or of the region of the group.")
    if body.get("instanceTemplate") and versions:
        other = parse_reference(body["instanceTemplate"], call.project, "instanceTemplates", field)
        if other != template.path:
            raise invalid("resource.instanceTemplate", other, "It is not the template of the versions.")
    version = {**(versions[0] if versions else {}), "instanceTemplate": template.link}
    version.pop("targetSize", None)
    return {"instanceTemplate": template.link, "versions": [version]}


def shorten_zone(item: Mapping[str, Any]) -> str:
    return str(item.get("zone", "")).rpartition("/")[2]


def prepare_distribution(call: Call, policy: Body) -> Body:
    zones = [shorten_zone(item) for item in policy.get("zones") or []] or catalog.zones_of(call.region)
    for index, zone in enumerate(zones):
        if zone not in catalog.zones_of(call.region) or zones.count(zone) > 1:
            field = f"resource.distributionPolicy.zones[{index}].zone"
            raise invalid(field, zone, f"Must be a zone of the region '{call.region}', named once.")
    links = [{"zone": f"{BASE}projects/{call.project}/zones/{zone}"} for zone in zones]
    return {"targetShape": "EVEN", **policy, "zones": links}


def prepare_update(policy: Body, distribution: Body) -> Body:
    """https://cloud.google.com/compute/docs/instance-groups/updating-migs."""
    zones, shape = len(distribution["zones"]), distribution["targetShape"]
    usual = {**POLICY, **({"instanceRedistributionType": "NONE"} if shape != "EVEN" and not policy else {})}
    found = {**usual, **policy}
    for name in BOUNDS:
        bound = found.get(name)
        if bound is None:
            continue
        field = f"resource.updatePolicy.{name}"
        if len({"fixed", "percent"} & {*bound}) != 1:
            raise invalid(field, bound, "Exactly one of fixed and percent must be specified.")
        if 0 < bound.get("fixed", 0) < zones:
            raise invalid(
                f"{field}.fixed",
                bound["fixed"],
                f"Fixed updatePolicy.{name} for regional managed instance group has to be either 0 or at least equal "
                f"to the number of zones ({zones}).",
            )
    found.setdefault("maxSurge", {"fixed": zones})
    found.setdefault("maxUnavailable", {"fixed": zones})
    if all(not any(found[name].values()) for name in BOUNDS):
        raise invalid("resource.updatePolicy.maxUnavailable", 0, "maxSurge and maxUnavailable cannot both be 0.")
    if found["replacementMethod"] == "RECREATE" and any(found["maxSurge"].values()):
        raise invalid("resource.updatePolicy.maxSurge", found["maxSurge"], "Must be 0 with the method RECREATE.")
    if found["instanceRedistributionType"] == "PROACTIVE" and shape != "EVEN":
        raise invalid(
            "resource.updatePolicy.instanceRedistributionType",
            "PROACTIVE",
            f"Proactive redistribution must be disabled when the target distribution shape is {shape}.",
        )
    return found


def prepare_healing(call: Call, policies: list[Body]) -> list[Body]:
    if len(policies) > 1:
        raise invalid("resource.autoHealingPolicies", len(policies), "At most one policy is allowed.")
    policy = policies[0]
    check_range(policy.get("initialDelaySec", 0), 0, 3600, "resource.autoHealingPolicies[0].initialDelaySec")
    if not policy.get("healthCheck"):
        raise required("resource.autoHealingPolicies[0].healthCheck")
    field = "resource.autoHealingPolicies[0].healthCheck"
    return [{**policy, "healthCheck": refer(call, policy["healthCheck"], "healthChecks", field).link}]


def check_flexibility(call: Call, policy: Body, distribution: Body) -> None:
    """https://cloud.google.com/compute/docs/instance-groups/about-instance-flexibility#limitations."""
    selections = policy.get("instanceSelections") or {}
    if not selections:
        return
    field = "resource.instanceFlexibilityPolicy.instanceSelections"
    if distribution["targetShape"] == "EVEN":
        raise invalid(
            "resource.distributionPolicy.targetShape",
            "EVEN",
            "Instance flexibility policy is not supported with target distribution shape EVEN.",
        )
    seen: set[str] = set()
    for name, selection in selections.items():
        if not SELECTION_NAME.fullmatch(name):
            raise invalid(field, name, f"Must be a match of regex '{SELECTION_NAME.pattern}'")
        if not selection.get("machineTypes"):
            raise required(f"{field}['{name}'].machineTypes")
        for each in selection["machineTypes"]:
            kind = catalog.MACHINE_TYPES.get(each)
            if kind is None or not any(kind.is_in(zone) for zone in catalog.zones_of(call.region)):
                raise invalid(f"{field}['{name}'].machineTypes", each, "There is no such machine type in the region.")
            if each in seen:
                raise invalid(f"{field}['{name}'].machineTypes", each, "A machine type is in one selection only.")
            seen.add(each)


class InstanceGroups(Collection):
    """The groups that managed groups manage."""

    name, model, scope, word, prefix = "instanceGroups", "InstanceGroup", "regions", "instanceGroup", "Region"
    methods = frozenset({"get"})
    is_aggregated = False

    def require_manager(self, call: Call) -> Record:
        return call.engine.require(f"{call.base}/instanceGroupManagers/{call.name}")

    def get(self, call: Call) -> Body:
        manager = self.require_manager(call)
        group = {
            "kind": "compute#instanceGroup",
            "id": str(int(manager.body["id"]) + 1),
            "creationTimestamp": manager.body["creationTimestamp"],
            "name": call.name,
            "namedPorts": manager.body.get("namedPorts") or [],
            "region": manager.body["region"],
            "size": len(find_members(manager).known),
            "selfLink": manager.body["instanceGroup"],
        }
        return {**group, "fingerprint": make_fingerprint(group["namedPorts"])}

    @action()
    def set_named_ports(self, call: Call) -> Body:
        manager = self.require_manager(call)
        for index, port in enumerate(call.body.get("namedPorts") or []):
            check_range(port.get("port", 0), 1, 65535, f"namedPorts[{index}].port")
        manager.body["namedPorts"] = models.drop_nulls(call.body.get("namedPorts") or [])
        return self.begin(call, manager, "setNamedPorts")
