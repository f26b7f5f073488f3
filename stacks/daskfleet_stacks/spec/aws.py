"""The spec of a fleet in AWS."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from daskfleet_stacks.spec.base import FleetSpec, SpecModel
from daskfleet_stacks.spec.fields import Instances, Memory, Name, Resources, Threads, refuse
from daskfleet_stacks.spec.groups import find_group_conflicts
from daskfleet_stacks.spec.problems import Problem

_LATER = "is not available yet; leave it out"

REGION = r"[a-z]{2}(-[a-z]+)+-\d"
INSTANCE_TYPE = r"[a-z0-9][a-z0-9-]*\.[a-z0-9-]+"
BUCKET = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?]*)?"
EVERYONE = "everyone"
"""Stands for the whole internet, which nobody opens by a slip of the keyboard."""

VPC = r"vpc-[0-9a-f]{8,17}"
SUBNET = r"subnet-[0-9a-f]{8,17}"
IMAGE = r"ami-[0-9a-f]{8,17}"
OWNER = r"self|\d{12}"
MIN_PREFIX, MAX_PREFIX = 16, 22


def _fits(pattern: str, what: str, remedy: str) -> BeforeValidator:
    """Text that fits a pattern."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise refuse(f"this is no {what}", remedy)
        return value

    return BeforeValidator(check)


def _shown(pattern: str, example: str) -> WithJsonSchema:
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


def check_network_cidr(value: Any) -> str:
    """Validate the addresses of a VPC."""
    remedy = f"give one with a prefix of {MIN_PREFIX} to {MAX_PREFIX} bits, such as 10.0.0.0/16"
    try:
        network = ipaddress.IPv4Network(value) if isinstance(value, str) else None
    except ValueError as error:
        raise refuse(f"this is no IPv4 network: {error}", remedy) from None
    if network is None or not MIN_PREFIX <= network.prefixlen <= MAX_PREFIX:
        raise refuse("a VPC of this size cannot be shared between zones", remedy)
    return str(network)


Region = Annotated[str, _fits(REGION, "name of a region", "give one such as eu-west-1"), _shown(REGION, "eu-west-1")]
InstanceType = Annotated[
    str,
    _fits(INSTANCE_TYPE, "name of an instance type", "give one such as m7i.large"),
    _shown(INSTANCE_TYPE, "m7i.large"),
]
Location = Annotated[
    str, _fits(BUCKET, "location of S3", "give s3://bucket or s3://bucket/prefix"), _shown(BUCKET, "s3://bucket/prefix")
]
VpcId = Annotated[
    str,
    _fits(VPC, "identifier of a VPC", "give one such as vpc-0a1b2c3d4e5f60718"),
    _shown(VPC, "vpc-0a1b2c3d4e5f60718"),
]
SubnetId = Annotated[
    str,
    _fits(SUBNET, "identifier of a subnet", "give one such as subnet-0a1b2c3d4e5f60718"),
    _shown(SUBNET, "subnet-0a1b2c3d4e5f60718"),
]
ImageId = Annotated[
    str,
    _fits(IMAGE, "identifier of an image", "give one such as ami-0a1b2c3d4e5f60718"),
    _shown(IMAGE, "ami-0a1b2c3d4e5f60718"),
]
Owner = Annotated[str, _fits(OWNER, "account", "give its twelve digits, or self"), _shown(OWNER, "self")]
Cidr = Annotated[
    str, BeforeValidator(check_cidr), WithJsonSchema({"type": "string", "examples": ["198.51.100.7/32", EVERYONE]})
]
NetworkCidr = Annotated[
    str, BeforeValidator(check_network_cidr), WithJsonSchema({"type": "string", "examples": ["10.0.0.0/16"]})
]
Volume = Annotated[int, Field(ge=10, le=16_384)]
"""GiB; an image takes about 5."""


class AwsScheduler(SpecModel):
    """The scheduler's machine."""

    instance_type: InstanceType = "m7i.large"
    """Its instance type. A scheduler uses one core, and some memory for each task that is waiting."""
    volume_size: Volume = 20
    """GiB of its disk, which is encrypted."""


class AwsWorkerGroup(SpecModel):
    """Machines of one kind, that grow and shrink together: an Auto Scaling group."""

    name: Name
    """Name of the group, unique in the fleet."""
    instance_types: tuple[InstanceType, ...] = Field(min_length=1)
    """Instance types, first choice first: `[m7i.2xlarge, m6i.2xlarge]`. All of one architecture; all with GPUs or
    none."""
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
    """`zones`: over the network's zones; `cluster`: close together in one of them, a cluster placement group, for tasks
    that exchange much data."""


class AwsAccess(SpecModel):
    """Who may connect to the scheduler."""

    mode: Literal["private", "direct", "ssh"] = "private"
    """`private`: nothing is opened; `direct`: the scheduler's port is open to `allowed_cidrs`; `ssh`: clients in
    `allowed_cidrs` come through a tunnel, with a key of the fleet's own, and the dashboard is there too."""
    allowed_cidrs: tuple[Cidr, ...] = ()
    """IPv4 networks that clients are in. Where one of them is public, the scheduler gets a public address."""


