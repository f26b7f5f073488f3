"""What happens to machines without anybody's request to Resource Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure_cloud.arm import DELETION
from azure_cloud.compute import launching, scale_set_control
from azure_cloud.compute.launching import EVICTION_SECONDS, KEEPS_CAPACITY, find_scale_set, is_there
from azure_cloud.compute.view import find_health
from azure_cloud.errors import conflict, invalid
from azure_cloud.operations import Operation
from azure_cloud.store import DELETING, SUCCEEDED, Record

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

STATES = ("Healthy", "Unhealthy", "Unknown", "Initializing", "Busy")
OFF = ("stopped", "deallocated")


def power_off(cloud: Cloud, machine: Record) -> None:
    """Its machine has ended: it is stopped, or gone if it was evicted or is being deleted."""
    if machine.state == DELETING:
        operation: Operation | None = machine.notes.get(DELETION)
        if operation is not None:
            operation.run(cloud.now)
        else:
            destroy(cloud, machine)
        return
    if not is_there(cloud, machine) or machine.notes.get("power") in OFF:
        return
    if machine.notes.get("evicting"):
        take(cloud, machine)
        return
    machine.notes["power"] = "stopped"


def evict(cloud: Cloud, machine: Record, seconds: float | None = None) -> None:
    """Azure takes it away, after so many seconds."""
    if machine.properties.get("priority") != "Spot":
        message = f"The VM {machine.name} is no Azure Spot Virtual Machine."
        raise conflict("OperationNotAllowed", message)
    if machine.state != SUCCEEDED or machine.notes.get("power") != "running":
        raise conflict("OperationNotAllowed", f"The VM {machine.name} does not run.")
    machine.notes["evicting"] = True
    wait = EVICTION_SECONDS if seconds is None else seconds
    cloud.agenda.add(cloud.now + wait, lambda: take(cloud, machine))


def take(cloud: Cloud, machine: Record) -> None:
    """What its eviction policy says comes to be: it is deallocated, or deleted with one less in its scale set.

    https://learn.microsoft.com/azure/virtual-machine-scale-sets/use-spot#eviction-policy
    """
    if not is_there(cloud, machine) or not machine.notes.pop("evicting", False):
        return
    if machine.properties.get("evictionPolicy", "Deallocate") == "Deallocate":
        machine.notes["power"] = "deallocated"
        return
    owner = find_scale_set(cloud, machine)
    restores = owner is not None and bool((owner.properties.get("spotRestorePolicy") or {}).get("enabled"))
    machine.notes[KEEPS_CAPACITY] = restores
    destroy(cloud, machine)
    if owner is not None and restores:
        scale_set_control.restore(cloud, owner)


def destroy(cloud: Cloud, machine: Record) -> None:
    """It goes at once."""
    cloud.store.remove(machine.id)
    launching.clean_up(cloud, machine)


def set_health(cloud: Cloud, machine: Record, state: str) -> None:
    """What its extension for health has found."""
    if state not in STATES:
        raise invalid(f"state: {state!r} is none of {', '.join(STATES)}")
    if find_health(cloud, machine) is None:
        raise invalid(f"{machine.id} has no extension for health")
    owner = find_scale_set(cloud, machine)
    assert owner is not None
    machine.notes["health"] = state
    policy = owner.properties.get("automaticRepairsPolicy") or {}
    if state == "Unhealthy" and policy.get("enabled"):
        grace = scale_set_control.parse_minutes(policy.get("gracePeriod", "PT10M")) * 60.0
        wait = grace if cloud.pace.grace is None else cloud.pace.grace
        cloud.agenda.add(max(machine.created + wait, cloud.now), lambda: repair(cloud, owner, machine))


def repair(cloud: Cloud, owner: Record, machine: Record) -> None:
    """Another machine in its place, if it is still unwell."""
    if not is_there(cloud, machine) or machine.notes.get("health") != "Unhealthy":
        return
    action = (owner.properties.get("automaticRepairsPolicy") or {}).get("repairAction", "Replace")
    if action != "Replace":
        machine.notes["health"] = ""
        return
    machine.notes[KEEPS_CAPACITY] = True
    destroy(cloud, machine)
    scale_set_control.fill(cloud, owner)
