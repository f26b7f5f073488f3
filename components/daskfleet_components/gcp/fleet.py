"""A whole fleet: network, firewall, identity, secrets, scheduler and worker groups under one roof."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.access import DASHBOARD_URL, check_mode, choose_hosts, is_public, render_connection
from daskfleet_components.certificates import make_ssh_key
from daskfleet_components.gcp.firewall import GcpFirewall
from daskfleet_components.gcp.identity import GcpIdentity
from daskfleet_components.gcp.image import GcpImage, ImageArgs
from daskfleet_components.gcp.labels import name_log
from daskfleet_components.gcp.machine_types import Offer, choose_zones, describe_kind, read_offer
from daskfleet_components.gcp.network import GcpNetwork, NetworkArgs
from daskfleet_components.gcp.place import find_place
from daskfleet_components.gcp.scheduler import GcpScheduler
from daskfleet_components.gcp.secrets import GcpSecrets, store_secret
from daskfleet_components.gcp.worker_group import GcpAcceleratorArgs, GcpWorkerGroup
from daskfleet_components.groups import DEFAULT_VOLUME_GIB, SCHEDULER_VOLUME_GIB
from daskfleet_components.image_facts import check_same_versions
from daskfleet_components.kinds import InstanceKind


class GcpFleetGroupArgs(TypedDict):
    """One worker group of a fleet."""

    name: str
    """Name of the group, unique in the fleet."""
    instance_types: list[str]
    """Machine types, first choice first; all of one architecture, and all with GPUs or none."""
    count: NotRequired[int]
    """Machines that the group begins with; 1 if not given."""
    spot: NotRequired[str]
    """`never`, the default, `only` or `fallback`."""
    accelerator: NotRequired[GcpAcceleratorArgs]
    """GPUs that are added to each machine, for types that do not come with any."""
    threads: NotRequired[int]
    """Threads of each worker."""
    memory_limit: NotRequired[int]
    """Bytes of each worker."""
    resources: NotRequired[dict[str, float]]
    """Dask resources of each worker; on machines with GPUs `{GPU: 1}` if not given."""
    volume_gib: NotRequired[int]
    """Size of each machine's disk in GiB."""
    placement: NotRequired[str]
    """`zones`, the default: over the region's zones; `cluster`: close together in one."""


class GcpFleetNetworkArgs(TypedDict):
    """The network of a fleet: of its own, or one that exists."""

    cidr: NotRequired[str]
    """Addresses of its subnet."""
    egress: NotRequired[str]
    """`nat`, `public-ip` or `none`."""
    vpc: NotRequired[pulumi.Input[str]]
    """A network that exists."""
    subnet: NotRequired[pulumi.Input[str]]
    """Its subnet for the machines."""


class GcpFleetImageArgs(TypedDict):
    """Which image the machines boot."""

    name: NotRequired[str]
    """Name of the image."""
    project: NotRequired[str]
    """Project that it is in."""
    family: NotRequired[str]
    """Family of images of daskfleet."""


class FleetArgs(TypedDict):
    """What a fleet is."""

    fleet: str
    """Name of the fleet: lower-case letters, digits and hyphens."""
    scheduler_instance_type: str
    """Machine type of the scheduler."""
    groups: list[GcpFleetGroupArgs]
    """The worker groups."""
    scheduler_volume_gib: NotRequired[int]
    """Size of the scheduler's disk in GiB."""
    zones: NotRequired[list[str]]
    """Zones of the region that machines may be in; all if not given."""
    network: NotRequired[GcpFleetNetworkArgs]
    """The network."""
    access: NotRequired[str]
    """Who reaches the scheduler from outside of the fleet: `private`, the default, nobody; `direct`, clients of
    `allowed_cidrs`; `ssh`, those of them with the fleet's key, through a tunnel."""
    allowed_cidrs: NotRequired[list[str]]
    """IPv4 networks that may reach the scheduler. Where one is public, the scheduler gets a public address."""
    image: NotRequired[GcpFleetImageArgs]
    """The image."""
    versions: NotRequired[dict[str, str]]
    """What an image of a family must hold, by `python`, `dask`, `distributed` and `cloudpickle`."""
    read: NotRequired[list[str]]
    """Locations of Cloud Storage that the machines may read."""
    write: NotRequired[list[str]]
    """Locations of Cloud Storage that the machines may write."""
    labels: NotRequired[dict[str, str]]
    """Labels of everything that has any, besides the fleet's own."""


