"""What EC2's resource types share: filters, what is in use, and by whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from typing import Any

from stand_ins.aws.call import Call
from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem

IN_USE = ("DependencyViolation",)


MADE_WITH_INSTANCE = "Primary network interface"
"""How moto describes it."""


def filters(**values: str) -> list[dict[str, Any]]:
    """The parameter by which EC2 narrows a description: `vpc_id=…` is the filter `vpc-id`."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def find_interfaces(call: Call, **values: str) -> list[dict[str, Any]]:
    """The network interfaces that are left where something is to go."""
    found = call.ec2.describe_network_interfaces(Filters=filters(**values))["NetworkInterfaces"]
    # An instance takes the interface along that was made with it. In moto it stays.
    holders = {item.get("Attachment", {}).get("InstanceId") for item in found} - {None}
    ended = holders - find_alive(call, holders)
    return [
        item
        for item in found
        if item.get("Attachment", {}).get("InstanceId") not in ended or item.get("Description") != MADE_WITH_INSTANCE
    ]


def find_alive(call: Call, instances: Collection[str]) -> set[str]:
    """Those of `instances` that have not ended."""
    if not instances:
        return set()
    narrow = [{"Name": "instance-id", "Values": sorted(instances)}]
    return {
        instance["InstanceId"]
        for reservation in call.ec2.describe_instances(Filters=narrow)["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    }


def is_attached(call: Call, interface: Properties) -> bool:
    """Whether an instance holds it; to moto, one that has ended holds it for ever."""
    instance = interface.get("Attachment", {}).get("InstanceId")
    return bool(instance) and find_instance(call, instance) is not None


def find_instance(call: Call, id_: str) -> dict[str, Any] | None:
    """An instance that has not ended, or not been forgotten yet."""
    reservation = call.find_one(call.ec2.describe_instances, "Reservations", InstanceIds=[id_])
    instance = reservation["Instances"][0] if reservation else None
    return None if instance is None or instance["State"]["Name"] == "terminated" else instance


def check_blocks(given: Properties, *names: str, shortest: int = 0, longest: int = 128) -> Iterator[Problem]:
    """Blocks of addresses, which have to be whole ones: `10.0.0.1/24` is none."""
    for name in names:
        if not is_known(given.get(name)):
            continue
        try:
            network = ipaddress.ip_network(given[name])
        except ValueError as error:
            yield Problem(name, f"{given[name]!r} is not a valid CIDR block: {error}")
        else:
            if not shortest <= network.prefixlen <= longest:
                yield Problem(name, f"expected {given[name]!r} to have a prefix between /{shortest} and /{longest}")
