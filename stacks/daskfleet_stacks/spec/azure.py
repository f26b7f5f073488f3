"""The spec of a fleet in Azure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from daskfleet_stacks.spec.base import SpecModel
from daskfleet_stacks.spec.cloud import (
    MAX_VOLUME,
    UNSUPPORTED,
    CloudAccess,
    CloudFleetSpec,
    CloudWorkerGroup,
    check_network_cidr,
    find_access_conflicts,
    find_image_conflicts,
    find_network_conflicts,
    fits,
    shown,
)
from daskfleet_stacks.spec.fields import Name, refuse
from daskfleet_stacks.spec.groups import find_group_conflicts
from daskfleet_stacks.spec.problems import Problem

REGION = r"[a-z]+\d?"
GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VM_SIZE = r"Standard_[A-Z]+\d+(-\d+)?[a-z]*(_[A-Za-z0-9]+)*"
ACCOUNT = r"[a-z0-9]{3,24}"
CONTAINER = r"[a-z0-9$]([a-z0-9]|-(?=[a-z0-9])){2,62}"
LOCATION = rf"abfss?://{CONTAINER}@{ACCOUNT}\.dfs\.core\.windows\.net(/[^*?'\"\\]*)?"
GROUP = r"[-\w().]{0,89}[-\w()]"
RESOURCE = r"[A-Za-z0-9][\w.-]{0,79}"
NETWORK = rf"/subscriptions/{GUID}/resourceGroups/{GROUP}/providers/Microsoft\.Network/virtualNetworks/{RESOURCE}"
SUBNET = rf"{NETWORK}/subnets/{RESOURCE}"
GALLERY = rf"{GROUP}/{RESOURCE}"
MIN_PREFIX, MAX_PREFIX = 8, 27

_SOME_GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shared"
_SOME_NETWORK = f"{_SOME_GROUP}/providers/Microsoft.Network/virtualNetworks/shared"

Region = Annotated[str, fits(REGION, "name of a region", "give one such as westeurope"), shown(REGION, "westeurope")]
Subscription = Annotated[
    str,
    fits(GUID, "id of a subscription", "give one such as 11111111-2222-3333-4444-555555555555"),
    shown(GUID, "11111111-2222-3333-4444-555555555555"),
]
VmSize = Annotated[
    str, fits(VM_SIZE, "name of a VM size", "give one such as Standard_D8s_v5"), shown(VM_SIZE, "Standard_D8s_v5")
]
Location = Annotated[
    str,
    fits(
        LOCATION,
        "location of Azure's storage",
        "give abfs://container@account.dfs.core.windows.net, with /prefix or without",
    ),
    shown(LOCATION, "abfs://container@account.dfs.core.windows.net/prefix"),
]
NetworkId = Annotated[
    str,
    fits(NETWORK, "identifier of a virtual network", f"give one such as {_SOME_NETWORK}"),
    shown(NETWORK, _SOME_NETWORK),
]
SubnetId = Annotated[
    str,
    fits(SUBNET, "identifier of a subnet", f"give one such as {_SOME_NETWORK}/subnets/dask"),
    shown(SUBNET, f"{_SOME_NETWORK}/subnets/dask"),
]
Gallery = Annotated[
    str,
    fits(GALLERY, "compute gallery", "give RESOURCE_GROUP/GALLERY"),
    shown(GALLERY, "daskfleet-images/daskfleet"),
]
DefinitionName = Annotated[
    str,
    fits(RESOURCE, "name of an image definition", "give one such as climate-2026"),
    shown(RESOURCE, "climate-2026"),
]
AccountName = Annotated[
    str, fits(ACCOUNT, "name of a storage account", "give one such as climatedata"), shown(ACCOUNT, "climatedata")
]
GroupName = Annotated[str, fits(GROUP, "name of a resource group", "give one such as climate"), shown(GROUP, "climate")]
NetworkCidr = Annotated[
    str,
    check_network_cidr(MIN_PREFIX, MAX_PREFIX, "a fleet's network cannot have this size"),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/16"]}),
]


AzureVolume = Annotated[int, Field(ge=30, le=MAX_VOLUME)]


def _check_zone(value: Any) -> str:
    """Azure's zones are numbers, and it spells them as text."""
    zone = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if zone not in ("1", "2", "3"):
        raise refuse("this is no availability zone", "give 1, 2 or 3")
    return str(zone)


Zone = Annotated[str, BeforeValidator(_check_zone), WithJsonSchema({"enum": ["1", "2", "3", 1, 2, 3]})]


class AzureScheduler(SpecModel):
    """The scheduler's machine."""

    instance_type: VmSize = "Standard_D2s_v5"
    """Its VM size. A scheduler uses one core, and some memory for each task that is waiting."""
    volume_size: AzureVolume = 30
    """GiB of its disk, which is encrypted; 30 at least, as the image has."""


class AzureWorkerGroup(CloudWorkerGroup):
    """Machines of one kind, that grow and shrink together: a virtual machine scale set."""

    instance_types: tuple[VmSize, ...] = Field(min_length=1, max_length=5)
    """VM sizes, first choice first, five at most: `[Standard_D8s_v5, Standard_D8as_v5]`. All of one architecture; all
    with GPUs or none."""
    volume_size: AzureVolume = 50
    """GiB of each machine's disk, which is encrypted; 30 at least, as the image has. Dask spills to it."""
    placement: Literal["zones", "cluster"] = "zones"
    """`zones`: over the fleet's zones; `cluster`: close together in one, a proximity placement group, for tasks that
    exchange much data."""


