"""Instances."""

from __future__ import annotations

from collections.abc import Iterator

from google_cloud import models
from google_cloud.compute import catalog, launching, properties
from google_cloud.compute.collection import OUTPUT, Body, Call, Collection, action, require_field, set_labels
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.operations import Finish
from google_cloud.compute.store import BASE, Record, parse_reference, shorten
from google_cloud.errors import ApiError, condition_not_met, invalid, not_ready, required
from google_cloud.validation import check_labels, check_name, make_fingerprint

PUT = ("description", "canIpForward")
"""What `update` changes."""
RUNS = ("PROVISIONING", "STAGING", "RUNNING")


class Instances(Collection):
    """Machines."""

    name, model, scope, word = "instances", "Instance", "zones", "instance"
    has_labels = True
    methods = frozenset({*Collection.methods, "update", "getSerialPortOutput"})

    def list_used(self, record: Record) -> Iterator[str]:
        body = record.body
        for interface in body["networkInterfaces"]:
            yield from (interface["network"], interface["subnetwork"])
        yield from body.get("resourcePolicies") or []

    def insert(self, call: Call) -> Body:
        body = {key: value for key, value in models.drop_nulls(call.body).items() if key not in OUTPUT}
        path = f"{call.base}/instances/{check_name(body.get('name'))}"
        check_labels(body.get("labels"))
        properties.check_properties(body, "resource")
        zone = call.place.partition("/")[2]
        machine_type = find_machine_type(call, require_field(body, "machineType"), "resource.machineType")
        given = {key: value for key, value in body.items() if key not in ("name", "machineType", "fingerprint")}
        shortage = find_shortage(call, zone, machine_type, given)
        record = launching.launch(call.engine, path, machine_type, given)
        if shortage is None:
            launching.start(call.engine, record)

        def finish() -> None:
            if shortage is not None:
                launching.remove(call.engine, record)
                raise shortage
            record.is_ready = True

        return self.begin(call, record, "insert", finish, launching.RUNNING_SECONDS)

    def delete(self, call: Call) -> Body:
        record = self.require(call)
        if record.body["deletionProtection"]:
            message = (
                "Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. To delete "
                "the resource, deletion protection must be disabled.'."
            )
            raise ApiError(400, message, "invalidResourceUsage", code="INVALID_RESOURCE_USAGE")
        if not record.is_ready:
            raise not_ready(record.path)
        record.is_going = True
        record.body["status"] = "STOPPING"
        return self.begin(call, record, "delete", lambda: launching.remove(call.engine, record), launching.STOP_SECONDS)

    def update(self, call: Call) -> Body:
        record = self.require_ready(call)
        if not call.body.get("fingerprint"):
            raise required("resource.fingerprint")
        self.check_fingerprint(record, call.body["fingerprint"])
        known = {key: value for key, value in call.body.items() if key not in (*PUT, *OUTPUT, "fingerprint")}
        for key, value in known.items():
            if value is not None and value != record.body.get(key):
                raise invalid(f"resource.{key}", value, "It is not changed by update here.")
        record.body |= {key: call.body[key] for key in PUT if call.body.get(key) is not None}
        return self.changed(call, record, "update")

    def changed(self, call: Call, record: Record, kind: str, finish: Finish = lambda: None) -> Body:
        launching.mark_changed(record)
        return self.begin(call, record, kind, finish)

    def get_serial_port_output(self, call: Call) -> Body:
        record = self.require(call)
        if call.query.get("port", 1) not in range(1, 5):
            raise invalid("port", call.query["port"], "Must be from 1 to 4.")
        text = call.engine.consoles.get(record.path, "").encode() if call.query.get("port", 1) == 1 else b""
        start = min(call.query.get("start", 0), len(text))
        return {
            "kind": "compute#serialPortOutput",
            "contents": text[start:].decode(errors="replace"),
            "start": str(start),
            "next": str(len(text)),
            "selfLink": f"{record.link}/serialPort",
        }

    # Power

    @action()
    def stop(self, call: Call) -> Body:
        record = self.require_ready(call)
        if record.body["status"] == "TERMINATED":
            return self.begin(call, record, "stop")
        record.body["status"] = "STOPPING"
        return self.begin(call, record, "stop", lambda: end(call.engine, record), launching.STOP_SECONDS)

    @action()
    def start(self, call: Call) -> Body:
        record = self.require_ready(call)
        if record.body["status"] in RUNS:
            return self.begin(call, record, "start")
        if record.body["status"] != "TERMINATED":
            raise not_ready(record.path)
        machine_type, zone = record.body["machineType"].rpartition("/")[2], call.place.partition("/")[2]

        record.body["status"] = "STAGING"

        def finish() -> None:
            try:
                launching.check_supply(call.engine, call.project, zone, machine_type, record.body)
            except ApiError:
                launching.end(call.engine, record)
                raise
            record.body["status"] = "RUNNING"

        return self.begin(call, record, "start", finish, launching.RUNNING_SECONDS)

    @action()
    def reset(self, call: Call) -> Body:
        record = self.require_ready(call)
        if record.body["status"] != "RUNNING":
            raise not_ready(record.path)
        return self.begin(call, record, "reset")

    # Changes

    def require_stopped(self, call: Call) -> Record:
        record = self.require_ready(call)
        if record.body["status"] != "TERMINATED":
            message = "Invalid resource usage: 'Instance must be stopped for this change.'."
            raise ApiError(400, message, "invalidResourceUsage")
        return record

    @action()
    def set_labels(self, call: Call) -> Body:
        record = self.require_ready(call)
        set_labels(record, call.body)
        return self.changed(call, record, "setLabels")

    @action()
    def set_metadata(self, call: Call) -> Body:
        record = self.require_ready(call)
        if call.body.get("fingerprint") != record.body["metadata"]["fingerprint"]:
            raise condition_not_met("Supplied fingerprint does not match current metadata fingerprint.")
        properties.check_metadata(call.body, "metadata")
        record.body["metadata"] = launching.describe_metadata(call.body.get("items") or [])
        return self.changed(call, record, "setMetadata")

    @action()
    def set_tags(self, call: Call) -> Body:
        record = self.require_ready(call)
        if call.body.get("fingerprint") != record.body["tags"]["fingerprint"]:
            raise condition_not_met("Supplied fingerprint does not match current tags fingerprint.")
        for index, tag in enumerate(call.body.get("items") or []):
            check_name(tag, f"tags.items[{index}]")
        record.body["tags"] = launching.describe_tags(call.body.get("items") or [])
        return self.changed(call, record, "setTags")

    @action()
    def set_machine_type(self, call: Call) -> Body:
        record = self.require_stopped(call)
        name = find_machine_type(call, call.body.get("machineType"), "machineType")
        kind = catalog.find_type(name, call.project, call.place.partition("/")[2])
        disk = call.engine.require(record.body["disks"][0]["source"])
        properties.check_disk(kind, disk.body["type"].rpartition("/")[2])
        properties.check_architecture(kind, disk.body.get("architecture", ""))
        record.body["machineType"] = f"{BASE}{call.base}/machineTypes/{name}"
        return self.changed(call, record, "setMachineType")

    @action()
    def set_service_account(self, call: Call) -> Body:
        record = self.require_stopped(call)
        accounts = [models.drop_nulls(call.body)] if call.body.get("email") else []
        properties.check_accounts(accounts, "serviceAccounts")
        found = launching.find_accounts(call.engine, call.project, {"serviceAccounts": accounts})
        record.body.pop("serviceAccounts", None)
        record.body |= {"serviceAccounts": found} if found else {}
        return self.changed(call, record, "setServiceAccount")

    @action()
    def set_scheduling(self, call: Call) -> Body:
        record = self.require_ready(call)
        wanted = models.drop_nulls(call.body)
        before = record.body["scheduling"]
        for field in ("provisioningModel", "preemptible"):
            if wanted.get(field) not in (None, before[field]) and record.body["status"] != "TERMINATED":
                raise invalid(f"scheduling.{field}", wanted[field], "It cannot be changed while the instance runs.")
        scheduling = {**before, **wanted}
        properties.check_scheduling({"scheduling": scheduling}, "resource")
        record.body["scheduling"] = scheduling
        return self.changed(call, record, "setScheduling")

    @action()
    def set_min_cpu_platform(self, call: Call) -> Body:
        record = self.require_stopped(call)
        record.body["minCpuPlatform"] = call.body.get("minCpuPlatform") or ""
        return self.changed(call, record, "setMinCpuPlatform")

    @action()
    def set_deletion_protection(self, call: Call) -> Body:
        record = self.require_ready(call)
        record.body["deletionProtection"] = call.query.get("deletionProtection", True)
        return self.changed(call, record, "setDeletionProtection")

    @action()
    def set_disk_auto_delete(self, call: Call) -> Body:
        record = self.require_ready(call)
        for disk in record.body["disks"]:
            if disk["deviceName"] == call.query.get("deviceName"):
                disk["autoDelete"] = call.query.get("autoDelete", False)
                return self.changed(call, record, "setDiskAutoDelete")
        raise invalid("deviceName", call.query.get("deviceName"), "The instance has no such disk.")

    @action("PATCH")
    def update_shielded_instance_config(self, call: Call) -> Body:
        record = self.require_stopped(call)
        record.body["shieldedInstanceConfig"] |= models.drop_nulls(call.body)
        return self.changed(call, record, "updateShieldedInstanceConfig")

    @action()
    def add_resource_policies(self, call: Call) -> Body:
        record = self.require_ready(call)
        zone = call.place.partition("/")[2]
        kind = catalog.find_type(record.body["machineType"].rpartition("/")[2], call.project, zone)
        links = launching.find_policies(call.engine, call.project, zone, kind, call.body, "resource")
        record.body["resourcePolicies"] = [*(record.body.get("resourcePolicies") or []), *links]
        return self.changed(call, record, "addResourcePolicies")

    @action()
    def remove_resource_policies(self, call: Call) -> Body:
        record = self.require_ready(call)
        gone = [
            parse_reference(each, call.project, "resourcePolicies", "resourcePolicies")
            for each in call.body.get("resourcePolicies") or []
        ]
        kept = [link for link in record.body.pop("resourcePolicies", []) if shorten(link) not in gone]
        record.body |= {"resourcePolicies": kept} if kept else {}
        return self.changed(call, record, "removeResourcePolicies")

    # Interfaces

    def find_interface(self, call: Call, record: Record) -> Body:
        for interface in record.body["networkInterfaces"]:
            if interface["name"] == call.query.get("networkInterface"):
                return interface
        raise invalid("networkInterface", call.query.get("networkInterface"), "The instance has no such interface.")

    @action()
    def add_access_config(self, call: Call) -> Body:
        record = self.require_ready(call)
        interface = self.find_interface(call, record)
        if interface.get("accessConfigs"):
            raise ApiError(400, "At most one access config currently supported.", "invalid")
        zone = call.place.partition("/")[2]
        config = launching.make_access(call.engine, call.project, zone, models.drop_nulls(call.body), "resource")
        interface["accessConfigs"] = [config]
        return self.changed_interface(call, record, interface, "addAccessConfig")

    @action()
    def delete_access_config(self, call: Call) -> Body:
        record = self.require_ready(call)
        interface = self.find_interface(call, record)
        names = [each["name"] for each in interface.get("accessConfigs") or []]
        if call.query.get("accessConfig") not in names:
            raise invalid("accessConfig", call.query.get("accessConfig"), "The interface has no such access config.")
        del interface["accessConfigs"]
        return self.changed_interface(call, record, interface, "deleteAccessConfig")

    @action("PATCH")
    def update_network_interface(self, call: Call) -> Body:
        record = self.require_stopped(call)
        interface = self.find_interface(call, record)
        self.check_interface_fingerprint(call, interface)
        zone = call.place.partition("/")[2]
        wanted = {key: value for key, value in call.body.items() if key in ("network", "subnetwork", "networkIP")}
        subnet = launching.find_subnet(call.engine, call.project, zone, wanted, "resource")
        interface |= {"network": subnet.body["network"], "subnetwork": subnet.link}
        interface["networkIP"] = launching.take_internal(
            call.engine, subnet, wanted.get("networkIP"), "resource.networkIP"
        )
        return self.changed_interface(call, record, interface, "updateNetworkInterface")

    def check_interface_fingerprint(self, call: Call, interface: Body) -> None:
        if call.body.get("fingerprint") != interface["fingerprint"]:
            raise condition_not_met("Supplied fingerprint does not match current fingerprint of the interface.")

    def changed_interface(self, call: Call, record: Record, interface: Body, kind: str) -> Body:
        interface.pop("fingerprint", None)
        interface["fingerprint"] = make_fingerprint(interface)
        return self.changed(call, record, kind)


def end(engine: Engine, record: Record) -> None:
    if launching.is_there(engine, record):
        launching.end(engine, record)


def find_shortage(call: Call, zone: str, machine_type: str, given: Body) -> ApiError | None:
    """What an instance cannot be made for, which its operation ends with."""
    try:
        launching.check_supply(call.engine, call.project, zone, machine_type, given)
    except ApiError as error:
        return error
    return None


def find_machine_type(call: Call, value: object, field: str) -> str:
    """The name of a machine type that a request names by its link, which is of the zone."""
    path = parse_reference(value, call.project, "machineTypes", field)
    place, _, name = path.rpartition("/machineTypes/")
    if not place.endswith(f"/{call.place}"):
        raise invalid(field, value, "The machine type must be of the zone of the instance.")
    catalog.find_type(name, call.project, call.place.partition("/")[2])
    return name
