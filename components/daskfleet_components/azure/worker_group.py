"""A worker group: one scale set, whatever the number of its machines."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.access import SSH_USER
from daskfleet_components.azure.documents import describe_node
from daskfleet_components.azure.firewall import HEALTH_PORT
from daskfleet_components.azure.machines import build_diagnostics, build_linux, encode_user_data
from daskfleet_components.azure.sizes import choose_disk_type
from daskfleet_components.documents import render_workers
from daskfleet_components.groups import DEFAULT_VOLUME_GIB, PLACEMENTS, SPOTS, check_choice
from daskfleet_components.naming import build_tags, limit_name

SECRET = "worker"  # noqa: S105 - its name

GRACE_PERIOD = "PT30M"
"""How long a new machine has to become well: a node tries for ten minutes to read its secret and to join, and what a
role allows is known everywhere only after some minutes."""

NOTICE = "PT5M"
"""How long a machine that is deleted is left to hand its data over: the least that Azure has."""

RESTORE = "PT2H"
"""How long Azure tries to make an evicted machine again:
https://learn.microsoft.com/azure/virtual-machine-scale-sets/use-spot#try--restore."""

CHECK_SECONDS, CHECKS = 30, 5
"""A machine is made anew when its node has not said for two and a half minutes that it is well."""

OWN_NUMBERS = ("sku.capacity", "priorityMixPolicy")
"""What belongs to the group: how many machines it has, and how many of them on demand."""

PREFIX_LENGTH = 50
"""Longest beginning of host names: Azure adds six characters, and a host name has 64 at most."""


