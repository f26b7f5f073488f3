"""A whole fleet: network, firewall, identity, secrets, logs, scheduler and worker groups under one roof."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.access import DASHBOARD_URL, check_mode, choose_hosts, is_public, render_connection
from daskfleet_components.aws.firewall import AwsFirewall
from daskfleet_components.aws.identity import AwsIdentity
from daskfleet_components.aws.image import AwsImage, ImageArgs
from daskfleet_components.aws.instance_types import describe_kind
from daskfleet_components.aws.logs import AwsLogs
from daskfleet_components.aws.network import AwsNetwork, NetworkArgs
from daskfleet_components.aws.scheduler import AwsScheduler
from daskfleet_components.aws.secrets import AwsSecrets, store_secret
from daskfleet_components.aws.worker_group import AwsWorkerGroup
from daskfleet_components.certificates import make_ssh_key
from daskfleet_components.groups import DEFAULT_VOLUME_GIB, SCHEDULER_VOLUME_GIB
from daskfleet_components.image_facts import check_same_versions
from daskfleet_components.kinds import InstanceKind, TypeFacts
from daskfleet_components.naming import build_tags


class AwsFleetGroupArgs(TypedDict):
    """One worker group of a fleet."""

    name: str
    """Name of the group, unique in the fleet."""
    instance_types: list[str]
    """Instance types, first choice first; all of one architecture, and all with GPUs or none."""
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
    """`zones`, the default: over the network's zones; `cluster`: close together in one."""


class AwsFleetNetworkArgs(TypedDict):
    """The network of a fleet: of its own, or one that exists."""

    cidr: NotRequired[str]
    """Addresses of its VPC."""
    zones: NotRequired[int]
    """Availability zones, 1 to 3."""
    egress: NotRequired[str]
    """`nat`, `nat-per-zone`, `public-ip` or `none`."""
    vpc_id: NotRequired[pulumi.Input[str]]
    """A VPC that exists."""
    subnet_ids: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Its subnets for the machines."""


class AwsFleetImageArgs(TypedDict):
    """Which image the machines boot."""

    id: NotRequired[str]
    """Identifier of the image."""
    name: NotRequired[str]
    """Name of the image, which may hold `*`."""
    owner: NotRequired[str]
    """Account that the image is of."""
    ssm_parameter: NotRequired[str]
    """Name of a parameter of SSM with the identifier."""
    family: NotRequired[str]
    """Family of images of daskfleet."""


class FleetArgs(TypedDict):
    """What a fleet is."""

    fleet: str
    """Name of the fleet: lower-case letters, digits and hyphens."""
    scheduler_instance_type: str
    """Instance type of the scheduler."""
    groups: list[AwsFleetGroupArgs]
    """The worker groups."""
    scheduler_volume_gib: NotRequired[int]
    """Size of the scheduler's disk in GiB."""
    network: NotRequired[AwsFleetNetworkArgs]
    """The network."""
    access: NotRequired[str]
    """Who reaches the scheduler from outside of the fleet: `private`, the default, nobody; `direct`, clients of
    `allowed_cidrs`; `ssh`, those of them with the fleet's key, through a tunnel."""
    allowed_cidrs: NotRequired[list[str]]
    """IPv4 networks that may reach the scheduler. Where one is public, the scheduler gets a public address."""
    image: NotRequired[AwsFleetImageArgs]
    """The image."""
    versions: NotRequired[dict[str, str]]
    """What an image of a family must hold, by `python`, `dask`, `distributed` and `cloudpickle`."""
    read: NotRequired[list[str]]
    """Locations of S3 that the machines may read."""
    write: NotRequired[list[str]]
    """Locations of S3 that the machines may write."""
    tags: NotRequired[dict[str, str]]
    """Tags of everything, besides the fleet's own."""


