"""Virtual machines."""

from __future__ import annotations

import re

from azure_cloud import pages
from azure_cloud.arm import Body, Call, Kind, action, refer
from azure_cloud.cloud import Cloud
from azure_cloud.compute import interventions, launching, profile
from azure_cloud.compute.catalog import MACHINES, find_size, open_budget
from azure_cloud.compute.placement import PLACEMENT
from azure_cloud.compute.view import describe_view
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.ids import is_same
from azure_cloud.network.interfaces import MACHINE
from azure_cloud.network.types import INTERFACE
from azure_cloud.operations import Finish, accept
from azure_cloud.places import check_zones
from azure_cloud.store import Record
from google_cloud.exchange import Answer

COMPUTER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
SCALE_SET_FILTER = re.compile(r"'virtualMachineScaleSet/id' eq '([^']+)'", re.IGNORECASE)
FROZEN = ("priority", "virtualMachineScaleSet", "proximityPlacementGroup", "evictionPolicy", "hardwareProfile")
EXPANDED = "instanceview"


class VirtualMachines(Kind):
    type, model, patch_model = MACHINES, "compute:VirtualMachine", "compute:VirtualMachineUpdate"
    name_pattern = r"[A-Za-z0-9](?:[\w.-]{0,62}\w)?"
    tells_etag = True

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked, location = given.get("properties") or {}, given["location"]
        if old is not None:
            return self._revise(call, given, old)
        size = find_size((asked.get("hardwareProfile") or {}).get("vmSize") or "", location)
        zones = given.get("zones") or []
        check_zones(zones, location)
        if len(zones) > 1 or (zones and zones[0] not in size.find_zones(location)):
            message = f"The requested size {size.name} is not available in zones {zones} of '{location}'."
            raise conflict("SkuNotAvailable", message)
        self._check(call, asked, given)
        storage = asked.get("storageProfile") or {}
        profile.check_disk(storage.get("osDisk") or {}, [size], "osDisk")
        found = profile.check_image(call.cloud, storage.get("imageReference"), location, [size])
        profile.check_restricted(call.cloud, [size], location)
        open_budget(call.cloud, location).take(size, is_spot=asked.get("priority") == "Spot")
        self._check_interfaces(call, asked, location)
        identity = profile.describe_identity(call.cloud, given.get("identity"), location)
        body, disk = launching.describe(call.cloud, str(call.id), given, *found, identity)
        call.notes["disk"] = disk
        return body

    def _check(self, call: Call, asked: Body, given: Body) -> None:
        system = asked.get("osProfile") or {}
        profile.check_os(system, "osProfile")
        if not COMPUTER_NAME.fullmatch(system.get("computerName") or ""):
            message = (
                f"Linux host name {system.get('computerName')!r} cannot be empty, exceed 64 characters or "
                "contain other characters than letters, digits and hyphens."
            )
            raise invalid(message)
        profile.check_priority(asked, "properties")
        if asked.get("proximityPlacementGroup"):
            refer(call, asked["proximityPlacementGroup"], PLACEMENT, location=given["location"])
        if asked.get("virtualMachineScaleSet") or asked.get("availabilitySet"):
            raise invalid("Machines cannot be put into scale sets or availability sets here.", "NotSupported")

    def _check_interfaces(self, call: Call, asked: Body, location: str) -> None:
        network = asked.get("networkProfile") or {}
        interfaces = network.get("networkInterfaces") or []
        if network.get("networkInterfaceConfigurations"):
            raise invalid(
                "networkInterfaceConfigurations are not supported here; give networkInterfaces.", "NotSupported"
            )
        if len(interfaces) != 1:
            message = (
                "Virtual machine must have one network interface here, and 'networkProfile.networkInterfaces' has it."
            )
            raise invalid(message, "NetworkProfileInvalid")
        interface = refer(call, interfaces[0], INTERFACE, location=location)
        if interface.notes.get(MACHINE):
            message = f"Network Interface {interface.id} is used by existing resource {interface.notes[MACHINE]}."
            raise invalid(message, "NicInUse")

    def _revise(self, call: Call, given: Body, old: Record) -> Body:
        """A machine that is there: tags change, and little else."""
        asked, there = given.get("properties") or {}, old.given["properties"]
        system, known = asked.get("osProfile") or {}, there["osProfile"]
        profile.check_frozen(
            known, system, ("customData", "computerName", "adminUsername", "linuxConfiguration"), "osProfile."
        )
        profile.check_frozen(there, asked, FROZEN, "")
        storage, stored = asked.get("storageProfile") or {}, there["storageProfile"]
        profile.check_frozen(stored, storage, ("imageReference",), "")
        identity = profile.describe_identity(call.cloud, given.get("identity"), old.location)
        given["properties"] = {**there, **asked, "osProfile": {**known, **system}, "storageProfile": stored}
        body = {**old.body, "tags": given.get("tags", {})}
        if identity is not None:
            body["identity"] = identity
        return body

    def begin(self, call: Call, record: Record, status: int, *, located: bool = False) -> Answer:
        if status == self.created_status:
            launching.add(call.cloud, record, call.notes["disk"])
        return super().begin(call, record, status, located=located)

    def made(self, cloud: Cloud, record: Record) -> None:
        if record.notes.get("power") != "starting":
            return
        try:
            launching.allocate(cloud, record, None)
        except AzureError as error:
            launching.fail(record, error)
            raise
        launching.run(record)

    def removed(self, cloud: Cloud, record: Record) -> None:
        launching.clean_up(cloud, record)

    def get(self, call: Call) -> Body | Answer:
        with_view = EXPANDED in call.query.get("$expand", "").lower()
        return self._tell(call.cloud, call.require(), with_view=with_view)

    def list_items(self, call: Call) -> Body:
        """With `$expand=instanceView`, or for all with `statusOnly=true`, what each is at this moment."""
        if "/resourcegroups/" in call.scope.lower():
            call.require_group()
        records = self.choose(call, call.cloud.store.select(self.type, call.scope))
        with_view = EXPANDED in call.query.get("$expand", "").lower()
        status_only = call.query.get("statusonly", "").lower() == "true"
        has_view = with_view or status_only
        return pages.render(call, records, lambda record: self._tell(call.cloud, record, with_view=has_view))

    def _tell(self, cloud: Cloud, record: Record, *, with_view: bool) -> Body:
        told = self.tell(cloud, record)
        if with_view:
            told["properties"] = {**told["properties"], "instanceView": describe_view(cloud, record)}
        return told

    def choose(self, call: Call, records: list[Record]) -> list[Record]:
        text = call.query.get("$filter")
        if text is None:
            return records
        found = SCALE_SET_FILTER.fullmatch(text.strip())
        if found is None:
            raise invalid(f"The filter {text} is not supported.", "InvalidParameter")
        return [
            each
            for each in records
            if is_same((each.properties.get("virtualMachineScaleSet") or {}).get("id"), found[1])
        ]

    # What is done with a machine

    @action("instanceView", "GET")
    def instance_view(self, call: Call) -> Body:
        return describe_view(call.cloud, call.require())

    @action("deallocate")
    def deallocate(self, call: Call) -> Answer:
        return self._switch(call, "deallocating", "deallocated")

    @action("powerOff")
    def power_off(self, call: Call) -> Answer:
        return self._switch(call, "stopping", "stopped")

    @action("start")
    def start(self, call: Call) -> Answer:
        record = call.require()
        size = find_size(record.properties["hardwareProfile"]["vmSize"], record.location)
        if record.notes.get("power") == "deallocated":
            open_budget(call.cloud, record.location).take(size, is_spot=record.properties.get("priority") == "Spot")

        def finish() -> None:
            launching.allocate(call.cloud, record, None)
            launching.run(record)

        return self._operate(call, record, "starting", finish)

    @action("restart")
    def restart(self, call: Call) -> Answer:
        record = call.require()
        if record.notes.get("power") != "running":
            raise conflict("OperationNotAllowed", f"The VM {record.name} is not running; start it.")
        return self._operate(call, record, "running", lambda: None)

    @action("simulateEviction")
    def simulate_eviction(self, call: Call) -> Answer:
        interventions.evict(call.cloud, call.require())
        return Answer(b"", 204)

    @action("retrieveBootDiagnosticsData")
    def retrieve_boot_diagnostics(self, call: Call) -> Body:
        record = call.require()
        diagnostics = (record.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
        if not diagnostics.get("enabled"):
            raise conflict("BootDiagnosticsNotEnabled", f"Boot diagnostics are not enabled for the VM {record.name}.")
        place = f"{call.base}/boot-diagnostics/{record.properties['vmId']}"
        return {
            "consoleScreenshotBlobUri": f"{place}/screenshot.bmp?sig=stand-in",
            "serialConsoleLogBlobUri": f"{place}/serialconsole.log?sig=stand-in",
        }

    def _switch(self, call: Call, during: str, after: str) -> Answer:
        record = call.require()

        def finish() -> None:
            record.notes["power"] = after

        return self._operate(call, record, during, finish)

    def _operate(self, call: Call, record: Record, during: str, finish: Finish) -> Answer:
        if not launching.is_there(call.cloud, record):
            raise conflict("OperationNotAllowed", f"The VM {record.name} is being deleted.")
        record.notes["power"] = during
        call.location = record.location
        seconds = call.cloud.pace.find("POST", self.type)
        operation = call.cloud.operations.begin(call.cloud, seconds, finish)
        return accept(call, operation, None, 202, located=True)
