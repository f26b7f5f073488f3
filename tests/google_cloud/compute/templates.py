"""Templates of instances, which never change."""

from __future__ import annotations

from collections.abc import Iterator

from google_cloud.compute import catalog, properties
from google_cloud.compute.collection import Body, Call, Collection, refer, require_field
from google_cloud.compute.images import find_image
from google_cloud.compute.launching import describe_metadata, describe_tags
from google_cloud.compute.store import Record, parse_reference, shorten
from google_cloud.errors import ApiError, invalid

WHERE = "resource.properties"


class InstanceTemplates(Collection):
    """Templates of a region."""

    name, model, scope, word = "instanceTemplates", "InstanceTemplate", "regions", "instanceTemplate"
    prefix = "Region"

    def prepare(self, call: Call, body: Body) -> Body:
        if body.get("sourceInstance"):
            raise invalid("resource.sourceInstance", body["sourceInstance"], "It is not supported here.")
        given = require_field(body, "properties")
        if not given.get("machineType"):
            raise ApiError(400, f"Required field '{WHERE}.machineType' not specified", "required")
        check_type(call, given["machineType"])
        properties.check_properties(given, WHERE)
        made = {
            **given,
            "metadata": describe_metadata((given.get("metadata") or {}).get("items") or []),
            "tags": describe_tags((given.get("tags") or {}).get("items") or []),
            "scheduling": {
                "automaticRestart": not properties.is_spot_vm(given),
                "preemptible": properties.is_spot_vm(given),
                **(given.get("scheduling") or {}),
            },
            "disks": [prepare_disk(call, disk, index) for index, disk in enumerate(given["disks"])],
            "networkInterfaces": [
                prepare_interface(call, each, index) for index, each in enumerate(given["networkInterfaces"])
            ],
        }
        for index, policy in enumerate(given.get("resourcePolicies") or []):
            if "/" in policy:
                raise invalid(f"{WHERE}.resourcePolicies[{index}]", policy, "It must be a name, without its place.")
        for field in ("tags", "metadata"):
            if "items" not in made[field]:
                del made[field]
        return {**body, "properties": made}

    def list_used(self, record: Record) -> Iterator[str]:
        """Nothing: what a template names may go."""
        yield from ()


def check_type(call: Call, name: str) -> None:
    """Refuse what is no machine type of the region."""
    if "/" in name:
        raise invalid(f"{WHERE}.machineType", name, "It must be a name, without its place.")
    kind = catalog.MACHINE_TYPES.get(name)
    if kind is None or not any(kind.is_in(zone) for zone in catalog.zones_of(call.region)):
        raise invalid(f"{WHERE}.machineType", name, f"No such machine type in the region '{call.region}'.")


def prepare_disk(call: Call, disk: Body, index: int) -> Body:
    field = f"{WHERE}.disks[{index}]"
    usual = {"kind": "compute#attachedDisk", "index": index, "type": "PERSISTENT", "mode": "READ_WRITE"}
    made = {**usual, "deviceName": f"persistent-disk-{index}", **disk}
    if "initializeParams" not in disk:
        return made
    initial = dict(disk["initializeParams"])
    kind = initial.get("diskType") or "pd-standard"
    if "/" in kind or kind not in catalog.DISK_TYPES:
        raise invalid(f"{field}.initializeParams.diskType", kind, "It must be the name of a disk type.")
    if initial.get("sourceImage"):
        path = shorten(initial["sourceImage"])
        path = f"projects/{call.project}/{path}" if path.startswith("global/") else path
        find_image(call.engine, path, f"{field}.initializeParams.sourceImage")
        initial["sourceImage"] = path
    return {**made, "initializeParams": {**initial, "diskType": kind}}


def prepare_interface(call: Call, interface: Body, index: int) -> Body:
    field = f"{WHERE}.networkInterfaces[{index}]"
    made: Body = {"kind": "compute#networkInterface", "name": f"nic{index}", **interface}
    if interface.get("networkIP"):
        raise invalid(f"{field}.networkIP", interface["networkIP"], "Each instance has an address of its own.")
    if interface.get("subnetwork"):
        subnet = refer(call, interface["subnetwork"], "subnetworks", f"{field}.subnetwork")
        if subnet.place != call.place:
            raise invalid(f"{field}.subnetwork", interface["subnetwork"], "It must be of the region of the template.")
        return {**made, "subnetwork": subnet.link, "network": subnet.body["network"]}
    network = parse_reference(interface["network"], call.project, "networks", f"{field}.network")
    return {**made, "network": call.engine.require(network).link}
