"""What the specs of fleets in every cloud have in common: their groups, who is let in, and how values are checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from daskfleet_stacks.spec.base import FleetSpec, SpecModel
from daskfleet_stacks.spec.fields import Instances, Memory, Name, Resources, Threads, refuse
from daskfleet_stacks.spec.problems import Problem

LATER = "is not available yet; leave it out"

UNSUPPORTED = {
    "lifetime": f"stopping by itself {LATER}, and stop the fleet with `daskfleet down`",
    "environment": "machines hold what their image holds; make one by `daskfleet image build --environment FILE`",
    "scheduler.port": "in a cloud the scheduler has a machine of its own and listens at 8786; leave it out",
    "scheduler.dashboard_port": "in a cloud the scheduler has a machine of its own; leave it out",
    "hosts": "the machines of a cloud are made, not listed; say under workers how many",
}
"""What no cloud can do, or this version in none."""

EVERYONE = "everyone"
"""Stands for the whole internet, which nobody opens by a slip of the keyboard."""


def fits(pattern: str, what: str, remedy: str) -> BeforeValidator:
    """Text that fits a pattern."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise refuse(f"this is no {what}", remedy)
        return value

    return BeforeValidator(check)


def shown(pattern: str, example: str) -> WithJsonSchema:
    """The same, for editors."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


def check_cidr(value: Any) -> str:
    """Validate an IPv4 network that is to be let in. `0.0.0.0/0` needs a word of its own."""
    if value == EVERYONE:
        return EVERYONE
    try:
        network = ipaddress.IPv4Network(value) if isinstance(value, str) else None
    except ValueError as error:
        raise refuse(f"this is no IPv4 network: {error}", "give one such as 198.51.100.7/32") from None
    if network is None:
        raise refuse("an IPv4 network is text", "give one such as 198.51.100.7/32")
    if network.prefixlen == 0:
        raise refuse(
            "this lets the whole internet knock at the scheduler",
            f"give the networks that your clients are in; or, if it is meant, the word {EVERYONE}",
        )
    return str(network)


def check_network_cidr(least: int, most: int, reason: str) -> BeforeValidator:
    """The addresses of a network of the fleet's own, with a prefix of so many bits."""

    def check(value: Any) -> str:
        remedy = f"give one with a prefix of {least} to {most} bits, such as 10.0.0.0/16"
        try:
            network = ipaddress.IPv4Network(value) if isinstance(value, str) else None
        except ValueError as error:
            raise refuse(f"this is no IPv4 network: {error}", remedy) from None
        if network is None or not least <= network.prefixlen <= most:
            raise refuse(reason, remedy)
        return str(network)

    return BeforeValidator(check)


Cidr = Annotated[
    str, BeforeValidator(check_cidr), WithJsonSchema({"type": "string", "examples": ["198.51.100.7/32", EVERYONE]})
]
MAX_VOLUME = 16_384
Volume = Annotated[int, Field(ge=10, le=MAX_VOLUME)]
"""GiB; an image takes about 5."""


class CloudWorkerGroup(SpecModel):
    """Machines of one kind, that grow and shrink together."""

    name: Name
    """Name of the group, unique in the fleet."""
    instance_types: tuple[str, ...] = Field(min_length=1)
    """Types of machines, first choice first. All of one architecture; all with GPUs or none."""
    count: Instances = 1
    """Instances that the group begins with; `daskfleet scale`, or `up` with another number, changes it. Each runs one
    worker, where it has GPUs one for each of them."""
    spot: Literal["never", "only", "fallback"] = "never"
    """`never`: on-demand; `only`: spot, cheaper, and taken back at any time; `fallback`: spot, and on-demand for what
    the spot market has not."""
    threads: Threads = "auto"
    """Threads of each worker; `auto` shares the machine's cores among its workers."""
    memory_limit: Memory = "auto"
    """Memory of each worker (`4GiB`); `0` is no limit; `auto` shares the machine's memory among its workers."""
    resources: Resources = {}
    """Dask resources of each worker, for tasks that ask for them; workers with a GPU have `{GPU: 1}` if nothing is
    given."""
    volume_size: Volume = 50
    """GiB of each machine's disk, which is encrypted; Dask spills to it."""
    placement: Literal["zones", "cluster"] = "zones"
    """`zones`: over the zones; `cluster`: close together in one of them, for tasks that exchange much data."""


class CloudFleetSpec(FleetSpec):
    """What the specs of all clouds have."""

    region: str
    """Region of the cloud."""

    @property
    def account(self) -> str:
        """The project that the fleet is in, in a cloud that has projects; empty where the credentials say it."""
        return ""


class CloudAccess(SpecModel):
    """Who may connect to the scheduler."""

    mode: Literal["private", "direct", "ssh"] = "private"
    """`private`: nothing is opened; `direct`: the scheduler's port is open to `allowed_cidrs`; `ssh`: clients in
    `allowed_cidrs` come through a tunnel, with a key of the fleet's own, and the dashboard is there too."""
    allowed_cidrs: tuple[Cidr, ...] = ()
    """IPv4 networks that clients are in. Where one of them is public, the scheduler gets a public address."""


def find_access_conflicts(access: Any) -> list[Problem]:
    """Networks that are let in where nothing is opened, and none where something is."""
    if not isinstance(access, Mapping):
        return []
    cidrs = access.get("allowed_cidrs")
    mode = access.get("mode", "private")
    if mode in ("direct", "ssh") and not cidrs:
        reason = f"with {mode} access clients reach the scheduler, and this says from nowhere"
        return [Problem(("access", "allowed_cidrs"), reason, "give the networks that your clients are in")]
    if mode == "private" and cidrs:
        reason = "with private access nothing is opened"
        return [Problem(("access", "allowed_cidrs"), reason, "leave it out, or give mode: ssh or direct", cidrs, True)]
    return []


def find_network_conflicts(network: Any, own: Mapping[str, Any]) -> list[Problem]:
    """A network that exists and what only one of the fleet's own can have, and the other way round.

    Args:
        own: the keys of a network of the fleet's own, with their defaults.
    """
    if not isinstance(network, Mapping):
        return []
    vpc, subnets = network.get("vpc"), network.get("subnets")
    problems = []
    if vpc is not None:
        if not subnets:
            remedy = "give at least one of its subnets"
            problems.append(Problem(("network", "subnets"), "an existing VPC needs the subnets to use", remedy))
        for key, default in own.items():
            value = network.get(key, default)
            if value != default:
                reason = "an existing VPC is used as it is"
                problems.append(Problem(("network", key), reason, "leave it out", value, True))
    elif subnets:
        reason = "without an existing VPC the fleet makes its own subnets"
        problems.append(Problem(("network", "subnets"), reason, "give their vpc, or leave it out", subnets, True))
    return problems


def find_image_conflicts(image: Any, keys: tuple[str, ...]) -> list[Problem]:
    """An image that is said by more than one of the keys."""
    if not isinstance(image, Mapping):
        return []
    given = [key for key in keys if image.get(key) is not None]
    return [
        Problem(("image", key), f"the image is already said by {given[0]}", "leave one of them out", image[key], True)
        for key in given[1:]
    ]
