"""The spec of a fleet in Google Cloud."""

from __future__ import annotations

import re
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

REGION = r"[a-z]+-[a-z]+\d+"
ZONE = rf"{REGION}-[a-z]"
PROJECT = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
MACHINE_TYPE = r"[a-z][a-z0-9]*-[a-z0-9-]*[a-z0-9]"
ACCELERATOR = r"nvidia-[a-z0-9-]*[a-z0-9]"
BUCKET = r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[^*?\"\\]*)?"
RESOURCE = r"[a-z]([-a-z0-9]*[a-z0-9])?"
NETWORK = rf"projects/{PROJECT}/global/networks/{RESOURCE}"
SUBNET = rf"projects/{PROJECT}/regions/{REGION}/subnetworks/{RESOURCE}"
LABEL = r"[a-z0-9_-]{0,63}"
MIN_PREFIX, MAX_PREFIX = 8, 29

Region = Annotated[
    str, fits(REGION, "name of a region", "give one such as europe-west1"), shown(REGION, "europe-west1")
]
Zone = Annotated[str, fits(ZONE, "name of a zone", "give one such as europe-west1-b"), shown(ZONE, "europe-west1-b")]
Project = Annotated[
    str, fits(PROJECT, "id of a project", "give one such as climate-dask-1234"), shown(PROJECT, "climate-dask-1234")
]
MachineType = Annotated[
    str,
    fits(MACHINE_TYPE, "name of a machine type", "give one such as n2-standard-8"),
    shown(MACHINE_TYPE, "n2-standard-8"),
]
AcceleratorType = Annotated[
    str,
    fits(ACCELERATOR, "type of an NVIDIA GPU", "give one such as nvidia-tesla-t4"),
    shown(ACCELERATOR, "nvidia-tesla-t4"),
]
Location = Annotated[
    str,
    fits(BUCKET, "location of Cloud Storage", "give gs://bucket or gs://bucket/prefix"),
    shown(BUCKET, "gs://bucket/prefix"),
]
NetworkName = Annotated[
    str,
    fits(NETWORK, "name of a network", "give one such as projects/host-project/global/networks/shared"),
    shown(NETWORK, "projects/host-project/global/networks/shared"),
]
SubnetName = Annotated[
    str,
    fits(SUBNET, "name of a subnet", "give one such as projects/host-project/regions/europe-west1/subnetworks/dask"),
    shown(SUBNET, "projects/host-project/regions/europe-west1/subnetworks/dask"),
]
ImageName = Annotated[
    str,
    fits(RESOURCE, "name of an image", "give one such as daskfleet-202611240930-x86-64"),
    shown(RESOURCE, "daskfleet-202611240930-x86-64"),
]
NetworkCidr = Annotated[
    str,
    check_network_cidr(MIN_PREFIX, MAX_PREFIX, "a subnet cannot have this size"),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/16"]}),
]


class GcpScheduler(SpecModel):
    """The scheduler's machine."""

    instance_type: MachineType = "e2-standard-2"
    """Its machine type. A scheduler uses one core, and some memory for each task that is waiting."""
    volume_size: Volume = 20
    """GiB of its disk, which is encrypted."""


class GcpAccelerator(SpecModel):
    """GPUs that are added to each machine of a group."""

    type: AcceleratorType
    """Such as `nvidia-tesla-t4`."""
    count: Annotated[int, Field(ge=1, le=16)] = 1
    """On each machine."""


class GcpWorkerGroup(CloudWorkerGroup):
    """Machines of one kind, that grow and shrink together: a regional managed instance group."""

    instance_types: tuple[MachineType, ...] = Field(min_length=1)
    """Machine types, first choice first: `[n2-standard-8, n2d-standard-8]`. All of one architecture; all with GPUs or
    none."""
    placement: Literal["zones", "cluster"] = "zones"
    """`zones`: over the region's zones; `cluster`: close together in one of them, by a compact placement policy, for
    tasks that exchange much data."""
    accelerator: GcpAccelerator | None = None
    """GPUs that are added to each machine: for N1, whose types come with none, as those of G2 and A2 do."""


class GcpNetwork(SpecModel):
    """The network: one of the fleet's own, or one that exists."""

    cidr: NetworkCidr = "10.0.0.0/16"
    """Addresses of the network's one subnet."""
    egress: Literal["nat", "public-ip", "none"] = "nat"
    """How machines reach the internet: through Cloud NAT, public addresses of their own, or not at all. Google's own
    services are reached in any case."""
    vpc: NetworkName | None = None
    """A network that exists, also that of a shared VPC; nothing of it is changed but for the fleet's firewall rules."""
    subnets: tuple[SubnetName, ...] = Field(default=(), max_length=1)
    """Its subnet for the machines, in the fleet's region; private Google access should be on."""


class GcpImage(SpecModel):
    """The image that machines boot; without any key the family `daskfleet`, with GPUs `daskfleet-gpu`."""

    family: Name | None = None
    """Family that `daskfleet image build` made; the newest that fits the architecture and your versions is taken."""
    name: ImageName | None = None
    """Name of an image."""
    project: Project | None = None
    """Project that the image, or the family, is in; the fleet's if not given."""


class GcpData(SpecModel):
    """What machines may read and write with their own service accounts."""

    read: tuple[Location, ...] = ()
    """Locations that they may read: `gs://bucket/prefix`. With a prefix the bucket needs uniform access."""
    write: tuple[Location, ...] = ()
    """Locations that they may read and write."""


class GcpFleetSpec(CloudFleetSpec):
    """A fleet in Google Cloud: machines in a network."""

    UNSUPPORTED: ClassVar[dict[str, str]] = {
        **UNSUPPORTED,
        "network.zones": "a subnet of Google's is in all zones of its region, and machines are where there are some; "
        "leave it out, or name some under zones",
        "image.id": "images of Google's have names; give image.name, and image.project",
        "image.owner": "images of Google's are of a project; give image.project",
        "image.ssm_parameter": "Google has no such parameters; give image.family",
    }

    provider: Literal["gcp"]
    """`gcp`: in Google Cloud."""
    project: Project | None = None
    """Project that the fleet is in; if not given, that of your credentials or of `GOOGLE_CLOUD_PROJECT`."""
    region: Region
    """Region of Google Cloud: `europe-west1`."""
    zones: tuple[Zone, ...] = ()
    """Zones of the region that machines may be in; all of them if nothing is given."""
    scheduler: GcpScheduler = Field(default_factory=GcpScheduler)
    """The scheduler."""
    workers: tuple[GcpWorkerGroup, ...] = Field(min_length=1)
    """The worker groups, at least one."""
    access: CloudAccess = Field(default_factory=CloudAccess)
    """Who may connect to the scheduler from outside of the fleet."""
    network: GcpNetwork = Field(default_factory=GcpNetwork)
    """The network."""
    image: GcpImage = Field(default_factory=GcpImage)
    """The image."""
    data: GcpData = Field(default_factory=GcpData)
    """Buckets that tasks use."""

    @property
    def account(self) -> str:
        """The project, where the spec says it."""
        return self.project or ""

    @classmethod
    def find_conflicts(cls, data: Mapping[str, Any]) -> list[Problem]:
        """Worker groups that cannot be beside each other, and keys that contradict one another."""
        return [
            *find_group_conflicts(data.get("workers")),
            *find_access_conflicts(data.get("access")),
            *find_network_conflicts(data.get("network"), {"cidr": "10.0.0.0/16", "egress": "nat"}),
            *_find_subnet_conflicts(data.get("network"), data.get("region")),
            *_find_zone_conflicts(data.get("zones"), data.get("region")),
            *find_image_conflicts(data.get("image"), ("family", "name")),
            *_find_tag_conflicts(data.get("tags")),
        ]


def _find_subnet_conflicts(network: Any, region: Any) -> list[Problem]:
    """A subnet of another region than the fleet's."""
    subnets = network.get("subnets") if isinstance(network, Mapping) else None
    if not isinstance(subnets, list | tuple):
        return []
    return [
        Problem(("network", "subnets", index), f"this subnet is not in {region}", "give one that is", subnet, True)
        for index, subnet in enumerate(subnets)
        if isinstance(subnet, str) and re.fullmatch(SUBNET, subnet) and f"/regions/{region}/" not in subnet
    ]


def _find_zone_conflicts(zones: Any, region: Any) -> list[Problem]:
    """Zones of another region than the fleet's."""
    return [
        Problem(("zones", index), f"this zone is not in {region}", "give one that is", zone, True)
        for index, zone in enumerate(zones if isinstance(zones, list | tuple) else ())
        if isinstance(zone, str) and re.fullmatch(ZONE, zone) and zone[:-2] != region
    ]


def _find_tag_conflicts(tags: Any) -> list[Problem]:
    """Tags that cannot be labels."""
    if not isinstance(tags, Mapping):
        return []
    reason = "a label of Google's holds lower-case letters, digits, hyphens and underscores"
    return [
        Problem(("tags", str(key)), reason, f"give one such as '{_suggest_label(text)}'", text, True)
        for key, text in tags.items()
        if isinstance(text, str) and not re.fullmatch(LABEL, text)
    ]


def _suggest_label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")[:63] or "climate"
