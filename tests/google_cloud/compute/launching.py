"""Instances come, run, stop and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google_cloud.clock import render_compute_time
from google_cloud.compute import address_space, catalog, properties
from google_cloud.compute.addresses import list_users
from google_cloud.compute.catalog import MachineType
from google_cloud.compute.collection import Body, find_ready
from google_cloud.compute.disks import describe_disk
from google_cloud.compute.disks import list_users as list_disk_users
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.quotas import check_quota, need
from google_cloud.compute.store import BASE, Record, parse_reference, region_of, shorten
from google_cloud.errors import ApiError, already_exists, in_use, invalid
from google_cloud.validation import check_range, make_fingerprint

STAGING_SECONDS, RUNNING_SECONDS = 0.05, 0.15
"""After the beginning."""
STOP_SECONDS = 0.15
GROUP = "group"
"""Path of the managed group that an instance is of."""

PLATFORMS = {"n2d": "AMD Rome", "c4a": "Google Axion", "c3": "Intel Sapphire Rapids", "n2": "Intel Ice Lake"}
SHIELDED = {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True}


def launch(engine: Engine, path: str, machine_type: str, given: Mapping[str, Any], where: str = "resource") -> Record:
    """Make an instance, which is provisioned.

    Args:
        path: of the instance.
        given: what it is made of, as for an `Instance`; types of disks and accelerators may be names only.
        where: how messages call that.

    Raises:
        ApiError: it cannot be.
    """
    project, zone = path.split("/")[1], path.split("/")[3]
    if engine.store.find(path) is not None:
        raise already_exists(path)
    kind = catalog.find_type(machine_type, project, zone)
    scheduling = properties.complete_scheduling(kind, given)
    properties.check_machine(kind, {**given, "scheduling": scheduling}, zone, where)
    body = {
        **{key: value for key, value in given.items() if key not in ("disks", "networkInterfaces", "labels")},
        "machineType": f"{BASE}projects/{project}/zones/{zone}/machineTypes/{machine_type}",
        "scheduling": scheduling,
        "serviceAccounts": find_accounts(engine, project, given),
        "resourcePolicies": find_policies(engine, project, zone, kind, given, where),
        "guestAccelerators": list_cards(kind, project, zone, given),
        "networkInterfaces": make_interfaces(engine, project, zone, given["networkInterfaces"], where),
        "metadata": describe_metadata((given.get("metadata") or {}).get("items") or []),
        "tags": describe_tags((given.get("tags") or {}).get("items") or []),
        "shieldedInstanceConfig": {**SHIELDED, **(given.get("shieldedInstanceConfig") or {})},
        "shieldedInstanceIntegrityPolicy": {"updateAutoLearnPolicy": True},
        "canIpForward": bool(given.get("canIpForward")),
        "deletionProtection": bool(given.get("deletionProtection")),
        "startRestricted": False,
        "cpuPlatform": PLATFORMS.get(kind.family.name, "Intel Skylake"),
        "lastStartTimestamp": render_compute_time(engine.now),
        **({"labels": given["labels"]} if given.get("labels") else {}),
    }
    body["disks"] = make_disks(engine, path, kind, given["disks"], where)
    body = {key: value for key, value in body.items() if value != []}
    record = engine.collections["zones", "instances"].make(engine, path, body, engine.now)
    record.body["status"] = "PROVISIONING"
    mark_changed(record)
    return record


def start(engine: Engine, record: Record) -> None:
    """Let it boot: it is staged, and runs a moment later."""
    record.body["status"] = "PROVISIONING"
    record.body["lastStartTimestamp"] = render_compute_time(engine.now)

    def go_on(before: str, status: str) -> None:
        if is_there(engine, record) and record.body["status"] == before:
            record.body["status"] = status

    engine.agenda.add(engine.now + STAGING_SECONDS, lambda: go_on("PROVISIONING", "STAGING"))
    engine.agenda.add(engine.now + RUNNING_SECONDS, lambda: go_on("STAGING", "RUNNING"))


def end(engine: Engine, record: Record) -> None:
    """It is off."""
    record.body["status"] = "TERMINATED"
    record.body["lastStopTimestamp"] = render_compute_time(engine.now)


def remove(engine: Engine, record: Record) -> None:
    """It is gone, with the disks that go with it."""
    if not is_there(engine, record):
        return
    engine.store.remove(record.path)
    engine.consoles.pop(record.path, None)
    for disk in record.body["disks"]:
        if disk.get("autoDelete"):
            engine.store.remove(shorten(disk["source"]))


def is_there(engine: Engine, record: Record) -> bool:
    return engine.store.find(record.path) is record


def check_supply(engine: Engine, project: str, zone: str, machine_type: str, given: Mapping[str, Any]) -> None:
    """Refuse what there is no capacity or no quota for."""
    check_quota(engine, project, region_of(f"zones/{zone}"), need(machine_type, given))
    engine.market.check(machine_type, project, zone, is_spot=properties.is_spot_vm(given))


def mark_changed(record: Record) -> None:
    """Give an instance its fingerprint."""
    told = {key: value for key, value in record.body.items() if key not in ("fingerprint", "status")}
    record.body["fingerprint"] = make_fingerprint(told)


def describe_metadata(items: list[Body]) -> Body:
    pairs = [{"key": item["key"], "value": item["value"]} for item in items]
    described: Body = {"kind": "compute#metadata", "fingerprint": make_fingerprint(pairs)}
    return {**described, "items": pairs} if pairs else described


def describe_tags(items: list[str]) -> Body:
    return {"fingerprint": make_fingerprint(items), **({"items": list(items)} if items else {})}


# Its parts


def find_accounts(engine: Engine, project: str, given: Mapping[str, Any]) -> list[Body]:
    found = []
    for each in given.get("serviceAccounts") or []:
        email = engine.projects.default_account(project) if each["email"] == "default" else each["email"]
        if not engine.has_account(email):
            message = f"The resource '{email}' of type 'serviceAccount' was not found."
            raise ApiError(404, message, "notFound", code="RESOURCE_NOT_FOUND")
        found.append({"email": email, "scopes": list(each.get("scopes") or [])})
    return found


def find_policies(
    engine: Engine, project: str, zone: str, kind: MachineType, given: Mapping[str, Any], where: str
) -> list[str]:
    region, links = region_of(f"zones/{zone}"), []
    for each in given.get("resourcePolicies") or []:
        text = each if "/" in each else f"projects/{project}/regions/{region}/resourcePolicies/{each}"
        path = parse_reference(text, project, "resourcePolicies", f"{where}.resourcePolicies")
        record = find_ready(engine, path)
        if record.place != f"regions/{region}":
            raise invalid(f"{where}.resourcePolicies", each, "It must be of the region of the instance.")
        if "groupPlacementPolicy" in record.body and not kind.family.can_be_close:
            message = f"Machine type {kind.name} is not supported by placement policies."
            raise ApiError(400, message, "invalid", code="UNSUPPORTED_OPERATION")
        links.append(record.link)
    return links


def list_cards(kind: MachineType, project: str, zone: str, given: Mapping[str, Any]) -> list[Body]:
    """Those that are added, and those that come with the type."""
    base = f"{BASE}projects/{project}/zones/{zone}/acceleratorTypes/"
    asked = given.get("guestAccelerators") or []
    cards = [(each["acceleratorType"].rpartition("/")[2], each["acceleratorCount"]) for each in asked]
    if kind.accelerator and not cards:
        cards = [(kind.accelerator[0].name, kind.accelerator[1])]
    return [{"acceleratorType": base + name, "acceleratorCount": count} for name, count in cards]


def make_interfaces(engine: Engine, project: str, zone: str, asked: list[Body], where: str) -> list[Body]:
    made: list[Body] = []
    for index, each in enumerate(asked):
        field = f"{where}.networkInterfaces[{index}]"
        subnet = find_subnet(engine, project, zone, each, field)
        network = shorten(subnet.body["network"])
        if any(shorten(other["network"]) == network for other in made):
            raise invalid(field, each, "Interfaces of an instance must be of different networks.")
        interface = {
            "kind": "compute#networkInterface",
            "name": f"nic{index}",
            "stackType": "IPV4_ONLY",
            **{key: value for key, value in each.items() if key in ("nicType", "queueCount")},
            "network": subnet.body["network"],
            "subnetwork": subnet.link,
            "networkIP": take_internal(engine, subnet, each.get("networkIP"), f"{field}.networkIP"),
        }
        configs = [
            make_access(engine, project, zone, config, f"{field}.accessConfigs[0]")
            for config in each.get("accessConfigs") or []
        ]
        if len(configs) > 1:
            raise invalid(f"{field}.accessConfigs", len(configs), "At most one access config is allowed.")
        if configs:
            interface["accessConfigs"] = configs
        made.append({**interface, "fingerprint": make_fingerprint(interface)})
    return made


def find_subnet(engine: Engine, project: str, zone: str, asked: Body, field: str) -> Record:
    region = region_of(f"zones/{zone}")
    if asked.get("subnetwork"):
        path = parse_reference(asked["subnetwork"], project, "subnetworks", f"{field}.subnetwork")
        subnet = find_ready(engine, path)
        if subnet.place != f"regions/{region}":
            raise invalid(f"{field}.subnetwork", asked["subnetwork"], "It must be of the region of the instance.")
        if asked.get("network"):
            network = parse_reference(asked["network"], project, "networks", f"{field}.network")
            if network != shorten(subnet.body["network"]):
                raise invalid(f"{field}.network", asked["network"], "The subnetwork is not of this network.")
        return subnet
    network = find_ready(engine, parse_reference(asked["network"], project, "networks", f"{field}.network"))
    if not network.body["autoCreateSubnetworks"]:
        raise invalid(
            f"{field}.subnetwork",
            "",
            "Network interface must specify a subnet if the network resource is in custom subnet mode.",
        )
    return find_ready(engine, f"projects/{network.project}/regions/{region}/subnetworks/{network.name}")


def take_internal(engine: Engine, subnet: Record, asked: str | None, field: str) -> str:
    """An address for an interface: the one that is asked for, which may be reserved but not in use, or the next."""
    if not asked:
        return address_space.take_next(engine, subnet)
    address = address_space.check_inside(asked, subnet, field)
    if address in address_space.list_internal(engine, subnet, with_reserved=False):
        raise address_space.in_use(address)
    return address


def make_access(engine: Engine, project: str, zone: str, asked: Body, field: str) -> Body:
    """An external address: a reserved one that nothing has, or any."""
    tier = asked.get("networkTier", "PREMIUM")
    config = {"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": asked.get("name") or "External NAT"}
    wanted = asked.get("natIP")
    if not wanted:
        return {**config, "natIP": address_space.take_external(engine), "networkTier": tier}
    region = region_of(f"zones/{zone}")
    for address in engine.store.select("addresses", project, f"regions/{region}"):
        if address.body["addressType"] == "EXTERNAL" and address.body["address"] == wanted:
            if any(True for _ in list_users(engine, address)):
                raise address_space.in_use(wanted)
            return {**config, "natIP": wanted, "networkTier": tier}
    raise invalid(f"{field}.natIP", wanted, "The specified external IP address was not found in this region.")


def make_disks(engine: Engine, path: str, kind: MachineType, asked: list[Body], where: str) -> list[Body]:
    """Attach what is there, and make what is not."""
    fields = [f"{where}.disks[{index}]" for index in range(len(asked))]
    planned = [plan_disk(engine, path, kind, disk, index, fields[index]) for index, disk in enumerate(asked)]
    attached = []
    for index, (disk, (disk_path, body)) in enumerate(zip(asked, planned, strict=True)):
        if body is not None:
            record = engine.collections["zones", "disks"].make(engine, disk_path, body, engine.now)
            record.is_ready = True
            record.body["status"] = "READY"
        else:
            record = engine.require(disk_path)
        attached.append(
            {
                "kind": "compute#attachedDisk",
                "index": index,
                "type": "PERSISTENT",
                "mode": disk.get("mode", "READ_WRITE"),
                "source": record.link,
                "deviceName": disk.get("deviceName") or f"persistent-disk-{index}",
                "boot": bool(disk.get("boot")),
                "autoDelete": bool(disk.get("autoDelete")),
                "interface": disk.get("interface") or ("NVME" if kind.family.name in catalog.GVNIC_ONLY else "SCSI"),
                "diskSizeGb": record.body["sizeGb"],
                "architecture": record.body.get("architecture", "X86_64"),
            }
        )
    return attached


def plan_disk(
    engine: Engine, path: str, kind: MachineType, asked: Body, index: int, field: str
) -> tuple[str, Body | None]:
    """The path of a disk, and what it will be if it is not there yet."""
    project, zone, name = path.split("/")[1], path.split("/")[3], path.rpartition("/")[2]
    if asked.get("source"):
        disk = find_ready(engine, parse_reference(asked["source"], project, "disks", f"{field}.source"))
        for user in list_disk_users(engine, disk):
            raise in_use("disk", disk.path, user.path)
        properties.check_disk(kind, disk.body["type"].rpartition("/")[2])
        return disk.path, None
    initial = asked["initializeParams"]
    own_name = initial.get("diskName") or (name if index == 0 else f"{name}-{index}")
    disk_path = f"projects/{project}/zones/{zone}/disks/{own_name}"
    if engine.store.find(disk_path) is not None:
        raise already_exists(disk_path)
    kind_of_disk = initial.get("diskType") or "pd-standard"
    if "/" not in kind_of_disk:
        kind_of_disk = f"projects/{project}/zones/{zone}/diskTypes/{kind_of_disk}"
    size = initial.get("diskSizeGb") or asked.get("diskSizeGb")
    wanted = {
        "type": kind_of_disk,
        **{key: initial[key] for key in ("sourceImage", "labels", "description") if initial.get(key)},
        **({"sizeGb": size} if size else {}),
    }
    body = describe_disk(engine, project, zone, wanted, f"{field}.initializeParams")
    properties.check_disk(kind, body["type"].rpartition("/")[2])
    if asked.get("boot"):
        properties.check_architecture(kind, body.get("architecture", ""))
    check_range(int(body["sizeGb"]), 1, 65536, f"{field}.initializeParams.diskSizeGb")
    return disk_path, body