class GcpFleet(pulumi.ComponentResource):
    """A Dask scheduler and its worker groups in Google Cloud, with everything that they and a client need."""

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
    log: pulumi.Output[str]
    """The fleet's log in Cloud Logging."""
    connection_secret: pulumi.Output[str]
    """The secret that a client with credentials of Google reads the connection from."""
    network: pulumi.Output[str]
    """The network."""
    scheduler_instance: pulumi.Output[str]
    """The scheduler's instance."""
    instance_group_managers: pulumi.Output[dict[str, list[str]]]
    """Names of each worker group's managed instance groups."""
    workers_per_instance: pulumi.Output[dict[str, int]]
    """Workers on each machine, by group."""

    def __init__(self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpFleet", name, {}, opts)
        self._name = name
        self._args = args
        fleet, labels = args["fleet"], args.get("labels", {})
        self._mode = check_mode(name, args.get("access", "private"))
        cidrs = args.get("allowed_cidrs", [])
        public = any(is_public(cidr) for cidr in cidrs)
        invoke = pulumi.InvokeOptions(parent=self)
        child = pulumi.ResourceOptions(parent=self)
        self._place = find_place(name, invoke)
        # What can be refused comes before what is made.
        offer = self._read_offer(invoke)
        kinds = {group["name"]: self._describe_kind(offer, group) for group in args["groups"]}
        scheduler_type = args["scheduler_instance_type"]
        # A scheduler has no use for GPUs, also where its machine has some.
        scheduler_kind = replace(describe_kind(offer, [scheduler_type], self._place.region), gpus=0)
        images = self._choose_images([scheduler_kind, *kinds.values()])
        network_args: NetworkArgs = {"fleet": fleet, **args.get("network", {})}
        network = GcpNetwork(f"{name}-network", network_args, opts=child)
        secrets = GcpSecrets(f"{name}-secrets", {"fleet": fleet, "labels": labels}, opts=child)
        identity = GcpIdentity(
            f"{name}-identity",
            {
                "fleet": fleet,
                "scheduler_secret": secrets.scheduler_secret,
                "worker_secret": secrets.worker_secret,
                "read": args.get("read", []),
                "write": args.get("write", []),
            },
            opts=child,
        )
        firewall = GcpFirewall(
            f"{name}-firewall",
            {
                "fleet": fleet,
                "network": network.network,
                "scheduler_account": identity.scheduler_account,
                "worker_account": identity.worker_account,
                "client_cidrs": cidrs if self._mode == "direct" else [],
                "ssh_cidrs": cidrs if self._mode == "ssh" else [],
            },
            opts=child,
        )
        self.log = pulumi.Output.from_input(name_log(self._place.project, fleet, self._place.region))
        image = images[scheduler_kind.image_key]
        versions: Any = image.versions
        key = make_ssh_key(f"{name}-ssh", self) if self._mode == "ssh" else None
        # A machine that is there may read its secret, and is behind its firewall.
        booted = pulumi.ResourceOptions(parent=self, depends_on=[*network.egress, *identity.grants, firewall])
        scheduler = GcpScheduler(
            f"{name}-scheduler",
            {
                "fleet": fleet,
                "instance_type": scheduler_type,
                "zone": choose_zones(offer, [scheduler_type], self._place.region)[0],
                "subnet": network.subnet,
                "account": identity.scheduler_account,
                "image": image.image,
                "secret": secrets.scheduler_secret,
                "log": self.log,
                "versions": versions,
                "public": public,
                "ssh_key": key.public_key_openssh if key is not None else None,
                "volume_gib": args.get("scheduler_volume_gib", SCHEDULER_VOLUME_GIB),
                "labels": labels,
            },
            opts=booted,
        )
        groups = {}
        for group in args["groups"]:
            kind = kinds[group["name"]]
            groups[group["name"]] = GcpWorkerGroup(
                f"{name}-{group['name']}",
                {
                    "fleet": fleet,
                    "group": group["name"],
                    "instance_types": group["instance_types"],
                    "zones": choose_zones(offer, group["instance_types"], self._place.region),
                    "count": group.get("count", 1),
                    "spot": group.get("spot", "never"),
                    "resources": group.get("resources", {"GPU": 1.0} if kind.gpus else {}),
                    "volume_gib": group.get("volume_gib", DEFAULT_VOLUME_GIB),
                    "subnet": network.subnet,
                    "account": identity.worker_account,
                    "image": images[kind.image_key].image,
                    "secret": secrets.worker_secret,
                    "log": self.log,
                    "versions": versions,
                    "scheduler_address": scheduler.address,
                    "gpus": kind.gpus,
                    "accelerator": group.get("accelerator"),
                    "placement": group.get("placement", "zones"),
                    "threads": group.get("threads"),
                    "memory_limit": group.get("memory_limit"),
                    "public_ips": args.get("network", {}).get("egress") == "public-ip",
                    "labels": labels,
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
        self.ssh_key = pulumi.Output.from_input("") if key is None else pulumi.Output.secret(key.private_key_openssh)
        self.access_mode = pulumi.Output.from_input(self._mode)
        self.versions = image.versions
        self.network = network.network
        self.scheduler_instance = scheduler.instance
        self.instance_group_managers = pulumi.Output.all(
            **{each: group.instance_group_managers for each, group in groups.items()}
        ).apply(dict)
        self.workers_per_instance = pulumi.Output.all(
            **{each: group.workers_per_instance for each, group in groups.items()}
        ).apply(dict)
        connection = pulumi.Output.json_dumps({**self.connection, "resources": self.resources})
        self.connection_secret = store_secret(f"{name}-client", fleet, self._place, "client", connection, self, labels)
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
                "log": self.log,
                "connectionSecret": self.connection_secret,
                "network": self.network,
                "schedulerInstance": self.scheduler_instance,
                "instanceGroupManagers": self.instance_group_managers,
                "workersPerInstance": self.workers_per_instance,
            }
        )

    @property
    def connection(self) -> dict[str, Any]:
        """The connection contract, as a stack exports it: everything that a client needs."""
        return render_connection(
            fleet=self._args["fleet"],
            provider="gcp",
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
        groups = pulumi.Output.all(self.instance_group_managers, self.workers_per_instance).apply(
            lambda known: {
                each: {"instance_group_managers": known[0][each], "workers_per_instance": known[1][each]}
                for each in known[0]
            }
        )
        return {
            "region": self._place.region,
            "project": self._place.project,
            "log": self.log,
            "network": self.network,
            "scheduler_instance": self.scheduler_instance,
            "groups": groups,
        }

    def _read_offer(self, opts: pulumi.InvokeOptions) -> Offer:
        """What the zones offer of the types that the fleet names, in one look."""
        place = self._place
        found = gcp.compute.get_zones(project=place.project, region=place.region, status="UP", opts=opts).names
        zones = [zone for zone in found if zone in self._args.get("zones", found)]
        if not zones:
            raise pulumi.RunError(
                f"{self._name}: zones: {', '.join(self._args.get('zones', [])) or 'none'}: {place.region} has "
                f"{', '.join(found) or 'none for this project'}; give some of these."
            )
        types = [name for group in self._args["groups"] for name in group["instance_types"]]
        return read_offer([self._args["scheduler_instance_type"], *types], place, zones, opts)

    def _describe_kind(self, offer: Offer, group: GcpFleetGroupArgs) -> InstanceKind:
        accelerator = group.get("accelerator")
        added = int(accelerator["count"]) if accelerator else 0  # Other languages know no whole numbers.
        return describe_kind(offer, group["instance_types"], self._place.region, added)

    def _choose_images(self, kinds: Iterable[InstanceKind]) -> dict[tuple[str, bool], GcpImage]:
        """An image for each kind of machine, all of the same versions."""
        images: dict[tuple[str, bool], GcpImage] = {}
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
            images[kind.image_key] = GcpImage(name, wanted, opts=pulumi.ResourceOptions(parent=self))
        check_same_versions([image.facts for image in images.values()])
        return images
