"""The spec of a fleet on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from daskfleet_stacks.spec.base import FleetSpec, SpecModel
from daskfleet_stacks.spec.fields import Count, Memory, Name, Port, Resources, Threads
from daskfleet_stacks.spec.groups import find_group_conflicts
from daskfleet_stacks.spec.ports import find_port_conflicts
from daskfleet_stacks.spec.problems import Problem

_LATER = "is not available yet; leave it out"


class LocalScheduler(SpecModel):
    """The scheduler of a fleet on this machine. It listens on the loopback interface only."""

    port: Port = "auto"
    """Port of the scheduler, which it keeps for the fleet's life; `auto` is 8786, or a free one if that is taken."""
    dashboard_port: Port = "auto"
    """Port of the dashboard; `auto` is 8787, or a free one if that is taken."""


class LocalWorkerGroup(SpecModel):
    """Workers of one kind, that grow and shrink together."""

    name: Name
    """Name of the group, unique in the fleet."""
    count: Count = "auto"
    """Number of workers, each a process; `auto` fills the machine as `LocalCluster` does, and is for a single group."""
    threads: Threads = "auto"
    """Threads of each worker; `auto` shares the machine's cores among all workers of the fleet."""
    memory_limit: Memory = "auto"
    """Memory of each worker (`4GiB`): near it, Dask spills to disk, then restarts the worker; `0` is no limit; `auto`
    is the machine's memory times the worker's share of its cores."""
    resources: Resources = {}
    """Dask resources of each worker, for tasks that ask for them: `{GPU: 1}`."""


class LocalFleetSpec(FleetSpec):
    """A fleet on this machine: processes of the user who started it."""

    UNSUPPORTED: ClassVar[dict[str, str]] = {
        "region": "a local fleet is on this machine; leave it out",
        "access": "a local fleet is reached from this machine only, through the loopback interface; leave it out",
        "data": "local workers read and write with your own credentials and files; leave it out",
        "lifetime": f"stopping by itself {_LATER}, and stop the fleet with `daskfleet down`",
        "environment": "local workers use the Python that ran `daskfleet up`; leave it out",
        "image": "a local fleet is made of processes, and nothing boots an image; leave it out",
        "scheduler.instance_type": "a local fleet is made of processes, not instances; leave it out",
        "workers[].instance_types": "a local fleet is made of processes, not instances; give threads and memory_limit",
        "workers[].spot": "a local fleet has no spot market; leave it out",
    }

    provider: Literal["local"] = "local"
    """`local`: on this machine."""
    scheduler: LocalScheduler = Field(default_factory=LocalScheduler)
    """The scheduler."""
    workers: tuple[LocalWorkerGroup, ...] = Field(default=(LocalWorkerGroup(name="cpu"),), min_length=1)
    """The worker groups, at least one."""

    @classmethod
    def find_conflicts(cls, data: Mapping[str, Any]) -> list[Problem]:
        """Ports that are the same, and worker groups that cannot be beside each other."""
        groups = data.get("workers")
        return [
            *find_port_conflicts(data.get("scheduler")),
            *find_group_conflicts(groups),
            *_find_auto_conflicts(groups),
        ]


def _find_auto_conflicts(groups: Any) -> list[Problem]:
    if not isinstance(groups, list | tuple) or len(groups) < 2:
        return []
    reason = "with more than one group, 'auto' does not say which of them fills the machine"
    return [
        Problem(("workers", index, "count"), reason, "give a number", "auto", True)
        for index, group in enumerate(groups)
        if isinstance(group, Mapping) and group.get("count", "auto") == "auto"
    ]