class AzureNetwork(SpecModel):
    """The network: a virtual network of the fleet's own, or one that exists."""

    cidr: NetworkCidr = "10.0.0.0/16"
    """Addresses of the network's one subnet."""
    egress: Literal["nat", "public-ip", "none"] = "nat"
    """How machines reach the internet: through a NAT gateway, public addresses of their own, or not at all. Key Vault
    and storage are reached in any case."""
    vpc: NetworkId | None = None
    """A virtual network that exists, by its identifier; nothing of it is changed."""
    subnets: tuple[SubnetId, ...] = Field(default=(), max_length=1)
    """Its subnet for the machines, by its identifier."""


class AzureImage(SpecModel):
    """The image that machines boot; without any key the family `daskfleet`, with GPUs `daskfleet-gpu`."""

    family: Name | None = None
    """Family that `daskfleet image build` made; the newest that fits the architecture and your versions is taken."""
    name: DefinitionName | None = None
    """Name of an image definition; its newest version is taken."""
    gallery: Gallery | None = None
    """Compute gallery that it is in, `RESOURCE_GROUP/GALLERY`; `daskfleet-images/daskfleet` if not given."""


class AzureData(SpecModel):
    """What machines may read and write with their own identities."""

    read: tuple[Location, ...] = ()
    """Locations that they may read: `abfs://container@account.dfs.core.windows.net/prefix`."""
    write: tuple[Location, ...] = ()
    """Locations that they may read and write."""
    storage_accounts: dict[AccountName, GroupName] = {}
    """Resource groups of the storage accounts, by the accounts' names: `{climatedata: climate}`."""


class AzureFleetSpec(CloudFleetSpec):
    """A fleet in Azure: machines in a virtual network."""

    UNSUPPORTED: ClassVar[dict[str, str]] = {
        **UNSUPPORTED,
        "project": "Azure has subscriptions; give subscription",
        "network.zones": "a subnet of Azure's is in all zones of its region; leave it out, or name zones under zones",
        "image.id": "images of Azure's are in galleries; give image.gallery and image.name",
        "image.owner": "images of Azure's are in galleries; give image.gallery",
        "image.project": "images of Azure's are in galleries; give image.gallery",
        "image.ssm_parameter": "Azure has no such parameters; give image.family",
        "workers[].accelerator": "GPUs of Azure's come with their sizes; name one such as Standard_NC4as_T4_v3 under "
        "instance_types",
    }

    provider: Literal["azure"]
    """`azure`: in Microsoft's cloud."""
    subscription: Subscription | None = None
    """Subscription that the fleet is in; if not given, that of your credentials or of `ARM_SUBSCRIPTION_ID`."""
    region: Region
    """Region of Azure: `westeurope`."""
    zones: tuple[Zone, ...] = ()
    """Availability zones that machines are spread over, `[1, 2, 3]`; if nothing is given, Azure places them in the
    region as a whole."""
    scheduler: AzureScheduler = Field(default_factory=AzureScheduler)
    """The scheduler."""
    workers: tuple[AzureWorkerGroup, ...] = Field(min_length=1)
    """The worker groups, at least one."""
    access: CloudAccess = Field(default_factory=CloudAccess)
    """Who may connect to the scheduler from outside of the fleet."""
    network: AzureNetwork = Field(default_factory=AzureNetwork)
    """The network."""
    image: AzureImage = Field(default_factory=AzureImage)
    """The image."""
    data: AzureData = Field(default_factory=AzureData)
    """Containers that tasks use."""

    @property
    def account(self) -> str:
        return self.subscription or ""

    @classmethod
    def find_conflicts(cls, data: Mapping[str, Any]) -> list[Problem]:
        """Worker groups that cannot be beside each other, and keys that contradict one another."""
        return [
            *find_group_conflicts(data.get("workers")),
            *find_access_conflicts(data.get("access")),
            *find_network_conflicts(data.get("network"), {"cidr": "10.0.0.0/16", "egress": "nat"}),
            *_find_subnet_conflicts(data.get("network")),
            *find_image_conflicts(data.get("image"), ("family", "name")),
            *_find_data_conflicts(data.get("data")),
        ]


def _find_subnet_conflicts(network: Any) -> list[Problem]:
    """A subnet of another network than the one that is named."""
    if not isinstance(network, Mapping):
        return []
    vpc, subnets = network.get("vpc"), network.get("subnets")
    if not isinstance(vpc, str) or not re.fullmatch(NETWORK, vpc) or not isinstance(subnets, list | tuple):
        return []
    return [
        Problem(("network", "subnets", index), "this subnet is not of the network", "give one that is", subnet, True)
        for index, subnet in enumerate(subnets)
        if isinstance(subnet, str)
        and re.fullmatch(SUBNET, subnet)
        and not subnet.lower().startswith(f"{vpc.lower()}/subnets/")
    ]


def _find_data_conflicts(data: Any) -> list[Problem]:
    """Locations in storage accounts of which nothing says where they are."""
    if not isinstance(data, Mapping):
        return []
    known = data.get("storage_accounts")
    groups = known if isinstance(known, Mapping) else {}
    problems = []
    for key in ("read", "write"):
        locations = data.get(key)
        for index, location in enumerate(locations if isinstance(locations, list | tuple) else ()):
            if not isinstance(location, str) or not re.fullmatch(LOCATION, location):
                continue
            account = location.partition("@")[2].partition(".")[0]
            if account not in groups:
                reason = f"nothing says in which resource group the storage account {account} is"
                remedy = f"add `storage_accounts: {{{account}: RESOURCE_GROUP}}` under data"
                problems.append(Problem(("data", key, index), reason, remedy, location, True))
    return problems
