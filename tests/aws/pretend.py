"""Nodes that only pretend: for each machine that a region without machines has, the marks that its node would write."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aws.region import Region

LIFE = ("kernel", "booted", "document", "secrets", "daemon", "registered")
POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Pretended:
    """One machine."""

    fleet: str
    group: str
    """`scheduler` or the worker group."""
    node: str

    @property
    def stream(self) -> str:
        return f"{self.group}/{self.node}"


Story = Callable[[Pretended], list[dict[str, Any]]]
"""The marks of a machine, without their times."""


def lives(machine: Pretended) -> list[dict[str, Any]]:
    """All goes well."""
    worker = {} if machine.group == "scheduler" else {"worker": f"{machine.node}-0"}
    return [{"phase": phase, **(worker if phase == "registered" else {})} for phase in LIFE]


@contextlib.contextmanager
def pretend_nodes(region: Region, story: Story = lives) -> Iterator[None]:
    """Have every machine that is launched meanwhile tell its story once."""
    stop, told = threading.Event(), set[str]()

    def run() -> None:
        while not stop.wait(POLL_SECONDS):
            for instance_id, machine in _find_machines(region):
                if instance_id not in told:
                    told.add(instance_id) if _tell(region, machine, story) else None

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _find_machines(region: Region) -> Iterator[tuple[str, Pretended]]:
    answer = region.call(
        "ec2", "describe_instances", Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    )
    for reservation in answer["Reservations"]:
        for each in reservation["Instances"]:
            tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])}
            if "daskfleet:fleet" in tags:
                node = f"ip-{each['PrivateIpAddress'].replace('.', '-')}"
                yield (
                    each["InstanceId"],
                    Pretended(tags["daskfleet:fleet"], tags.get("daskfleet:group", "scheduler"), node),
                )


def _tell(region: Region, machine: Pretended, story: Story) -> bool:
    logs = region.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/daskfleet/{machine.fleet}/")["logGroups"]
    marks = story(machine)
    if not groups or not marks:
        return not marks
    where = {"logGroupName": groups[0]["logGroupName"], "logStreamName": machine.stream}
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(**where)
    now = time.time()
    lines = [json.dumps({**mark, "time": now}) for mark in marks]
    events = [{"timestamp": int(now * 1000), "message": line} for line in [*lines, "INFO daskfleet.node: hello"]]
    logs.put_log_events(**where, logEvents=events)
    return True
