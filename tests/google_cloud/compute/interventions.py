"""What happens to instances without anybody's request to Compute Engine."""

from __future__ import annotations

from google_cloud.compute import launching
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.members import find_members
from google_cloud.compute.properties import is_spot_vm
from google_cloud.compute.store import Record
from google_cloud.errors import ApiError

PREEMPTION_SECONDS = 30.0
"""https://cloud.google.com/compute/docs/instances/spot#preemption-process"""
RUNS = ("PROVISIONING", "STAGING", "RUNNING")
STATES = ("HEALTHY", "UNHEALTHY", "TIMEOUT", "UNKNOWN", "DRAINING")


def power_off(engine: Engine, instance: Record) -> None:
    """Its machine has ended."""
    if instance.is_going:
        return
    if instance.notes.get("preempted") and take(engine, instance):
        return
    launching.end(engine, instance)


def preempt(engine: Engine, instance: Record, seconds: float | None = None) -> None:
    """Google takes it away."""
    if not is_spot_vm(instance.body):
        raise ApiError(400, f"{instance.path} is no Spot VM", "invalid")
    if instance.is_going or instance.body["status"] not in RUNS:
        raise ApiError(400, f"{instance.path} is {instance.body['status']}", "resourceNotReady")
    instance.body["status"] = "STOPPING"
    instance.notes["preempted"] = True
    engine.operations.begin(
        instance,
        "compute.instances.preempted",
        engine.now,
        lambda: finish_preemption(engine, instance),
        user="system",
        seconds=PREEMPTION_SECONDS if seconds is None else seconds,
        message="Instance was preempted.",
    )


def finish_preemption(engine: Engine, instance: Record) -> None:
    is_waiting = launching.is_there(engine, instance) and instance.body["status"] == "STOPPING"
    if is_waiting and not take(engine, instance):
        launching.end(engine, instance)


def take(engine: Engine, instance: Record) -> bool:
    """Delete it if its scheduling says so; whether it does."""
    if instance.body["scheduling"].get("instanceTerminationAction") != "DELETE":
        return False
    launching.remove(engine, instance)
    return True


def set_health(engine: Engine, instance: Record, state: str) -> None:
    """What a health check has found."""
    if state not in STATES:
        raise ApiError(400, f"state: {state!r} is none of {', '.join(STATES)}")
    for group in engine.store.select("instanceGroupManagers"):
        for member in find_members(group).known:
            if member.number == instance.body["id"]:
                if not group.body.get("autoHealingPolicies"):
                    raise ApiError(400, f"{group.path} has no health check")
                member.health = state
                return
    raise ApiError(400, f"{instance.path} is of no managed group")


def retry(engine: Engine) -> None:
    """What could not be made is tried again at once."""
    for group in engine.store.select("instanceGroupManagers"):
        for member in find_members(group).known:
            member.retry = 0.0