class AwsFleet(pulumi.ComponentResource):
    """A Dask scheduler and its worker groups in AWS, with everything that they need, and what a client needs."""

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
    log_group: pulumi.Output[str]
    """Name of the log group."""
    connection_secret_arn: pulumi.Output[str]
    """The secret that a client with credentials of AWS reads the connection from."""
    vpc_id: pulumi.Output[str]
    """The VPC."""
    scheduler_instance_id: pulumi.Output[str]
    """The scheduler's instance."""
    auto_scaling_groups: pulumi.Output[dict[str, str]]
    """Name of each worker group's Auto Scaling group."""
    workers_per_instance: pulumi.Output[dict[str, int]]
    """Workers on each machine, by group."""

    def __init__(self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsFleet", name, {}, opts)
        self._name = name
        self._args = args
        fleet, tags = args["fleet"], args.get("tags", {})
        access = check_mode(name, args.get("access", "private"))
        cidrs = args.get("allowed_cidrs", [])
        public = any(is_public(cidr) for cidr in cidrs)
        invoke = pulumi.InvokeOptions(parent=self)
        child = pulumi.ResourceOptions(parent=self)
        # What can be refused comes before what is made.
        known: dict[str, TypeFacts] = {}
        kinds = {group["name"]: describe_kind(group["instance_types"], invoke, known) for group in args["groups"]}
        # A scheduler has no use for GPUs, also where its machine has some.
        scheduler_kind = replace(describe_kind([args["scheduler_instance_type"]], invoke, known), gpus=0)
        images = self._choose_images([scheduler_kind, *kinds.values()])
        network_args: NetworkArgs = {
            "fleet": fleet,
            "tags": tags,
            "public_scheduler": public,
            **args.get("network", {}),
        }
        network = AwsNetwork(f"{name}-network", network_args, opts=child)
        firewall = AwsFirewall(
            f"{name}-firewall",
            {
                "fleet": fleet,
                "vpc_id": network.vpc_id,
                "client_cidrs": cidrs if access == "direct" else [],
                "ssh_cidrs": cidrs if access == "ssh" else [],
                "tags": tags,
            },
            opts=child,
        )
        logs = AwsLogs(f"{name}-logs", {"fleet": fleet, "tags": tags}, opts=child)
        secrets = AwsSecrets(f"{name}-secrets", {"fleet": fleet, "tags": tags}, opts=child)
        identity = AwsIdentity(
            f"{name}-identity",
            {
                "fleet": fleet,
                "scheduler_secret_arn": secrets.scheduler_secret_arn,
                "worker_secret_arn": secrets.worker_secret_arn,
                "log_group_arn": logs.group_arn,
                "read": args.get("read", []),
                "write": args.get("write", []),
                "tags": tags,
            },
            opts=child,
        )
        image = images[scheduler_kind.image_key]
        versions: Any = image.versions
        booted = pulumi.ResourceOptions(parent=self, depends_on=network.egress)
        key_name = self._make_ssh_key() if access == "ssh" else None
        scheduler = AwsScheduler(
            f"{name}-scheduler",
            {
                "fleet": fleet,
                "instance_type": args["scheduler_instance_type"],
                "subnet_id": network.scheduler_subnet_id,
                "security_group_ids": [firewall.scheduler_group_id],
                "instance_profile": identity.scheduler_profile,
                "image_id": image.image_id,
                "root_device_name": image.root_device_name,
                "secret_arn": secrets.scheduler_secret_arn,
                "log_group": logs.group_name,
                "versions": versions,
                "public": public,
                "key_name": key_name,
                "volume_gib": args.get("scheduler_volume_gib", SCHEDULER_VOLUME_GIB),
                "tags": tags,
            },
            opts=booted,
        )
        subnets: Any = network.worker_subnet_ids
        groups = {}
        for group in args["groups"]:
            kind = kinds[group["name"]]
            groups[group["name"]] = AwsWorkerGroup(
                f"{name}-{group['name']}",
                {
                    "fleet": fleet,
                    "group": group["name"],
                    "instance_types": group["instance_types"],
                    "count": group.get("count", 1),
                    "spot": group.get("spot", "never"),
                    "resources": group.get("resources", {"GPU": 1.0} if kind.gpus else {}),
                    "volume_gib": group.get("volume_gib", DEFAULT_VOLUME_GIB),
                    "subnet_ids": subnets,
                    "security_group_ids": [firewall.worker_group_id],
                    "instance_profile": identity.worker_profile,
                    "image_id": images[kind.image_key].image_id,
                    "root_device_name": images[kind.image_key].root_device_name,
                    "secret_arn": secrets.worker_secret_arn,
                    "log_group": logs.group_name,
                    "versions": versions,
                    "scheduler_address": scheduler.address,
                    "gpus": kind.gpus,
                    "placement": group.get("placement", "zones"),
                    "threads": group.get("threads"),
                    "memory_limit": group.get("memory_limit"),
                    "public_ips": args.get("network", {}).get("egress") == "public-ip",
                    "tags": tags,
                },
                opts=booted,
            )
        self.ssh_host, self.scheduler_address = choose_hosts(
            access, scheduler.private_ip, scheduler.public_ip if public else None
        )
        self.dashboard_url = pulumi.Output.from_input(DASHBOARD_URL)
        self.tls_ca_file = secrets.ca
        self.tls_client_cert = secrets.client_cert
        self.tls_client_key = secrets.client_key
        if key_name is None:
            self.ssh_key = pulumi.Output.from_input("")
        self.access_mode = pulumi.Output.from_input(access)
        self.versions = image.versions
        self.log_group = logs.group_name
        self.vpc_id = network.vpc_id
        self.scheduler_instance_id = scheduler.instance_id
        self.auto_scaling_groups = pulumi.Output.all(
            **{each: group.auto_scaling_group for each, group in groups.items()}
        ).apply(dict)
        self.workers_per_instance = pulumi.Output.all(
            **{each: group.workers_per_instance for each, group in groups.items()}
        ).apply(dict)
        self.region = aws.get_region(opts=invoke).region
        connection = pulumi.Output.json_dumps({**self.connection, "resources": self.resources})
        self.connection_secret_arn = store_secret(f"{name}-client", fleet, "client", connection, self, tags)
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
                "logGroup": self.log_group,
                "connectionSecretArn": self.connection_secret_arn,
                "vpcId": self.vpc_id,
                "schedulerInstanceId": self.scheduler_instance_id,
                "autoScalingGroups": self.auto_scaling_groups,
                "workersPerInstance": self.workers_per_instance,
            }
        )

    @property
    def connection(self) -> dict[str, Any]:
        """The connection contract, as a stack exports it: everything that a client needs."""
        return render_connection(
            fleet=self._args["fleet"],
            provider="aws",
            mode=self._args.get("access", "private"),
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
        groups = pulumi.Output.all(self.auto_scaling_groups, self.workers_per_instance).apply(
            lambda known: {
                each: {"auto_scaling_group": known[0][each], "workers_per_instance": known[1][each]}
                for each in known[0]
            }
        )
        return {
            "region": self.region,
            "log_group": self.log_group,
            "vpc": self.vpc_id,
            "scheduler_instance": self.scheduler_instance_id,
            "groups": groups,
        }

    def _make_ssh_key(self) -> pulumi.Output[str]:
        """A key of the fleet's own for those who log in; returns the name of its pair."""
        name = f"{self._name}-ssh"
        key = make_ssh_key(name, self)
        self.ssh_key = pulumi.Output.secret(key.private_key_openssh)
        tags = build_tags(self._args["fleet"], "client", extra=self._args.get("tags"))
        pair = aws.ec2.KeyPair(
            name, public_key=key.public_key_openssh, tags=tags, opts=pulumi.ResourceOptions(parent=self)
        )
        return pair.key_name

    def _choose_images(self, kinds: Iterable[InstanceKind]) -> dict[tuple[str, bool], AwsImage]:
        """An image for each kind of machine, all of the same versions."""
        images: dict[tuple[str, bool], AwsImage] = {}
        for kind in kinds:
            key = kind.image_key
            if key in images:
                continue
            wanted: ImageArgs = {
                **self._args.get("image", {}),
                "architecture": kind.architecture,
                "gpu": kind.gpus > 0,
                "versions": self._args.get("versions", {}),
            }
            name = f"{self._name}-image-{kind.architecture}{'-gpu' if kind.gpus else ''}"
            images[key] = AwsImage(name, wanted, opts=pulumi.ResourceOptions(parent=self))
        check_same_versions([image.facts for image in images.values()])
        return images
