"""Scale sets whose machines are virtual machines like others (orchestration mode Flexible)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from azure_cloud.arm import Body, Call, Kind, action, refer
from azure_cloud.cloud import Cloud
from azure_cloud.compute import launching, profile, scale_set_control
from azure_cloud.compute.catalog import SCALE_SETS, Size, find_size, open_budget
from azure_cloud.compute.launching import MEMBERS
from azure_cloud.compute.placement import PLACEMENT
from azure_cloud.compute.scale_set_control import list_members, parse_minutes
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.judge import judge
from azure_cloud.network.types import APPLICATION_GROUP, SECURITY_GROUP, SUBNET, VIRTUAL_NETWORK
from azure_cloud.operations import accept
from azure_cloud.places import check_zones
from azure_cloud.store import FAILED, Record
from google_cloud.exchange import Answer

MOST_CAPACITY, MOST_SIZES = 1000, 5
PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,57}")
MIX = "Mix"
FAILURE = "failure"
NETWORK_VERSIONS = ("2020-11-01", "2022-11-01")
FIXED = ("orchestrationMode", "platformFaultDomainCount", "proximityPlacementGroup")


class VirtualMachineScaleSets(Kind):
    type, model = SCALE_SETS, "compute:VirtualMachineScaleSet"
    patch_model = "compute:VirtualMachineScaleSetUpdate"
    name_pattern = r"[A-Za-z0-9](?:[\w.-]{0,62}\w)?"
    tells_etag = True

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked, location = given.get("properties") or {}, given["location"]
        self._check_mode(asked, given.get("sku") or {})
        zones = given.get("zones") or []
        check_zones(zones, location)
        template = self._complete(asked.get("virtualMachineProfile") or {}, old)
        asked["virtualMachineProfile"] = template
        sizes = [find_size(name, location) for name in self._choose_sizes(asked, given["sku"])]
        for zone in zones:
            if not any(zone in size.find_zones(location) for size in sizes):
                raise conflict("SkuNotAvailable", f"The requested size is currently not available in zone '{zone}'.")
        if old is None:
            profile.check_restricted(call.cloud, sizes[:1], location)
        profile.check_os(template.get("osProfile") or {}, "virtualMachineProfile.osProfile")
        prefix = template["osProfile"].get("computerNamePrefix") or ""
        if not PREFIX.fullmatch(prefix):
            raise invalid(f"The value {prefix!r} of parameter 'computerNamePrefix' is invalid.")
        storage = template.get("storageProfile") or {}
        profile.check_disk(storage.get("osDisk") or {}, sizes, "virtualMachineProfile.storageProfile.osDisk")
        profile.check_image(call.cloud, storage.get("imageReference"), location, sizes)
        profile.check_priority(template, "virtualMachineProfile")
        self._check_network(call, template.get("networkProfile") or {}, location)
        self._check_policies(asked, template)
        if asked.get("proximityPlacementGroup"):
            refer(call, asked["proximityPlacementGroup"], PLACEMENT, location=location)
            if len(zones) > 1:
                raise invalid("A scale set in a proximity placement group is in one zone at most.", "BadRequest")
        identity = profile.describe_identity(call.cloud, given.get("identity"), location)
        if old is not None:
            profile.check_frozen(old.given["properties"], asked, FIXED, "")
            profile.check_frozen(old.given, given, ("zones",), "")
        self._check_cores(call, given, sizes, asked, old)
        return self._describe(call, given, identity, old)

    def _check_mode(self, asked: Body, sku: Body) -> None:
        if asked.get("orchestrationMode") != "Flexible":
            raise invalid("Only the orchestrationMode Flexible is supported here.", "NotSupported")
        if asked.get("platformFaultDomainCount") is None:
            raise invalid("Required parameter 'platformFaultDomainCount' is missing (null).")
        if asked["platformFaultDomainCount"] != 1:
            raise invalid(
                "platformFaultDomainCount must be 1 here: machines are spread as far as they go.", "NotSupported"
            )
        if asked.get("singlePlacementGroup"):
            raise invalid("singlePlacementGroup must be false with the orchestrationMode Flexible.")
        if asked.get("overprovision"):
            raise invalid("overprovision cannot be true with the orchestrationMode Flexible.")
        if (asked.get("upgradePolicy") or {}).get("mode", "Manual") != "Manual":
            raise invalid("Only the upgradePolicy.mode Manual is supported here.", "NotSupported")
        capacity = sku.get("capacity")
        if not sku.get("name") or capacity is None:
            raise invalid("Required parameter 'sku' must have name and capacity here.")
        if not 0 <= capacity <= MOST_CAPACITY:
            message = (
                f"The value {capacity} of parameter 'sku.capacity' is out of range: it is from 0 to {MOST_CAPACITY}."
            )
            raise invalid(message)

    def _complete(self, template: Body, old: Record | None) -> Body:
        """A profile with what is only written, where a change leaves that out."""
        if old is None or not template.get("osProfile"):
            return template
        there = old.given["properties"]["virtualMachineProfile"]["osProfile"]
        kept = {name: there[name] for name in ("customData",) if name in there}
        return {**template, "osProfile": {**kept, **template["osProfile"]}}

    def _choose_sizes(self, asked: Body, sku: Body) -> list[str]:
        """https://learn.microsoft.com/azure/virtual-machine-scale-sets/instance-mix-overview."""
        mix = asked.get("skuProfile")
        if (sku["name"] == MIX) != bool(mix):
            raise invalid(f"The sku.name {MIX} and a skuProfile go together.")
        if not mix:
            return [sku["name"]]
        if sku.get("tier"):
            raise invalid(f"sku.tier must not be given with the sku.name {MIX}.")
        sizes = mix.get("vmSizes") or []
        names = [each.get("name") or "" for each in sizes]
        if not 1 <= len(names) <= MOST_SIZES or len({*names}) != len(names):
            raise invalid(f"skuProfile.vmSizes must have from 1 to {MOST_SIZES} different sizes.")
        is_ranked = mix.get("allocationStrategy", "LowestPrice") == "Prioritized"
        ranks = [each["rank"] for each in sizes if "rank" in each]
        if ranks and (not is_ranked or len(ranks) != len(sizes)):
            raise invalid(
                "Ranks are for all sizes of a skuProfile with the allocationStrategy Prioritized, and only there."
            )
        return names

    def _check_network(self, call: Call, network: Body, location: str) -> None:
        where = "virtualMachineProfile.networkProfile"
        if network.get("networkApiVersion") not in NETWORK_VERSIONS:
            known = " or ".join(NETWORK_VERSIONS)
            raise invalid(f"Required parameter '{where}.networkApiVersion' is missing (null); it is {known}.")
        interfaces = network.get("networkInterfaceConfigurations") or []
        if len(interfaces) != 1:
            raise invalid(f"'{where}.networkInterfaceConfigurations' must have one item here.")
        asked = interfaces[0].get("properties") or {}
        if not asked.get("primary"):
            raise invalid(f"'{where}.networkInterfaceConfigurations' must have one that is primary.")
        if asked.get("networkSecurityGroup"):
            refer(call, asked["networkSecurityGroup"], SECURITY_GROUP, location=location)
        for part in asked["ipConfigurations"]:
            inner = part.get("properties") or {}
            if inner.get("publicIPAddressConfiguration"):
                raise invalid("Public addresses of scale sets are not supported here.", "NotSupported")
            subnet = refer(call, inner.get("subnet"), SUBNET)
            refer(call, subnet.parsed.parent, VIRTUAL_NETWORK, location=location)
            for group in inner.get("applicationSecurityGroups") or []:
                refer(call, group, APPLICATION_GROUP, location=location)

    def _check_policies(self, asked: Body, template: Body) -> None:
        if asked.get("priorityMixPolicy") is not None and template.get("priority") != "Spot":
            raise invalid("priorityMixPolicy is for scale sets with the priority Spot only.")
        share = (asked.get("priorityMixPolicy") or {}).get("regularPriorityPercentageAboveBase", 0)
        if not 0 <= share <= 100:
            raise invalid("regularPriorityPercentageAboveBase must be from 0 to 100.")
        notice = (template.get("scheduledEventsProfile") or {}).get("terminateNotificationProfile") or {}
        if notice.get("enable") and not 5 <= parse_minutes(notice.get("notBeforeTimeout", "PT5M")) <= 15:
            raise invalid("terminateNotificationProfile.notBeforeTimeout must be from PT5M to PT15M.")
        repairs = asked.get("automaticRepairsPolicy") or {}
        if repairs.get("enabled"):
            if not 10 <= parse_minutes(repairs.get("gracePeriod", "PT10M")) <= 90:
                raise invalid("automaticRepairsPolicy.gracePeriod must be from PT10M to PT90M.")
            extensions = (template.get("extensionProfile") or {}).get("extensions") or []
            if not profile.has_health_extension(extensions):
                message = (
                    "Automatic repairs is not supported for this Virtual Machine Scale Set because a health probe or "
                    "health extension was not specified."
                )
                raise invalid(message)

    def _check_cores(self, call: Call, given: Body, sizes: list[Size], asked: Body, old: Record | None) -> None:
        """Refuse at once what the quotas never allow."""
        more = given["sku"]["capacity"] - (0 if old is None else len(list_members(old)))
        is_spot = asked["virtualMachineProfile"].get("priority") == "Spot" and not asked.get("priorityMixPolicy")
        if len(sizes) == 1:
            budget = open_budget(call.cloud, given["location"])
            for _ in range(more):
                budget.take(sizes[0], is_spot=is_spot)

    def _describe(self, call: Call, given: Body, identity: Body | None, old: Record | None) -> Body:
        asked = given["properties"]
        template = dict(asked["virtualMachineProfile"])
        template["osProfile"] = profile.strip_secrets(template["osProfile"])
        usual = {"singlePlacementGroup": False, "uniqueId": call.cloud.make_guid()}
        kept = {"uniqueId": old.properties["uniqueId"]} if old is not None else {}
        sku = given["sku"] if given["sku"]["name"] == MIX else {"tier": "Standard", **given["sku"]}
        told = {key: value for key, value in given.items() if key != "identity"}
        if identity is not None:
            told["identity"] = identity
        return {**told, "sku": sku, "properties": {**usual, **asked, **kept, "virtualMachineProfile": template}}

    # Its machines

    def begin(self, call: Call, record: Record, status: int, *, located: bool = False) -> Answer:
        record.notes.setdefault(MEMBERS, {})
        record.notes[FAILURE] = scale_set_control.fill(call.cloud, record)
        return super().begin(call, record, status, located=located)

    def made(self, cloud: Cloud, record: Record) -> None:
        failure: AzureError | None = record.notes.pop(FAILURE, None)
        if failure is not None:
            raise failure

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        """Its machines go with it."""
        yield from ()

    def removed(self, cloud: Cloud, record: Record) -> None:
        for machine in list(record.notes.get(MEMBERS, {}).values()):
            machine.notes[launching.KEEPS_CAPACITY] = True
            cloud.store.remove(machine.id)
            launching.clean_up(cloud, machine)

    @action("delete")
    def delete_instances(self, call: Call) -> Answer:
        """Machines that are named go, and the capacity is as many lower."""
        record = call.require()
        body = judge("compute:VirtualMachineScaleSetVMInstanceRequiredIDs", call.json())
        known = {machine.name.lower(): machine for machine in list_members(record)}
        missing = [name for name in body["instanceIds"] if name.lower() not in known]
        if missing:
            message = (
                f"The provided instanceId {', '.join(missing)} is not an active Virtual Machine Scale Set "
                "VM instanceId."
            )
            raise invalid(message)
        for name in dict.fromkeys(each.lower() for each in body["instanceIds"]):
            launching.lower(record)
            scale_set_control.let_go(call.cloud, known[name])
        call.location = record.location
        seconds = call.cloud.pace.find("DELETE", "Microsoft.Compute/virtualMachines")
        return accept(call, call.cloud.operations.begin(call.cloud, seconds, lambda: None), None, 202, located=True)

    @action("instanceView", "GET")
    def instance_view(self, call: Call) -> Body:
        record = call.require()
        counts = Counter(f"ProvisioningState/{each.state.lower()}" for each in list_members(record))
        summary = [{"code": code, "count": count} for code, count in sorted(counts.items())]
        word = record.state.lower()
        status: Body = {
            "code": f"ProvisioningState/{word}",
            "level": "Error" if record.state == FAILED else "Info",
            "displayStatus": f"Provisioning {word}",
        }
        if record.error is not None:
            status["code"], status["message"] = (
                f"ProvisioningState/failed/{record.error['code']}",
                record.error["message"],
            )
        return {"virtualMachine": {"statusesSummary": summary}, "statuses": [status]}
