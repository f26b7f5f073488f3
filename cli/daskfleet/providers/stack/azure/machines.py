"""The machines of a fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daskfleet.azure import Azure, Refused, explain_azure_errors
from daskfleet.providers.stack.azure.places import (
    GROUP,
    INTERFACES,
    MACHINES,
    ROLE,
    SCALE_SETS,
    Place,
    parse_time,
    read_tag,
)
from daskfleet.providers.stack.cloud import Machine, MachineState

POWER: dict[str, MachineState] = {
    "creating": "starting",
    "starting": "starting",
    "running": "running",
    "stopping": "stopping",
    "deallocating": "stopping",
    "stopped": "gone",
    "deallocated": "gone",
}
"""Azure's states of what is switched on, and ours."""

VIEW = {"$expand": "instanceView"}


def list_machines(azure: Azure, place: Place) -> list[Machine]:
    """The machines of the fleet. Those that are gone are not told any more.

    Some calls for the fleet and one for each worker group, whatever the number of machines: Azure tells of the machines
    of a scale set at once how they are, and of those of a resource group not.
    """
    with explain_azure_errors(), ThreadPoolExecutor(max_workers=8) as pool:
        addresses = pool.submit(lambda: read_addresses(_list_here(azure, place.list_of(INTERFACES))))
        schedulers = pool.submit(lambda: list(_list_schedulers(azure, place)))
        scale_sets = _list_here(azure, place.list_of(SCALE_SETS))
        members = pool.map(lambda each: list_members(azure, str(each["id"])), scale_sets)
        found = [
            (machine, read_tag(scale_set, GROUP))
            for scale_set, several in zip(scale_sets, members, strict=True)
            for machine in several
        ]
        known = [*((machine, None) for machine in schedulers.result()), *found]
        return [read_machine(machine, group, addresses.result()) for machine, group in known]


def _list_here(azure: Azure, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """A listing of the fleet's resource group; nothing where that is gone."""
    try:
        return list(azure.list(path, query))
    except Refused as error:
        if error.is_missing:
            return []
        raise


def list_members(azure: Azure, scale_set: str) -> list[dict[str, Any]]:
    """The machines of a scale set, with how each is at this moment."""
    group = scale_set.partition("/providers/")[0]
    query = {**VIEW, "$filter": f"'virtualMachineScaleSet/id' eq '{scale_set}'"}
    return _list_here(azure, f"{group}/providers/{MACHINES}", query)


def _list_schedulers(azure: Azure, place: Place) -> Iterator[dict[str, Any]]:
    query = {"$filter": f"tagName eq '{ROLE}' and tagValue eq 'scheduler'"}
    for each in _list_here(azure, f"{place.id}/resources", query):
        if str(each["type"]).lower() == MACHINES.lower():
            machine = azure.find(str(each["id"]), VIEW)
            if machine is not None:
                yield machine


def read_addresses(interfaces: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The private addresses of machines, by their identifiers in lower case. Pure."""
    found = {}
    for each in interfaces:
        properties = each.get("properties") or {}
        owner = str((properties.get("virtualMachine") or {}).get("id") or "").lower()
        configurations = (part.get("properties") or {} for part in properties.get("ipConfigurations") or ())
        address = next((str(part["privateIPAddress"]) for part in configurations if part.get("privateIPAddress")), "")
        if owner and address:
            found[owner] = address
    return found


def read_machine(machine: Mapping[str, Any], group: str | None, addresses: Mapping[str, str]) -> Machine:
    """A machine as Azure tells of it. Pure.

    Args:
        group: its worker group; `None` is the scheduler's machine.
    """
    properties = machine["properties"]
    state = read_state(machine)
    return Machine(
        id=str(machine["id"]),
        group=group,
        node=str((properties.get("osProfile") or {}).get("computerName") or machine["name"]),
        address=addresses.get(str(machine["id"]).lower(), ""),
        state=state,
        launched=parse_time(str(properties["timeCreated"])) if properties.get("timeCreated") else 0.0,
        reason=describe_failure(properties.get("instanceView") or {}) if state == "gone" else "",
    )


def read_state(machine: Mapping[str, Any]) -> MachineState:
    """How a machine is: by what it is switched to, where Azure tells it, and otherwise by how its making goes. Pure."""
    properties = machine.get("properties") or {}
    making = str(properties.get("provisioningState") or "").lower()
    if making == "deleting":
        return "stopping"
    statuses = (properties.get("instanceView") or {}).get("statuses") or ()
    codes = (str(each.get("code") or "").lower() for each in statuses)
    power = next((code.removeprefix("powerstate/") for code in codes if code.startswith("powerstate/")), "")
    if power in POWER:
        return POWER[power]
    if making == "failed":
        return "gone"
    return "running" if making == "succeeded" and not statuses else "starting"


def describe_failure(view: Mapping[str, Any]) -> str:
    """`AllocationFailed: We do not …` of what is told of a machine or a scale set; empty where all is well. Pure."""
    for each in view.get("statuses") or ():
        kind, failed, code = str(each.get("code") or "").partition("/failed")
        if failed and kind == "ProvisioningState":
            parts = [code.strip("/"), str(each.get("message") or "")]
            return ": ".join(filter(None, parts)) or str(each.get("displayStatus") or "it failed")
    return ""


def read_scale_set(machine: Mapping[str, Any]) -> str:
    """The identifier of the scale set that a machine is of; empty where it is of none. Pure."""
    return str(((machine.get("properties") or {}).get("virtualMachineScaleSet") or {}).get("id") or "")


def read_console(azure: Azure, machine: Machine) -> list[str]:
    """The end of what the machine wrote to its serial port.

    Azure tells an address, which whoever has it may read: it is told nobody.
    """
    with explain_azure_errors():
        try:
            answer = azure.ask("POST", f"{machine.id}/retrieveBootDiagnosticsData")
        except Refused as error:
            if error.is_missing or error.status == 409:  # It is gone, or keeps none.
                return []
            raise
        address = str(answer.get("serialConsoleLogBlobUri") or "")
        try:
            text = azure.send("GET", address, "").content.decode(errors="replace") if address else ""
        except (Refused, OSError):  # Nothing has been written yet; what is said otherwise may hold the address.
            return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]
