"""A whole fleet: resource group, network, firewall, identities, secrets, scheduler and worker groups under one roof."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.access import DASHBOARD_URL, check_mode, choose_hosts, is_public, render_connection
from daskfleet_components.azure.firewall import AzureFirewall
from daskfleet_components.azure.identity import AzureIdentity
from daskfleet_components.azure.image import AzureImage, ImageArgs
from daskfleet_components.azure.logs import AzureLogs
from daskfleet_components.azure.machines import LEAST_VOLUME_GIB
from daskfleet_components.azure.network import AzureNetwork, NetworkArgs
from daskfleet_components.azure.place import find_subscription, name_group
from daskfleet_components.azure.roles import READ_BLOBS, READ_SECRETS, assign
from daskfleet_components.azure.scheduler import AzureScheduler
from daskfleet_components.azure.secrets import AzureSecrets
from daskfleet_components.azure.sizes import describe_kind
from daskfleet_components.azure.worker_group import AzureWorkerGroup
from daskfleet_components.certificates import make_ssh_key
from daskfleet_components.groups import DEFAULT_VOLUME_GIB
from daskfleet_components.image_facts import check_same_versions
from daskfleet_components.kinds import InstanceKind
from daskfleet_components.naming import build_tags


class AzureFleetGroupArgs(TypedDict):
    """One worker group of a fleet."""

    name: str
    """Name of the group, unique in the fleet."""
    instance_types: list[str]
    """VM sizes, first choice first; all of one architecture, and all with GPUs or none. Five at most."""
    count: NotRequired[int]
    """Machines that the group begins with; 1 if not given."""
    spot: NotRequired[str]
    """`never`, the default, `only` or `fallback`."""
    threads: NotRequired[int]
    """Threads of each worker."""
    memory_limit: NotRequired[int]
    """Bytes of each worker."""
    resources: NotRequired[dict[str, float]]
    """Dask resources of each worker; on machines with GPUs `{GPU: 1}` if not given."""
    volume_gib: NotRequired[int]
    """Size of each machine's disk in GiB."""
    placement: NotRequired[str]
    """`zones`, the default: over the zones; `cluster`: close together in one."""


class AzureFleetNetworkArgs(TypedDict):
    """The network of a fleet: of its own, or one that exists."""

    cidr: NotRequired[str]
    """Addresses of its subnet."""
    egress: NotRequired[str]
    """`nat`, `public-ip` or `none`."""
    subnet: NotRequired[pulumi.Input[str]]
    """Identifier of a subnet that exists."""


class AzureFleetImageArgs(TypedDict):
    """Which image the machines boot."""

    gallery: NotRequired[str]
    """Compute gallery that it is in, `RESOURCE_GROUP/GALLERY`."""
    name: NotRequired[str]
    """Name of an image definition."""
    family: NotRequired[str]
    """Family of images of daskfleet."""


class FleetArgs(TypedDict):
    """What a fleet is."""

    fleet: str
    """Name of the fleet: lower-case letters, digits and hyphens."""
    location: str
    """Region of Azure: `westeurope`."""
    scheduler_instance_type: str
    """VM size of the scheduler."""
    groups: list[AzureFleetGroupArgs]
    """The worker groups."""
    scheduler_volume_gib: NotRequired[int]
    """Size of the scheduler's disk in GiB, 30 at least."""
    zones: NotRequired[list[str]]
    """Availability zones that machines are spread over, `["1", "2", "3"]`; the region as a whole if not given."""
    network: NotRequired[AzureFleetNetworkArgs]
    """The network."""
    access: NotRequired[str]
    """Who reaches the scheduler from outside of the fleet: `private`, the default, nobody; `direct`, clients of
    `allowed_cidrs`; `ssh`, those of them with the fleet's key, through a tunnel."""
    allowed_cidrs: NotRequired[list[str]]
    """IPv4 networks that may reach the scheduler. Where one is public, the scheduler gets a public address."""
    image: NotRequired[AzureFleetImageArgs]
    """The image."""
    versions: NotRequired[dict[str, str]]
    """What an image of a family must hold, by `python`, `dask`, `distributed` and `cloudpickle`; needed, unless
    an image is named."""
    read: NotRequired[list[str]]
    """Locations that the machines may read: `abfs://container@account.dfs.core.windows.net/prefix`."""
    write: NotRequired[list[str]]
    """Locations that the machines may write."""
    storage_accounts: NotRequired[dict[str, str]]
    """Resource groups of the storage accounts in `read` and `write`, by the accounts' names."""
    operator: NotRequired[str]
    """Object id of who may read the fleet's logs and its connection, besides those whom other roles let do so."""
    operator_type: NotRequired[str]
    """What the operator is: `User`, the default, `ServicePrincipal` or `Group`."""
    tags: NotRequired[dict[str, str]]
    """Tags of everything that has any, besides the fleet's own."""


