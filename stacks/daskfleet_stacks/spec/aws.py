"""The spec of a fleet in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from daskfleet_stacks.spec.base import SpecModel
from daskfleet_stacks.spec.cloud import (
    UNSUPPORTED,
    CloudAccess,
    CloudFleetSpec,
    CloudWorkerGroup,
    Volume,
    check_network_cidr,
    find_access_conflicts,
    find_image_conflicts,
    find_network_conflicts,
    fits,
    shown,
)
from daskfleet_stacks.spec.fields import Name
from daskfleet_stacks.spec.groups import find_group_conflicts
from daskfleet_stacks.spec.problems import Problem

REGION = r"[a-z]{2}(-[a-z]+)+-\d"
INSTANCE_TYPE = r"[a-z0-9][a-z0-9-]*\.[a-z0-9-]+"
BUCKET = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?]*)?"
VPC = r"vpc-[0-9a-f]{8,17}"
SUBNET = r"subnet-[0-9a-f]{8,17}"
IMAGE = r"ami-[0-9a-f]{8,17}"
OWNER = r"self|\d{12}"
MIN_PREFIX, MAX_PREFIX = 16, 22


Region = Annotated[str, fits(REGION, "name of a region", "give one such as eu-west-1"), shown(REGION, "eu-west-1")]
InstanceType = Annotated[
    str,
    fits(INSTANCE_TYPE, "name of an instance type", "give one such as m7i.large"),
    shown(INSTANCE_TYPE, "m7i.large"),
]
Location = Annotated[
    str, fits(BUCKET, "location of S3", "give s3://bucket or s3://bucket/prefix"), shown(BUCKET, "s3://bucket/prefix")
]
VpcId = Annotated[
    str,
    fits(VPC, "identifier of a VPC", "give one such as vpc-0a1b2c3d4e5f60718"),
    shown(VPC, "vpc-0a1b2c3d4e5f60718"),
]
SubnetId = Annotated[
    str,
    fits(SUBNET, "identifier of a subnet", "give one such as subnet-0a1b2c3d4e5f60718"),
    shown(SUBNET, "subnet-0a1b2c3d4e5f60718"),
]
ImageId = Annotated[
    str,
    fits(IMAGE, "identifier of an image", "give one such as ami-0a1b2c3d4e5f60718"),
    shown(IMAGE, "ami-0a1b2c3d4e5f60718"),
]
Owner = Annotated[str, fits(OWNER, "account", "give its twelve digits, or self"), shown(OWNER, "self")]
NetworkCidr = Annotated[
    str,
    check_network_cidr(MIN_PREFIX, MAX_PREFIX, "a VPC of this size cannot be shared between zones"),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/16"]}),
]


class AwsScheduler(SpecModel):
    """The scheduler's machine."""

    instance_type: InstanceType = "m7i.large"
    """Its instance type. A scheduler uses one core, and some memory for each task that is waiting."""
    volume_size: Volume = 20
    """GiB of its disk, which is encrypted."""


class AwsWorkerGroup(CloudWorkerGroup):
    """Machines of one kind, that grow and shrink together: an Auto Scaling group."""

    instance_types: tuple[InstanceType, ...] = Field(min_length=1)
    """Instance types, first choice first: `[m7i.2xlarge, m6i.2xlarge]`. All of one architecture; all with GPUs or
    none."""
    placement: Literal["zones", "cluster"] = "zones"
    """`zones`: over the network's zones; `cluster`: close together in one of them, a cluster placement group, for tasks
    that exchange much data."""


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


class AwsFleetSpec(CloudFleetSpec):
    """A fleet in AWS: machines in a VPC."""

    UNSUPPORTED: ClassVar[dict[str, str]] = UNSUPPORTED

    provider: Literal["aws"]
    """`aws`: in Amazon's cloud."""
    region: Region
    """Region of AWS: `eu-west-1`."""
    scheduler: AwsScheduler = Field(default_factory=AwsScheduler)
    """The scheduler."""
    workers: tuple[AwsWorkerGroup, ...] = Field(min_length=1)
    """The worker groups, at least one."""
    access: CloudAccess = Field(default_factory=CloudAccess)
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
            *find_access_conflicts(data.get("access")),
            *find_network_conflicts(data.get("network"), {"cidr": "10.0.0.0/16", "zones": 2, "egress": "nat"}),
            *_find_image_conflicts(data.get("image")),
        ]


def _find_image_conflicts(image: Any) -> list[Problem]:
    problems = find_image_conflicts(image, ("family", "id", "name", "ssm_parameter"))
    if isinstance(image, Mapping) and image.get("owner") is not None and image.get("name") is None:
        reason = "an owner goes with a name"
        problems.append(
            Problem(("image", "owner"), reason, "give the image's name, or leave it out", image["owner"], True)
        )
    return problems
