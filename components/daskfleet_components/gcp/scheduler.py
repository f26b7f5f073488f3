"""The scheduler of a fleet: one machine with an address that stays."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.access import SCHEDULER_PORT
from daskfleet_components.documents import render_scheduler
from daskfleet_components.gcp.documents import describe_node
from daskfleet_components.gcp.labels import build_labels
from daskfleet_components.gcp.machine_types import choose_disk_type
from daskfleet_components.gcp.machines import SCOPES, build_metadata
from daskfleet_components.gcp.place import find_place
from daskfleet_components.groups import SCHEDULER_VOLUME_GIB


class SchedulerArgs(TypedDict):
    """What the scheduler's machine is."""

    fleet: str
    """Name of the fleet."""
    instance_type: str
    """Its machine type."""
    zone: str
    """Zone that it is in."""
    subnet: pulumi.Input[str]
    """Subnet that it is in."""
    account: pulumi.Input[str]
    """Email of its service account."""
    image: pulumi.Input[str]
    """The image that it boots."""
    secret: pulumi.Input[str]
    """The secret with its TLS material."""
    log: pulumi.Input[str]
    """The log that it writes to."""
    versions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """What the image must hold, by `python`, `dask`, `distributed` and `cloudpickle`: with anything else a machine does
    not join the fleet."""
    public: NotRequired[bool]
    """Whether it has a public address. What may reach it there, the firewall says."""
    volume_gib: NotRequired[int]
    """Size of its disk in GiB; 20 if not given."""
    ssh_key: NotRequired[pulumi.Input[str] | None]
    """Public key of those who may log in."""
    labels: NotRequired[dict[str, str]]
    """Labels besides the fleet's own."""


class GcpScheduler(pulumi.ComponentResource):
    """A machine that runs the scheduler.

    Its address is reserved, so that it stays when the machine is replaced. Google moves the machine while it runs when
    its host needs care, and starts it again when the host fails.
    """

    instance: pulumi.Output[str]
    """The instance: `projects/PROJECT/zones/ZONE/instances/NAME`."""
    private_ip: pulumi.Output[str]
    """Its address in the network."""
    public_ip: pulumi.Output[str]
    """Its public address; empty where it has none."""
    address: pulumi.Output[str]
    """Address for workers: `tls://host:8786`."""

    def __init__(self, name: str, args: SchedulerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpScheduler", name, {}, opts)
        fleet = args["fleet"]
        place = find_place(name, pulumi.InvokeOptions(parent=self))
        labels = build_labels(fleet, place.region, "scheduler", extra=args.get("labels"))
        child = pulumi.ResourceOptions(parent=self)
        internal = gcp.compute.Address(
            name,
            address_type="INTERNAL",
            purpose="GCE_ENDPOINT",
            subnetwork=args["subnet"],
            region=place.region,
            labels=labels,
            opts=child,
        )
        self.private_ip = internal.address
        self.address = pulumi.Output.concat("tls://", internal.address, f":{SCHEDULER_PORT}")
        self.public_ip = pulumi.Output.from_input("")
        access: list[gcp.compute.InstanceNetworkInterfaceAccessConfigArgs] = []
        if args.get("public"):
            external = gcp.compute.Address(
                f"{name}-public", address_type="EXTERNAL", region=place.region, labels=labels, opts=child
            )
            self.public_ip = external.address
            access = [gcp.compute.InstanceNetworkInterfaceAccessConfigArgs(nat_ip=external.address)]
        parts: list[pulumi.Input[Any]] = [self.address, args["secret"], args["log"], args.get("versions")]
        user_data = pulumi.Output.all(*parts).apply(
            lambda known: render_scheduler(
                describe_node(fleet=fleet, address=known[0], secret=known[1], log=known[2], versions=known[3])
            )
        )
        instance = gcp.compute.Instance(
            name,
            machine_type=args["instance_type"],
            zone=args["zone"],
            boot_disk=gcp.compute.InstanceBootDiskArgs(
                auto_delete=True,
                initialize_params=gcp.compute.InstanceBootDiskInitializeParamsArgs(
                    image=args["image"],
                    size=args.get("volume_gib", SCHEDULER_VOLUME_GIB),
                    type=choose_disk_type([args["instance_type"]]),
                    labels=labels,
                ),
            ),
            network_interfaces=[
                gcp.compute.InstanceNetworkInterfaceArgs(
                    subnetwork=args["subnet"], network_ip=internal.address, access_configs=access
                )
            ],
            service_account=gcp.compute.InstanceServiceAccountArgs(email=args["account"], scopes=SCOPES),
            metadata=pulumi.Output.all(user_data, args.get("ssh_key")).apply(
                lambda known: build_metadata(known[0], known[1] or "")
            ),
            shielded_instance_config=gcp.compute.InstanceShieldedInstanceConfigArgs(
                enable_vtpm=True, enable_integrity_monitoring=True, enable_secure_boot=False
            ),
            scheduling=gcp.compute.InstanceSchedulingArgs(automatic_restart=True, on_host_maintenance="MIGRATE"),
            labels=labels,
            # The address is free for the next machine only when this one is gone. Another document is another machine.
            opts=pulumi.ResourceOptions(
                parent=self, delete_before_replace=True, replace_on_changes=["metadata", "machineType"]
            ),
        )
        self.instance = pulumi.Output.concat(f"projects/{place.project}/zones/{args['zone']}/instances/", instance.name)
        self.register_outputs(
            {
                "instance": self.instance,
                "privateIp": self.private_ip,
                "publicIp": self.public_ip,
                "address": self.address,
            }
        )
