"""What the arguments of every cloud's components have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from daskfleet_stacks.spec.cloud import EVERYONE, CloudWorkerGroup

EVERYWHERE = "0.0.0.0/0"


def build_group_args(group: CloudWorkerGroup) -> dict[str, Any]:
    """A component's arguments for a worker group."""
    args: dict[str, Any] = {
        "name": group.name,
        "instance_types": list(group.instance_types),
        "count": group.count,
        "spot": group.spot,
        "volume_gib": group.volume_size,
        "placement": group.placement,
    }
    if group.threads != "auto":
        args["threads"] = group.threads
    if group.memory_limit != "auto":
        args["memory_limit"] = group.memory_limit
    if group.resources:
        args["resources"] = dict(group.resources)
    return args


def spell_cidrs(cidrs: Iterable[str]) -> list[str]:
    """The networks that are let in, with the word for everyone as the network that it is."""
    return [EVERYWHERE if each == EVERYONE else each for each in cidrs]
