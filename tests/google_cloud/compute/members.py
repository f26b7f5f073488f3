"""The instances of a managed group, as the group sees them."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from typing import Any

from google_cloud.compute.engine_type import Engine
from google_cloud.compute.store import BASE, Record
from google_cloud.errors import ApiError

Body = dict[str, Any]

NAME_LETTERS = string.ascii_lowercase + string.digits
MOST_ERRORS = 100


@dataclass
class Member:
    """One managed instance, which may not be there yet."""

    name: str
    zone: str
    template: str
    """Path."""
    machine_type: str
    joined: int
    """The later it joined, the greater."""
    action: str = "CREATING"
    number: str = ""
    """Id of its instance, when there is one."""
    errors: list[ApiError] = field(default_factory=list)
    """What its last attempt came to."""
    retry: float = 0.0
    """When it is tried again."""
    is_settled: bool = False
    """Whether an instance of it has been there: it comes again in the same zone."""
    health: str = ""
    """`UNHEALTHY` when somebody says so."""


@dataclass
class Members:
    """All of a group."""

    known: list[Member] = field(default_factory=list)
    joined: int = 0
    errors: list[Body] = field(default_factory=list)
    """What `listErrors` tells."""

    def find(self, zone: str, name: str) -> Member | None:
        return next((each for each in self.known if (each.zone, each.name) == (zone, name)), None)

    @property
    def lasting(self) -> list[Member]:
        """All but those that are going."""
        return [each for each in self.known if each.action not in ("DELETING", "ABANDONING")]

    def add_error(self, error: Body) -> None:
        self.errors = [*self.errors, error][-MOST_ERRORS:]


def find_members(group: Record) -> Members:
    members: Members = group.notes.setdefault("members", Members())
    return members


def instance_path(group: Record, member: Member) -> str:
    return f"projects/{group.project}/zones/{member.zone}/instances/{member.name}"


def find_instance(engine: Engine, group: Record, member: Member) -> Record | None:
    """Its instance: another one of its name does not count."""
    record = engine.store.find(instance_path(group, member))
    return record if record is not None and record.body["id"] == member.number else None


def make_name(group: Record, members: Members) -> str:
    taken = {each.name for each in members.known}
    while True:
        suffix = "".join(random.choices(NAME_LETTERS, k=4))
        if (name := f"{group.body['baseInstanceName']}-{suffix}") not in taken:
            return name


def describe_member(engine: Engine, group: Record, member: Member) -> Body:
    """As `listManagedInstances` tells it."""
    instance = find_instance(engine, group, member)
    told: Body = {
        "instance": BASE + instance_path(group, member),
        "name": member.name,
        "currentAction": member.action,
        "lastAttempt": {},
        "version": {"instanceTemplate": BASE + member.template},
    }
    if member.errors:
        errors = [{"code": error.code, "message": error.message} for error in member.errors]
        told["lastAttempt"] = {"errors": {"errors": errors}}
    if instance is not None:
        told |= {"id": instance.body["id"], "instanceStatus": instance.body["status"]}
    if group.body.get("instanceFlexibilityPolicy"):
        told["propertiesFromFlexibilityPolicy"] = {"machineType": member.machine_type}
    for healing in group.body.get("autoHealingPolicies") or []:
        if instance is not None and healing.get("healthCheck"):
            is_up = instance.body["status"] == "RUNNING"
            state = member.health or ("HEALTHY" if is_up else "UNKNOWN")
            told["instanceHealth"] = [{"healthCheck": healing["healthCheck"], "detailedHealthState": state}]
    return told
