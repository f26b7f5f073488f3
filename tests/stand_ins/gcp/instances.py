"""Instances."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import from_api, one, same_fields, to_api, words
from stand_ins.core.wire import Unknown
from stand_ins.gcp import launching, links
from stand_ins.gcp.call import Call
from stand_ins.gcp.launching import differs
from stand_ins.gcp.resource import ComputeResource, retry_when_changed, set_labels

BOOT = same_fields("autoDelete deviceName mode source")
INITIAL = same_fields("image=sourceImage labels size=diskSizeGb:digits type=diskType")
DISK = same_fields("architecture image=sourceImage labels size=sizeGb:digits type")
"""Of the disk itself."""
STOPPED = words("machineType minCpuPlatform serviceAccount shieldedInstanceConfig")
"""What changes only while the instance does not run."""
STOPS = (
    "Changing the machine_type, min_cpu_platform, service_account, enable_display, shielded_instance_config, "
    "scheduling.node_affinities, scheduling.max_run_duration or network_interface.[#d].(network/subnetwork/"
    "subnetwork_project) or advanced_machine_features on a started instance requires stopping it. To acknowledge this, "
    "please set allow_stopping_for_update = true in your config. You can also stop it by setting desired_status = "
    '"TERMINATED", but the instance will not be restarted after the update.'
)
LIVE_DISK = words("autoDelete initializeParams")
LIVE_PARAMS = words("size labels")
FIXED_SCHEDULING = words("preemptible provisioningModel maxRunDuration")


class Instance(ComputeResource):
    token = "gcp:compute/instance:Instance"
    label = "instance"
    collection = "instances"
    scope = "zone"
    body_fields = same_fields("deletionProtection hostname")
    inputs = {
        **body_fields,
        **launching.COMMON,
        **launching.APART,
        **same_fields(
            "allowStoppingForUpdate desiredStatus labels machineType metadataStartupScript name project zone "
            "deletionPolicy",
            bootDisk=one({**BOOT, **same_fields(initializeParams=one(INITIAL))}),
        ),
    }
    told = same_fields("cpuPlatform creationTimestamp currentStatus=status instanceId=id labelFingerprint selfLink")
    links = (*launching.LINKS, "image", "source")
    lenient = (*launching.DECIDED, *words("image initializeParams size type"))
    sets = launching.SETS
    replaces = words("name project zone hostname guestAccelerators metadataStartupScript")
    defaults = {"canIpForward": False, "deletionProtection": False}
    inner_defaults = {**launching.INNER_DEFAULTS, "bootDisk": {"autoDelete": True, "mode": "READ_WRITE"}}
    kept = ("allowStoppingForUpdate",)
    minutes = {"update": 5, "delete": 5}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from launching.check_common(given)
        if given.get("desiredStatus") not in (None, "RUNNING", "TERMINATED") and not isinstance(
            given["desiredStatus"], Unknown
        ):
            yield Problem("desiredStatus", f"expected RUNNING or TERMINATED, got {given['desiredStatus']}")

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        same = launching.means_same_common(name, old, new)
        return super().means_same(name, old, new) if same is None else same

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        before, after = old.get(name), new.get(name)
        if isinstance(after, Unknown):
            return name in ("bootDisk", "networkInterfaces") or super().must_replace(name, old, new)
        match name:
            case "bootDisk":
                return self._needs_other_disk(before or {}, after or {})
            case "networkInterfaces":
                return self._needs_other_interfaces(before or [], after or [])
            case "scheduling":
                return any(not self._same_or_decided(key, before, after) for key in FIXED_SCHEDULING)
        return super().must_replace(name, old, new)

    def _same_or_decided(self, name: str, old: Any, new: Any) -> bool:
        """Whether a property of two objects is the same, or left to Google in the new one."""
        before, after = (old or {}).get(name), (new or {}).get(name)
        return after is None or self.means_same(name, before, after)

    def _needs_other_disk(self, old: Properties, new: Properties) -> bool:
        if any(not self._same_or_decided(name, old, new) for name in BOOT if name not in LIVE_DISK):
            return True
        before, after = old.get("initializeParams") or {}, new.get("initializeParams") or {}
        smaller = isinstance(after.get("size"), int) and after["size"] < before.get("size", 0)
        fixed = [name for name in INITIAL if name not in LIVE_PARAMS]
        return smaller or any(not self._same_or_decided(name, before, after) for name in fixed)

    def _needs_other_interfaces(self, old: Any, new: Any) -> bool:
        if len(old) != len(new):
            return True
        for before, after in zip(old, new, strict=True):
            if not self._same_or_decided("nicType", before, after):
                return True
            moves = any(not self._same_or_decided(name, before, after) for name in ("network", "subnetwork"))
            if not moves and not self._same_or_decided("networkIp", before, after):
                return True
        return False

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        body = {**super().body(call, given), **launching.to_common(call, given)}
        body["machineType"] = self._in_zone(given, "machineTypes", given["machineType"])
        body["disks"] = [self._boot_disk(call, given)]
        if script := given.get("metadataStartupScript"):
            items = body.setdefault("metadata", {"items": []})["items"]
            items.append({"key": "startup-script", "value": script})
        if given.get("resourcePolicies"):
            body["resourcePolicies"] = [call.expand("resourcePolicies", given["resourcePolicies"])]
        accelerators = to_api({"guestAccelerators": launching.APART["guestAccelerators"]}, given)
        for item in accelerators.get("guestAccelerators", ()):
            item["acceleratorType"] = self._in_zone(given, "acceleratorTypes", item["acceleratorType"])
        return {**body, **accelerators}

    def _in_zone(self, given: Properties, collection: str, value: str) -> str:
        if "/" in value:
            return links.shorten(value)
        return f"projects/{given['project']}/zones/{given['zone']}/{collection}/{value}"

    def _boot_disk(self, call: Call, given: Properties) -> dict[str, Any]:
        disk = given["bootDisk"]
        body = {"boot": True, **to_api(BOOT, disk)}
        if params := disk.get("initializeParams"):
            initial = {key: value for key, value in to_api(INITIAL, params).items() if value not in ("", {})}
            if "sourceImage" in initial:
                initial["sourceImage"] = launching.resolve_image(call, initial["sourceImage"])
            if "diskType" in initial:
                initial["diskType"] = self._in_zone(given, "diskTypes", initial["diskType"])
            body["initializeParams"] = initial
        return body

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        if given.get("desiredStatus") == "TERMINATED":
            call.compute("POST", f"{id_}/stop", doing="stopping instance")

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        found = {"deletionProtection": False, **super().describe(call, answer, known)}
        found |= launching.from_common(answer, known)
        if known.get("metadataStartupScript") is not None:
            found["metadataStartupScript"] = found["metadata"].pop("startup-script", "")
        found["machineType"] = links.last(answer["machineType"])
        for disk in answer.get("disks", ()):
            if disk.get("boot"):
                found["bootDisk"] = self._describe_disk(call, disk)
        if known.get("desiredStatus"):
            found["desiredStatus"] = answer.get("status")
        return found

    def _describe_disk(self, call: Call, disk: Mapping[str, Any]) -> dict[str, Any]:
        found = from_api(BOOT, disk)
        details = call.find("compute", links.shorten(disk["source"]))
        if details is not None:
            found["initializeParams"] = {"labels": {}, **from_api(DISK, details), "type": links.last(details["type"])}
        return found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        moved = self._find_moved(old, new) if "networkInterfaces" in changed else []
        stops = bool({*STOPPED} & {*changed} or moved)
        status, wanted = call.compute("GET", id_)["status"], new.get("desiredStatus")
        self._update_live(call, id_, old, new, changed)
        if stops:
            if status == "RUNNING" and wanted != "TERMINATED" and not new.get("allowStoppingForUpdate"):
                raise Refused(STOPS)
            if status != "TERMINATED":
                call.compute("POST", f"{id_}/stop", doing="stopping instance")
            self._update_stopped(call, id_, new, changed, moved)
            # One that is neither yet stays stopped, by the real provider too.
            if (status, wanted) == ("TERMINATED", "RUNNING") or (status == "RUNNING" and wanted != "TERMINATED"):
                call.compute("POST", f"{id_}/start", doing="starting instance")
        elif "desiredStatus" in changed and wanted not in (None, status):
            verb = "start" if wanted == "RUNNING" else "stop"
            call.compute("POST", f"{id_}/{verb}", doing=f"{verb} instance")

    def _find_moved(self, old: Properties, new: Properties) -> list[int]:
        """The interfaces that change their network or subnet."""
        pairs = zip(old["networkInterfaces"], new["networkInterfaces"], strict=True)
        names = ("network", "subnetwork")
        return [
            index
            for index, (before, after) in enumerate(pairs)
            if any(not self._same_or_decided(name, before, after) for name in names)
        ]

    def _update_live(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if {"description", "canIpForward"} & {*changed}:
            self._put(call, id_, new)
        if "metadata" in changed:
            self._set_metadata(call, id_, new)
        if "tags" in changed:
            self._post(call, id_, "setTags", {"items": new.get("tags") or [], "fingerprint": old["tagsFingerprint"]})
        if "effectiveLabels" in changed:
            set_labels(call, id_, old["labelFingerprint"], new["effectiveLabels"], "labels to update")
        if "resourcePolicies" in changed:
            for verb, given in (("remove", old), ("add", new)):
                if given.get("resourcePolicies"):
                    policies = [call.expand("resourcePolicies", given["resourcePolicies"])]
                    self._post(call, id_, f"{verb}ResourcePolicies", {"resourcePolicies": policies})
        if "scheduling" in changed:
            body = to_api(launching.SCHEDULING.fields, new.get("scheduling") or {"automaticRestart": True})
            self._post(call, id_, "setScheduling", body)
        if "networkInterfaces" in changed:
            self._set_access(call, id_, old, new)
        if "bootDisk" in changed:
            self._set_disk(call, id_, old, new)
        if "deletionProtection" in changed:
            wanted = "true" if new.get("deletionProtection") else "false"
            path = f"{id_}/setDeletionProtection"
            call.compute("POST", path, query={"deletionProtection": wanted}, doing="updating instance")

    def _post(self, call: Call, id_: str, action: str, body: Mapping[str, Any]) -> None:
        call.compute("POST", f"{id_}/{action}", body, doing=f"{action} of instance")

    def _put(self, call: Call, id_: str, new: Properties) -> None:
        def once() -> None:
            now = call.compute("GET", id_)
            now |= {"description": new.get("description") or "", "canIpForward": bool(new.get("canIpForward"))}
            call.compute("PUT", id_, now, doing="updating instance")

        retry_when_changed(call, once)

    def _set_metadata(self, call: Call, id_: str, new: Properties) -> None:
        def once() -> None:
            now = call.compute("GET", id_).get("metadata") or {}
            items = (launching.to_metadata(new) or {"items": []})["items"]
            if script := new.get("metadataStartupScript"):
                items.append({"key": "startup-script", "value": script})
            self._post(call, id_, "setMetadata", {"fingerprint": now.get("fingerprint", ""), "items": items})

        retry_when_changed(call, once)

    def _set_access(self, call: Call, id_: str, old: Properties, new: Properties) -> None:
        """External addresses: all of a changed interface go, and the wanted ones come."""
        now = call.compute("GET", id_)["networkInterfaces"]
        pairs = zip(old["networkInterfaces"], new["networkInterfaces"], strict=True)
        for interface, (before, after) in zip(now, pairs, strict=True):
            wanted, there = after.get("accessConfigs") or [], before.get("accessConfigs") or []
            if len(wanted) == len(there) and all(
                not differs(one, {**one, **(other or {})}, ("natIp", "networkTier"))
                for one, other in zip(there, wanted, strict=True)
            ):
                continue
            where = {"networkInterface": interface["name"]}
            for config in interface.get("accessConfigs", ()):
                query = {**where, "accessConfig": config["name"]}
                call.compute("POST", f"{id_}/deleteAccessConfig", query=query, doing="old access_config to delete")
            for config in wanted:
                body = launching.to_access_config(config)
                call.compute("POST", f"{id_}/addAccessConfig", body, where, doing="new access_config to add")

    def _set_disk(self, call: Call, id_: str, old: Properties, new: Properties) -> None:
        before, after = old["bootDisk"], new["bootDisk"]
        disk = links.shorten(before["source"])
        if differs(before, after, ("autoDelete",)):
            query = {"autoDelete": "true" if after["autoDelete"] else "false", "deviceName": before["deviceName"]}
            call.compute("POST", f"{id_}/setDiskAutoDelete", query=query, doing="updating boot disk")
        was, wanted = before.get("initializeParams") or {}, after.get("initializeParams") or {}
        if wanted.get("size") not in (None, was.get("size")):
            call.compute("POST", f"{disk}/resize", {"sizeGb": str(wanted["size"])}, doing="resizing boot disk")
        if differs(was, wanted, ("labels",)):
            fingerprint = call.compute("GET", disk).get("labelFingerprint", "")
            set_labels(call, disk, fingerprint, wanted.get("labels") or {}, "labels of the boot disk")

    def _update_stopped(
        self, call: Call, id_: str, new: Properties, changed: Collection[str], moved: Collection[int]
    ) -> None:
        if "minCpuPlatform" in changed:
            self._post(call, id_, "setMinCpuPlatform", {"minCpuPlatform": new.get("minCpuPlatform") or ""})
        if "machineType" in changed:
            kind = self._in_zone(new, "machineTypes", new["machineType"])
            self._post(call, id_, "setMachineType", {"machineType": kind})
        if "serviceAccount" in changed:
            account = next(iter(launching.to_accounts(new)), {"scopes": []})
            self._post(call, id_, "setServiceAccount", account)
        if "shieldedInstanceConfig" in changed:
            body = to_api(launching.SHIELDED.fields, new["shieldedInstanceConfig"])
            call.compute("PATCH", f"{id_}/updateShieldedInstanceConfig", body, doing="shielded vm config update")
        for index in moved:
            interface = call.compute("GET", id_)["networkInterfaces"][index]
            wanted = launching.to_common(call, new)["networkInterfaces"][index]
            body = {key: wanted[key] for key in ("network", "subnetwork", "networkIP") if key in wanted}
            body["fingerprint"] = interface["fingerprint"]
            query = {"networkInterface": interface["name"]}
            call.compute("PATCH", f"{id_}/updateNetworkInterface", body, query, doing="interface to update")

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        if old.get("deletionProtection"):
            raise Refused(
                f"Cannot delete instance {old['name']}: instance Deletion Protection is enabled. Set "
                'deletion_protection to false for this resource and run "terraform apply" before attempting to delete '
                "it."
            )
        super().remove(call, id_, old)