class AwsNetwork(SpecModel):
    """The network: a VPC of the fleet's own, or one that exists."""

    cidr: NetworkCidr = "10.0.0.0/16"
    """Addresses of the VPC."""
    zones: Annotated[int, Field(ge=1, le=3)] = 2
    """Availability zones."""
    egress: Literal["nat", "nat-per-zone", "public-ip", "none"] = "nat"
    """How machines reach the internet: through one NAT gateway, one in each zone, public addresses of their own, or not
    at all."""
    vpc: VpcId | None = None
    """A VPC that exists; nothing of it is changed."""
    subnets: tuple[SubnetId, ...] = ()
    """Its subnets for the machines; the scheduler is in the first."""


class AwsImage(SpecModel):
    """The image that machines boot; without any key the family `daskfleet`, with GPUs `daskfleet-gpu`."""

    family: Name | None = None
    """Family that `daskfleet image build` made; the newest that fits the architecture and your versions is taken."""
    id: ImageId | None = None
    """Identifier of an image."""
    name: str | None = Field(default=None, min_length=1, max_length=128)
    """Name of an image, which may hold `*`; the newest is taken."""
    owner: Owner | None = None
    """Account that the image called `name` is of; this one if not given."""
    ssm_parameter: str | None = Field(default=None, min_length=1, max_length=2048)
    """Name of a parameter of SSM that holds the identifier."""


class AwsData(SpecModel):
    """What machines may read and write with their own role."""

    read: tuple[Location, ...] = ()
    """Locations that they may read: `s3://bucket/prefix`."""
    write: tuple[Location, ...] = ()
    """Locations that they may read and write."""


class AwsFleetSpec(FleetSpec):
    """A fleet in AWS: machines in a VPC."""

    UNSUPPORTED: ClassVar[dict[str, str]] = {
        "lifetime": f"stopping by itself {_LATER}, and stop the fleet with `daskfleet down`",
        "environment": "machines hold what their image holds; make one by `daskfleet image build --environment FILE`",
        "scheduler.port": "in a cloud the scheduler has a machine of its own and listens at 8786; leave it out",
        "scheduler.dashboard_port": "in a cloud the scheduler has a machine of its own; leave it out",
    }

    provider: Literal["aws"]
    """`aws`: in Amazon's cloud."""
    region: Region
    """Region of AWS: `eu-west-1`."""
    scheduler: AwsScheduler = Field(default_factory=AwsScheduler)
    """The scheduler."""
    workers: tuple[AwsWorkerGroup, ...] = Field(min_length=1)
    """The worker groups, at least one."""
    access: AwsAccess = Field(default_factory=AwsAccess)
    """Who may connect to the scheduler from outside of the fleet."""
    network: AwsNetwork = Field(default_factory=AwsNetwork)
    """The network."""
    image: AwsImage = Field(default_factory=AwsImage)
    """The image."""
    data: AwsData = Field(default_factory=AwsData)
    """Buckets that tasks use."""

    @classmethod
    def find_conflicts(cls, data: Mapping[str, Any]) -> list[Problem]:
        """Worker groups that cannot be beside each other, and keys that contradict one another."""
        return [
            *find_group_conflicts(data.get("workers")),
            *_find_access_conflicts(data.get("access")),
            *_find_network_conflicts(data.get("network")),
            *_find_image_conflicts(data.get("image")),
        ]


def _find_access_conflicts(access: Any) -> list[Problem]:
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


def _find_network_conflicts(network: Any) -> list[Problem]:
    if not isinstance(network, Mapping):
        return []
    defaults = AwsNetwork()
    vpc, subnets = network.get("vpc"), network.get("subnets")
    problems = []
    if vpc is not None:
        if not subnets:
            remedy = "give at least one of its subnets"
            problems.append(Problem(("network", "subnets"), "an existing VPC needs the subnets to use", remedy))
        for key in ("cidr", "zones", "egress"):
            value = network.get(key, getattr(defaults, key))
            if value != getattr(defaults, key):
                reason = "an existing VPC is used as it is"
                problems.append(Problem(("network", key), reason, "leave it out", value, True))
    elif subnets:
        reason = "without an existing VPC the fleet makes its own subnets"
        problems.append(Problem(("network", "subnets"), reason, "give their vpc, or leave it out", subnets, True))
    return problems


def _find_image_conflicts(image: Any) -> list[Problem]:
    if not isinstance(image, Mapping):
        return []
    given = [key for key in ("family", "id", "name", "ssm_parameter") if image.get(key) is not None]
    problems = [
        Problem(("image", key), f"the image is already said by {given[0]}", "leave one of them out", image[key], True)
        for key in given[1:]
    ]
    if image.get("owner") is not None and "name" not in given:
        reason = "an owner goes with a name"
        problems.append(
            Problem(("image", "owner"), reason, "give the image's name, or leave it out", image["owner"], True)
        )
    return problems
