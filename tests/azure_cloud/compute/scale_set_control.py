"""What a scale set does to come to its capacity.

It tries when it is made or changed, and does not try again by itself what has failed.
https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-orchestration-modes
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from azure_cloud.compute import launching, profile
from azure_cloud.compute.catalog import MACHINES, SIZES, Budget, Size, open_budget
from azure_cloud.compute.launching import KEEPS_CAPACITY, MEMBERS, is_there
from azure_cloud.errors import AzureError, conflict
from azure_cloud.network.interfaces import NetworkInterfaces
from azure_cloud.store import CREATING, DELETING, FAILED, Record

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

Body = dict[str, Any]
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RESTORE_SECONDS = 0.2
INTERFACE = "Microsoft.Network/networkInterfaces"


def list_members(scale_set: Record) -> list[Record]:
    """Its machines, without those that are being deleted, oldest first."""
    members: dict[str, Record] = scale_set.notes.setdefault(MEMBERS, {})
    return [each for each in members.values() if each.state != DELETING]


def fill(cloud: Cloud, scale_set: Record) -> AzureError | None:
    """Come to the capacity; what stood against it, if anything did."""
    capacity = int(scale_set.body["sku"].get("capacity", 0))
    members = list_members(scale_set)
    for machine in choose_surplus(scale_set, members, len(members) - capacity):
        let_go(cloud, machine)
    budget, failure = open_budget(cloud, scale_set.location), None
    for _ in range(capacity - len(members)):
        try:
            create(cloud, scale_set, budget)
        except AzureError as error:
            failure = error
            break
    return failure


def choose_surplus(scale_set: Record, members: list[Record], count: int) -> list[Record]:
    """Those that go first: what has failed, what a mix of priorities has too many of, then the newest."""
    wanted = count_regular(scale_set, len(members) - max(count, 0))
    regular = [each for each in members if each.properties.get("priority") != "Spot"]
    regular.sort(key=lambda each: -each.notes["number"])
    extra = {each.id for each in regular[: max(len(regular) - wanted, 0)]}

    def rank(each: Record) -> tuple[bool, bool, int]:
        return (each.state != FAILED, each.id not in extra, -each.notes["number"])

    return sorted(members, key=rank)[: max(count, 0)]


def let_go(cloud: Cloud, machine: Record) -> None:
    machine.notes[KEEPS_CAPACITY] = True
    machine.state = DELETING

    def finish() -> None:
        if cloud.store.find(machine.id) is machine:
            cloud.store.remove(machine.id)
            launching.clean_up(cloud, machine)

    cloud.agenda.add(cloud.now + cloud.pace.find("DELETE", MACHINES), finish)


def restore(cloud: Cloud, scale_set: Record) -> None:
    """Try to have back what was evicted, again and again."""

    def attempt() -> None:
        is_whole = len(list_members(scale_set)) >= int(scale_set.body["sku"].get("capacity", 0))
        if cloud.store.find(scale_set.id) is scale_set and not is_whole and fill(cloud, scale_set) is not None:
            restore(cloud, scale_set)

    cloud.agenda.add(cloud.now + RESTORE_SECONDS, attempt)


# One machine


def create(cloud: Cloud, scale_set: Record, budget: Budget) -> None:
    """One machine more, of the first size that is to be had.

    Raises:
        AzureError: none is.
    """
    is_spot = choose_priority(scale_set)
    refused: AzureError | None = None
    for zone in order_zones(scale_set):
        for size in list_sizes(scale_set):
            if zone and zone not in size.find_zones(scale_set.location):
                continue
            try:
                profile.check_restricted(cloud, [size], scale_set.location)
                launching.check_supply(cloud, size, scale_set.location, [zone] if zone else [], is_spot=is_spot)
                budget.take(size, is_spot=is_spot)
            except AzureError as error:
                refused = refused or error
                continue
            launch(cloud, scale_set, size, zone, is_spot=is_spot)
            return
    raise refused or conflict("SkuNotAvailable", f"No size of {scale_set.name} is to be had in its zones.")


def choose_priority(scale_set: Record) -> bool:
    """Whether the next machine is a Spot machine.

    https://learn.microsoft.com/azure/virtual-machine-scale-sets/spot-priority-mix
    """
    if scale_set.properties["virtualMachineProfile"].get("priority") != "Spot":
        return False
    members = list_members(scale_set)
    regular = sum(each.properties.get("priority") != "Spot" for each in members)
    return bool(regular >= count_regular(scale_set, len(members) + 1))


def count_regular(scale_set: Record, count: int) -> int:
    """How many of so many machines of a scale set with Spot machines are to be no Spot machines."""
    policy = scale_set.properties.get("priorityMixPolicy") or {}
    base = min(int(policy.get("baseRegularPriorityCount", 0)), count)
    return base + (count - base) * int(policy.get("regularPriorityPercentageAboveBase", 0)) // 100


def order_zones(scale_set: Record) -> list[str]:
    """Zones, that with the fewest machines first; one that is empty where the scale set has none."""
    counts = Counter((each.body.get("zones") or [""])[0] for each in list_members(scale_set))
    return sorted(scale_set.body.get("zones") or [""], key=lambda zone: (counts[zone], zone))


def list_sizes(scale_set: Record) -> list[Size]:
    """Those that its machines may have, in the order of their ranks."""
    mix = scale_set.properties.get("skuProfile")
    if mix is None:
        return [SIZES[scale_set.body["sku"]["name"].lower()]]
    ranked = sorted(mix["vmSizes"], key=lambda each: each.get("rank", 0))
    return [SIZES[each["name"].lower()] for each in ranked]


def launch(cloud: Cloud, scale_set: Record, size: Size, zone: str, *, is_spot: bool) -> None:
    template = scale_set.given["properties"]["virtualMachineProfile"]
    number = cloud.count()
    members: dict[str, Record] = scale_set.notes.setdefault(MEMBERS, {})
    suffix = f"{cloud.random.getrandbits(32):08x}"
    name = f"{scale_set.name}_{suffix}"
    group = scale_set.id.rpartition("/providers/")[0]
    zones = {"zones": [zone]} if zone else {}
    id_, location = f"{group}/providers/{MACHINES}/{name}", scale_set.location
    found = profile.check_image(cloud, template["storageProfile"]["imageReference"], location, [size])
    identity = profile.describe_identity(cloud, scale_set.given.get("identity"), location)
    interface, option = add_interface(cloud, scale_set, template, group, suffix)
    given = render_machine(cloud, scale_set, template, size, interface, option, is_spot=is_spot) | zones
    body, disk = launching.describe(cloud, id_, given, *found, identity)
    machine = Record(id_, MACHINES, given, body, cloud.now, state=CREATING, changed=cloud.now)
    machine.notes["number"] = number
    members[id_.lower()] = machine
    launching.add(cloud, machine, disk)

    def finish() -> None:
        if is_there(cloud, machine) and machine.notes["power"] == "starting":
            launching.run(machine)

    cloud.agenda.add(cloud.now + cloud.pace.find("PUT", MACHINES), finish)


def add_interface(cloud: Cloud, scale_set: Record, template: Body, group: str, suffix: str) -> tuple[str, str]:
    """A network interface as the profile describes it; its identifier, and what becomes of it with its machine."""
    configuration = template["networkProfile"]["networkInterfaceConfigurations"][0]
    asked = configuration.get("properties") or {}
    parts = [
        {
            "name": part["name"],
            "properties": {key: value for key, value in (part.get("properties") or {}).items() if key in KEPT},
        }
        for part in asked["ipConfigurations"]
    ]
    names = ("enableAcceleratedNetworking", "enableIPForwarding", "networkSecurityGroup")
    id_ = f"{group}/providers/{INTERFACE}/{configuration['name']}-{suffix}"
    body = {
        "location": scale_set.location,
        "tags": configuration.get("tags") or {},
        "properties": {**{name: asked[name] for name in names if name in asked}, "ipConfigurations": parts},
    }
    NetworkInterfaces().create(cloud, id_, body)
    return id_, asked.get("deleteOption", "Delete")


KEPT = ("applicationSecurityGroups", "primary", "privateIPAddressVersion", "subnet")


def render_machine(
    cloud: Cloud, scale_set: Record, template: Body, size: Size, interface: str, option: str, *, is_spot: bool
) -> Body:
    """A machine's request, as if somebody had made it by itself."""
    system = {key: value for key, value in template["osProfile"].items() if key != "computerNamePrefix"}
    prefix = template["osProfile"]["computerNamePrefix"]
    ending = "".join(cloud.random.choices(LETTERS, k=6))
    storage = template["storageProfile"]
    disk = {"deleteOption": "Delete", **storage["osDisk"]}
    copied = (
        "billingProfile",
        "diagnosticsProfile",
        "scheduledEventsProfile",
        "securityProfile",
        "evictionPolicy",
        "priority",
    )
    properties = {name: template[name] for name in copied if name in template}
    if not is_spot:
        for name in ("priority", "evictionPolicy", "billingProfile"):
            properties.pop(name, None)
    placement = scale_set.properties.get("proximityPlacementGroup")
    return {
        "location": scale_set.location,
        "tags": dict(scale_set.body.get("tags") or {}),
        "properties": {
            **properties,
            **({"proximityPlacementGroup": placement} if placement else {}),
            "hardwareProfile": {"vmSize": size.name},
            "storageProfile": {"imageReference": storage["imageReference"], "osDisk": disk},
            "osProfile": {**system, "computerName": f"{prefix}{ending}"},
            "networkProfile": {
                "networkInterfaces": [{"id": interface, "properties": {"primary": True, "deleteOption": option}}]
            },
            "virtualMachineScaleSet": {"id": scale_set.id},
        },
    }


def parse_minutes(text: str) -> int:
    """Minutes of `PT30M` or `PT1H`; -1 when it is neither."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?", text)
    return int(found[1] or 0) * 60 + int(found[2] or 0) if found is not None else -1