class WorkerGroupArgs(TypedDict):
    """What the machines of a worker group are."""

    fleet: str
    """Name of the fleet."""
    group: str
    """Name of the group, unique in the fleet."""
    resource_group: pulumi.Input[str]
    """Resource group that it is made in."""
    location: str
    """Region that it is made in."""
    instance_types: list[str]
    """VM sizes, first choice first; all of one architecture. Five at most."""
    subnet: pulumi.Input[str]
    """Subnet that the machines are in, by its identifier."""
    security_group: pulumi.Input[str]
    """Network security group of their interfaces."""
    application_security_group: pulumi.Input[str]
    """Application security group that they are of."""
    identity: pulumi.Input[str]
    """Their user-assigned identity."""
    client: pulumi.Input[str]
    """Client id of that identity."""
    image: pulumi.Input[str]
    """The image definition that they boot."""
    vault: pulumi.Input[str]
    """The vault with their TLS material, `https://NAME.vault.azure.net`."""
    log: pulumi.Input[str]
    """The container that they write their logs to, `https://ACCOUNT.blob.core.windows.net/CONTAINER`."""
    scheduler_address: pulumi.Input[str]
    """Address of the scheduler: `tls://host:8786`."""
    ssh_key: pulumi.Input[str]
    """Public key of the machines' one login; no port is open for it."""
    zones: NotRequired[list[str]]
    """Availability zones that the machines are spread over; the region as a whole if not given."""
    versions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """What the image must hold, by `python`, `dask`, `distributed` and `cloudpickle`: with anything else a machine does
    not join the fleet."""
    count: NotRequired[int]
    """Machines that the group begins with; 1 if not given. From then on the number is the group's own."""
    spot: NotRequired[str]
    """`never`, the default, `only`, or `fallback`: spot, and on-demand for what the spot market has not."""
    gpus: NotRequired[int]
    """GPUs of each machine; where there are any, each has a worker of its own."""
    threads: NotRequired[int | None]
    """Threads of each worker; the machine's cores, shared among its workers, if not given."""
    memory_limit: NotRequired[int | None]
    """Bytes of each worker; the machine's memory, shared among its workers, if not given."""
    resources: NotRequired[dict[str, float]]
    """Dask resources of each worker."""
    volume_gib: NotRequired[int]
    """Size of each machine's disk in GiB, 30 at least, with room for what Dask spills; 50 if not given."""
    placement: NotRequired[str]
    """`zones`, the default: over all zones; `cluster`: close together in one, by a proximity placement group."""
    public_ips: NotRequired[bool]
    """Whether each machine has a public address, to reach the internet with. Nothing is opened by it."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AzureWorkerGroup(pulumi.ComponentResource):
    """A scale set of machines that run workers, with flexible orchestration: each is a virtual machine like any other.

    The scale set owns the number of its machines: updates of the stack leave it as it is, and what they change is for
    new machines only. With `spot: fallback` it may be told to have so many machines on demand, of all that it has.
    """

    scale_set: pulumi.Output[str]
    """The scale set, by its identifier."""
    workers_per_instance: pulumi.Output[int]
    """Workers that each machine runs at least."""

    def __init__(self, name: str, args: WorkerGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureWorkerGroup", name, {}, opts)
        self._name = name
        self._args = args
        self._spot = check_choice(name, "spot", args.get("spot", "never"), SPOTS)
        self._is_close = check_choice(name, "placement", args.get("placement", "zones"), PLACEMENTS) == "cluster"
        self._tags = build_tags(args["fleet"], "worker", group=args["group"], extra=args.get("tags"))
        zones = args.get("zones", [])
        self._zones = zones[:1] if self._is_close else zones
        try:
            sku, profile = build_sku(args["instance_types"], args.get("count", 1))
        except ValueError as error:
            raise pulumi.RunError(f"{name}: {error}.") from None
        scale_set = azure.compute.VirtualMachineScaleSet(
            name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            orchestration_mode="Flexible",
            platform_fault_domain_count=1,
            single_placement_group=False,
            zones=self._zones or None,
            sku=sku,
            sku_profile=profile,
            # A new model never stops a machine that works: it is for those that come.
            upgrade_policy=azure.compute.UpgradePolicyArgs(mode=azure.compute.UpgradeMode.MANUAL),
            priority_mix_policy=azure.compute.PriorityMixPolicyArgs(
                base_regular_priority_count=0, regular_priority_percentage_above_base=0
            )
            if self._spot == "fallback"
            else None,
            # A machine that is evicted comes again, as soon as there is room for it.
            spot_restore_policy=azure.compute.SpotRestorePolicyArgs(enabled=True, restore_timeout=RESTORE)
            if self._spot != "never"
            else None,
            automatic_repairs_policy=azure.compute.AutomaticRepairsPolicyArgs(
                enabled=True, grace_period=GRACE_PERIOD, repair_action="Replace"
            ),
            proximity_placement_group=self._make_placement() if self._is_close else None,
            identity=azure.compute.VirtualMachineScaleSetIdentityArgs(
                type=azure.compute.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[args["identity"]]
            ),
            virtual_machine_profile=self._build_profile(),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=list(OWN_NUMBERS)),
        )
        self.scale_set = scale_set.id
        self.workers_per_instance = pulumi.Output.from_input(args.get("gpus") or 1)
        self.register_outputs({"scaleSet": self.scale_set, "workersPerInstance": self.workers_per_instance})

    def _make_placement(self) -> azure.compute.SubResourceArgs:
        args = self._args
        group = azure.compute.ProximityPlacementGroup(
            self._name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            proximity_placement_group_type="Standard",
            zones=self._zones or None,
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return azure.compute.SubResourceArgs(id=group.id)

    def _build_profile(self) -> azure.compute.VirtualMachineScaleSetVMProfileArgs:
        args = self._args
        is_spot = self._spot != "never"
        return azure.compute.VirtualMachineScaleSetVMProfileArgs(
            priority="Spot" if is_spot else "Regular",
            eviction_policy="Delete" if is_spot else None,
            # No price of one's own: a machine is evicted for its place only.
            billing_profile=azure.compute.BillingProfileArgs(max_price=-1.0) if is_spot else None,
            os_profile=azure.compute.VirtualMachineScaleSetOSProfileArgs(
                computer_name_prefix=name_prefix(args["fleet"], args["group"]),
                admin_username=SSH_USER,
                custom_data=self._render_user_data(),
                linux_configuration=build_linux(args["ssh_key"]),
            ),
            storage_profile=azure.compute.VirtualMachineScaleSetStorageProfileArgs(
                image_reference=azure.compute.ImageReferenceArgs(id=args["image"]),
                os_disk=azure.compute.VirtualMachineScaleSetOSDiskArgs(
                    create_option="FromImage",
                    delete_option="Delete",
                    disk_size_gb=args.get("volume_gib", DEFAULT_VOLUME_GIB),
                    managed_disk=azure.compute.VirtualMachineScaleSetManagedDiskParametersArgs(
                        storage_account_type=choose_disk_type(args["instance_types"])
                    ),
                ),
            ),
            network_profile=self._build_network_profile(),
            diagnostics_profile=build_diagnostics(),
            scheduled_events_profile=azure.compute.ScheduledEventsProfileArgs(
                terminate_notification_profile=azure.compute.TerminateNotificationProfileArgs(
                    enable=True, not_before_timeout=NOTICE
                )
            ),
            extension_profile=build_health_extension(),
        )

    def _build_network_profile(self) -> azure.compute.VirtualMachineScaleSetNetworkProfileArgs:
        args = self._args
        address = azure.compute.VirtualMachineScaleSetPublicIPAddressConfigurationArgs(
            name="public", delete_option="Delete", sku=azure.compute.PublicIPAddressSkuArgs(name="Standard")
        )
        return azure.compute.VirtualMachineScaleSetNetworkProfileArgs(
            network_api_version="2022-11-01",  # The least that deletes addresses with their machines.
            network_interface_configurations=[
                azure.compute.VirtualMachineScaleSetNetworkConfigurationArgs(
                    name="internal",
                    primary=True,
                    delete_option="Delete",
                    network_security_group=azure.compute.SubResourceArgs(id=args["security_group"]),
                    ip_configurations=[
                        azure.compute.VirtualMachineScaleSetIPConfigurationArgs(
                            name="internal",
                            primary=True,
                            subnet=azure.compute.ApiEntityReferenceArgs(id=args["subnet"]),
                            application_security_groups=[
                                azure.compute.SubResourceArgs(id=args["application_security_group"])
                            ],
                            public_ip_address_configuration=address if args.get("public_ips") else None,
                        )
                    ],
                )
            ],
        )

    def _render_user_data(self) -> pulumi.Output[str]:
        args = self._args
        parts: list[pulumi.Input[Any]] = [
            args["scheduler_address"],
            args["vault"],
            args["log"],
            args["client"],
            args.get("versions"),
        ]
        return pulumi.Output.all(*parts).apply(
            lambda known: encode_user_data(
                render_workers(
                    describe_node(
                        fleet=args["fleet"],
                        address=known[0],
                        vault=known[1],
                        secret=SECRET,
                        log=known[2],
                        client=known[3],
                        versions=known[4],
                        health_port=HEALTH_PORT,
                    ),
                    group=args["group"],
                    workers="per-gpu" if args.get("gpus") else 1,
                    threads=args.get("threads"),
                    memory_limit=args.get("memory_limit"),
                    resources=args.get("resources", {}),
                    watch="azure-interruptions",
                )
            )
        )


MOST_SIZES = 5
"""Of one scale set: https://learn.microsoft.com/azure/virtual-machine-scale-sets/instance-mix-overview."""