class _Place(TypedDict):
    """What the arguments of all components begin with."""

    fleet: str
    resource_group: pulumi.Input[str]
    location: str
    tags: dict[str, str]


class _Common(_Place):
    """What the arguments of all machines have."""

    subnet: pulumi.Input[str]
    security_group: pulumi.Input[str]
    vault: pulumi.Input[str]
    log: pulumi.Input[str]
    versions: Any
    ssh_key: pulumi.Input[str]


class AzureFleet(pulumi.ComponentResource):
    """A Dask scheduler and its worker groups in Azure, with everything that they and a client need.

    All of it is in a resource group of its own, but for roles on data that is elsewhere.
    """

    scheduler_address: pulumi.Output[str]
    """Address for clients: `tls://host:8786`."""
    dashboard_url: pulumi.Output[str]
    """The dashboard, as seen from the scheduler's machine."""
    tls_ca_file: pulumi.Output[str]
    """Certificate of the fleet's authority, PEM."""
    tls_client_cert: pulumi.Output[str]
    """A client's certificate, PEM."""
    tls_client_key: pulumi.Output[str]
    """A client's private key, PEM; a secret."""
    access_mode: pulumi.Output[str]
    """How the address is reached."""
    ssh_host: pulumi.Output[str]
    """Where SSH leads to, with access by SSH; otherwise empty."""
    ssh_key: pulumi.Output[str]
    """The private key for it, in the format of OpenSSH; a secret."""
    versions: pulumi.Output[dict[str, str]]
    """What the nodes run."""
    resource_group: pulumi.Output[str]
    """Name of the fleet's resource group."""
    log: pulumi.Output[str]
    """The container with the nodes' logs, `https://ACCOUNT.blob.core.windows.net/logs`."""
    vault: pulumi.Output[str]
    """The vault with the fleet's secrets, `https://NAME.vault.azure.net`."""
    connection_secret: pulumi.Output[str]
    """The secret that a client with credentials of Azure reads the connection from, by its identifier."""
    network: pulumi.Output[str]
    """The virtual network."""
    scheduler_instance: pulumi.Output[str]
    """The scheduler's machine."""
    scale_sets: pulumi.Output[dict[str, str]]
    """Each worker group's scale set."""
    workers_per_instance: pulumi.Output[dict[str, int]]
    """Workers on each machine, by group."""

    def __init__(self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureFleet", name, {}, opts)
        self._name = name
        self._args = args
        fleet, location, tags = args["fleet"], args["location"], args.get("tags", {})
        self._mode = check_mode(name, args.get("access", "private"))
        cidrs = args.get("allowed_cidrs", [])
        public = any(is_public(cidr) for cidr in cidrs)
        child = pulumi.ResourceOptions(parent=self)
        self._subscription = find_subscription(pulumi.InvokeOptions(parent=self))
        # What can be refused comes before what is made.
        kinds = {group["name"]: describe_kind(group["instance_types"]) for group in args["groups"]}
        scheduler_type = args["scheduler_instance_type"]
        # A scheduler has no use for GPUs, also where its machine has some.
        scheduler_kind = replace(describe_kind([scheduler_type]), gpus=0)
        images = self._choose_images([scheduler_kind, *kinds.values()])
        group = azure.resources.ResourceGroup(
            name,
            resource_group_name=name_group(fleet, location),
            location=location,
            tags=build_tags(fleet, "network", extra=tags),
            opts=child,
        )
        self.resource_group = group.name
        place: _Place = {"fleet": fleet, "resource_group": group.name, "location": location, "tags": tags}
        network_args: NetworkArgs = {**place, **args.get("network", {})}
        network = AzureNetwork(f"{name}-network", network_args, opts=child)
        secrets = AzureSecrets(f"{name}-secrets", {**place}, opts=child)
        logs = AzureLogs(f"{name}-logs", {**place}, opts=child)
        identity = AzureIdentity(
            f"{name}-identity",
            {
                **place,
                "scheduler_secret": secrets.scheduler_secret,
                "worker_secret": secrets.worker_secret,
                "logs": logs.container,
                "read": args.get("read", []),
                "write": args.get("write", []),
                "storage_accounts": args.get("storage_accounts", {}),
            },
            opts=child,
        )
        firewall = AzureFirewall(
            f"{name}-firewall",
            {
                **place,
                "client_cidrs": cidrs if self._mode == "direct" else [],
                "ssh_cidrs": cidrs if self._mode == "ssh" else [],
            },
            opts=child,
        )
        self.log, self.vault = logs.url, secrets.vault
        image = images[scheduler_kind.image_key]
        key = make_ssh_key(f"{name}-ssh", self)
        zones = args.get("zones", [])
        # A machine that is there may read its secret.
        booted = pulumi.ResourceOptions(parent=self, depends_on=identity.grants)
        common: _Common = {
            **place,
            "subnet": network.subnet,
            "security_group": firewall.security_group,
            "vault": secrets.vault,
            "log": logs.url,
            "versions": image.versions,
            "ssh_key": key.public_key_openssh,
        }
        scheduler = AzureScheduler(
            f"{name}-scheduler",
            {
                **common,
                "instance_type": scheduler_type,
                "application_security_group": firewall.scheduler,
                "identity": identity.scheduler_identity,
                "client": identity.scheduler_client,
                "image": image.image,
                "private_address": network.scheduler_address,
                "public": public,
                "zone": zones[0] if zones else None,
                "volume_gib": args.get("scheduler_volume_gib", LEAST_VOLUME_GIB),
            },
            opts=booted,
        )
        groups = {}
        for each in args["groups"]:
            kind = kinds[each["name"]]
            groups[each["name"]] = AzureWorkerGroup(
                f"{name}-{each['name']}",
                {
                    **common,
                    "group": each["name"],
                    "instance_types": each["instance_types"],
                    "application_security_group": firewall.workers,
                    "identity": identity.worker_identity,
                    "client": identity.worker_client,
                    "image": images[kind.image_key].image,
                    "scheduler_address": scheduler.address,
                    "zones": zones,
                    "count": each.get("count", 1),
                    "spot": each.get("spot", "never"),
                    "gpus": kind.gpus,
                    "threads": each.get("threads"),
                    "memory_limit": each.get("memory_limit"),
                    "resources": each.get("resources", {"GPU": 1.0} if kind.gpus else {}),
                    "volume_gib": each.get("volume_gib", DEFAULT_VOLUME_GIB),
                    "placement": each.get("placement", "zones"),
                    "public_ips": args.get("network", {}).get("egress") == "public-ip",
                },
                opts=booted,
            )
        self.ssh_host, self.scheduler_address = choose_hosts(
            self._mode, scheduler.private_ip, scheduler.public_ip if public else None
        )
        self.dashboard_url = pulumi.Output.from_input(DASHBOARD_URL)
        self.tls_ca_file = secrets.ca
        self.tls_client_cert = secrets.client_cert
        self.tls_client_key = secrets.client_key
        # Azure makes no machine without a key; it is of use only where somebody may log in.
        self.ssh_key = pulumi.Output.secret(key.private_key_openssh if self._mode == "ssh" else "")
        self.access_mode = pulumi.Output.from_input(self._mode)
        self.versions = image.versions
        self.network = network.network
        self.scheduler_instance = scheduler.instance
        self.scale_sets = pulumi.Output.all(**{each: made.scale_set for each, made in groups.items()}).apply(dict)
        self.workers_per_instance = pulumi.Output.all(
            **{each: made.workers_per_instance for each, made in groups.items()}
        ).apply(dict)
        connection = pulumi.Output.json_dumps({**self.connection, "resources": self.resources})
        self.connection_secret = secrets.store("client", connection)
        self._admit_operator(logs.container)
        self.register_outputs(
            {
                "schedulerAddress": self.scheduler_address,
                "dashboardUrl": self.dashboard_url,
                "tlsCaFile": self.tls_ca_file,
                "tlsClientCert": self.tls_client_cert,
                "tlsClientKey": self.tls_client_key,
                "accessMode": self.access_mode,
                "sshHost": self.ssh_host,
                "sshKey": self.ssh_key,
                "versions": self.versions,
                "resourceGroup": self.resource_group,
                "log": self.log,
                "vault": self.vault,
                "connectionSecret": self.connection_secret,
                "network": self.network,
                "schedulerInstance": self.scheduler_instance,
                "scaleSets": self.scale_sets,
                "workersPerInstance": self.workers_per_instance,
            }
        )

    @property
    def connection(self) -> dict[str, Any]:
        """The connection contract, as a stack exports it: everything that a client needs."""
        return render_connection(
            fleet=self._args["fleet"],
            provider="azure",
            mode=self._mode,
            scheduler_address=self.scheduler_address,
            dashboard_url=self.dashboard_url,
            ssh_host=self.ssh_host,
            security={
                "tls_ca_file": self.tls_ca_file,
                "tls_client_cert": self.tls_client_cert,
                "tls_client_key": self.tls_client_key,
                "ssh_key": self.ssh_key,
            },
            versions=self.versions,
        )

    @property
    def resources(self) -> dict[str, Any]:
        """What the fleet is made of, for those who look after it."""
        groups = pulumi.Output.all(self.scale_sets, self.workers_per_instance).apply(
            lambda known: {
                each: {"scale_set": known[0][each], "workers_per_instance": known[1][each]} for each in known[0]
            }
        )
        return {
            "region": self._args["location"],
            "subscription": self._subscription,
            "resource_group": self.resource_group,
            "log": self.log,
            "vault": self.vault,
            "network": self.network,
            "scheduler_instance": self.scheduler_instance,
            "groups": groups,
        }

    def _admit_operator(self, logs: pulumi.Output[str]) -> None:
        """Let the operator read what Azure lets nobody read who has made it."""
        operator = self._args.get("operator")
        if not operator:
            return
        for what, scope, role in (("logs", logs, READ_BLOBS), ("connection", self.connection_secret, READ_SECRETS)):
            assign(
                f"{self._name}-operator-{what}",
                subscription=self._subscription,
                scope=scope,
                role=role,
                principal=operator,
                parent=self,
                kind=self._args.get("operator_type", "User"),
                is_fixed=True,
            )

    def _choose_images(self, kinds: Iterable[InstanceKind]) -> dict[tuple[str, bool], AzureImage]:
        """An image for each kind of machine, all of the same versions."""
        images: dict[tuple[str, bool], AzureImage] = {}
        for kind in kinds:
            if kind.image_key in images:
                continue
            wanted: ImageArgs = {
                **self._args.get("image", {}),
                "architecture": kind.architecture,
                "gpu": kind.gpus > 0,
                "versions": self._args.get("versions", {}),
            }
            name = f"{self._name}-image-{kind.architecture}{'-gpu' if kind.gpus else ''}"
            images[kind.image_key] = AzureImage(name, wanted, opts=pulumi.ResourceOptions(parent=self))
        check_same_versions([image.facts for image in images.values()])
        return images