def build_sku(sizes: list[str], count: int) -> tuple[azure.compute.SkuArgs, azure.compute.SkuProfileArgs | None]:
    """The sizes of a scale set's machines: one, or several in their order. Pure.

    Raises:
        ValueError: they are too many.
    """
    if len(sizes) > MOST_SIZES:
        raise ValueError(f"instance_types: a scale set has {MOST_SIZES} sizes at most, and these are {len(sizes)}")
    if len(sizes) == 1:
        return azure.compute.SkuArgs(name=sizes[0], tier="Standard", capacity=count), None
    ranked = [azure.compute.SkuProfileVMSizeArgs(name=size, rank=rank) for rank, size in enumerate(sizes)]
    mixed = azure.compute.SkuProfileArgs(allocation_strategy="Prioritized", vm_sizes=ranked)
    return azure.compute.SkuArgs(name="Mix", capacity=count), mixed


def build_health_extension() -> azure.compute.VirtualMachineScaleSetExtensionProfileArgs:
    """What asks a machine's node, on the machine itself, whether it is well.

    https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
    """
    return azure.compute.VirtualMachineScaleSetExtensionProfileArgs(
        extensions=[
            azure.compute.VirtualMachineScaleSetExtensionArgs(
                name="health",
                publisher="Microsoft.ManagedServices",
                type="ApplicationHealthLinux",
                type_handler_version="1.0",
                auto_upgrade_minor_version=True,
                settings={
                    "protocol": "http",
                    "port": HEALTH_PORT,
                    "requestPath": "/health",
                    "intervalInSeconds": CHECK_SECONDS,
                    "numberOfProbes": CHECKS,
                },
            )
        ]
    )


def name_prefix(fleet: str, group: str) -> str:
    """How the host names of a group's machines begin. Pure."""
    return f"{limit_name(f'{fleet}-{group}', PREFIX_LENGTH)}-"
