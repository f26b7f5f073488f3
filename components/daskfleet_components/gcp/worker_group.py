"""A worker group: one regional managed instance group, whatever the number of its machines."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.documents import render_workers
from daskfleet_components.gcp.documents import describe_node
from daskfleet_components.gcp.firewall import HEALTH_PORT
from daskfleet_components.gcp.labels import build_labels, describe, name_instances
from daskfleet_components.gcp.machine_types import choose_disk_type
from daskfleet_components.gcp.machines import SCOPES, build_metadata
from daskfleet_components.gcp.place import find_place
from daskfleet_components.groups import DEFAULT_VOLUME_GIB, PLACEMENTS, SPOTS, check_choice

BOOT_SECONDS = 900
"""How long a new machine has to become well: a node tries for ten minutes to read its secret and to join."""

CHECK_SECONDS, CHECK_TIMEOUT_SECONDS, CHECKS = 30, 10, 5
"""A machine is made anew when its node has not said for two and a half minutes that it is well."""

OWN_NUMBERS = ("targetSize",)
"""What belongs to the group: how many machines it has."""


class GcpAcceleratorArgs(TypedDict):
    """GPUs that are added to a machine, for types that do not come with any: N1."""

    type: str
    """Such as `nvidia-tesla-t4`."""
    count: int
    """On each machine."""


class WorkerGroupArgs(TypedDict):
    """What the machines of a worker group are."""

    fleet: str
    """Name of the fleet."""
    group: str
    """Name of the group, unique in the fleet."""
    instance_types: list[str]
    """Machine types, first choice first; all of one architecture."""
    zones: list[str]
    """Zones that the machines are in; each has all of the types."""
    subnet: pulumi.Input[str]
    """Subnet that the machines are in."""
    account: pulumi.Input[str]
    """Email of their service account."""
    image: pulumi.Input[str]
    """The image that they boot."""
    secret: pulumi.Input[str]
    """The secret with their TLS material."""
    log: pulumi.Input[str]
    """The log that they write to."""
    scheduler_address: pulumi.Input[str]
    """Address of the scheduler: `tls://host:8786`."""
    versions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """What the image must hold, by `python`, `dask`, `distributed` and `cloudpickle`: with anything else a machine does
    not join the fleet."""
    count: NotRequired[int]
    """Machines that the group begins with; 1 if not given. From then on the number is the group's own."""
    spot: NotRequired[str]
    """`never`, the default, `only`, or `fallback`: spot, and on-demand for what the spot market has not."""
    gpus: NotRequired[int]
    """GPUs of each machine; where there are any, each has a worker of its own."""
    accelerator: NotRequired[GcpAcceleratorArgs | None]
    """GPUs that are added to each machine; `gpus` counts them."""
    threads: NotRequired[int | None]
    """Threads of each worker; the machine's cores, shared among its workers, if not given."""
    memory_limit: NotRequired[int | None]
    """Bytes of each worker; the machine's memory, shared among its workers, if not given."""
    resources: NotRequired[dict[str, float]]
    """Dask resources of each worker."""
    volume_gib: NotRequired[int]
    """Size of each machine's disk in GiB, with room for what Dask spills; 50 if not given."""
    placement: NotRequired[str]
    """`zones`, the default: over all zones; `cluster`: close together in one, by a compact placement policy."""
    public_ips: NotRequired[bool]
    """Whether each machine has a public address, to reach the internet with. Nothing is opened by it."""
    labels: NotRequired[dict[str, str]]
    """Labels besides the fleet's own."""


class GcpWorkerGroup(pulumi.ComponentResource):
    """A template and a regional managed instance group of machines that run workers.

    With `spot: fallback` there are two of each, as a managed group is either spot or not: the second begins empty, and
    takes over what the spot market has not. The groups own the number of their machines: updates of the stack leave it
    as it is, and a new template is for new machines only.
    """

    instance_group_managers: pulumi.Output[list[str]]
    """Names of the managed instance groups: one, or the spot one and the on-demand one."""
    workers_per_instance: pulumi.Output[int]
    """Workers that each machine runs at least."""

    def __init__(self, name: str, args: WorkerGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpWorkerGroup", name, {}, opts)
        self._name = name
        self._args = args
        self._place = find_place(name, pulumi.InvokeOptions(parent=self))
        self._spot = check_choice(name, "spot", args.get("spot", "never"), SPOTS)
        self._is_close = check_choice(name, "placement", args.get("placement", "zones"), PLACEMENTS) == "cluster"
        self._disk_type = choose_disk_type(args["instance_types"])
        self._mark = describe(args["fleet"], self._place.region, "worker", group=args["group"])
        self._labels = build_labels(
            args["fleet"], self._place.region, "worker", group=args["group"], extra=args.get("labels")
        )
        self._policy = self._make_placement() if self._is_close else None
        health = self._make_health_check()
        count = args.get("count", 1)
        managers = [self._make_manager("", health, count, is_spot=self._spot != "never")]
        if self._spot == "fallback":
            managers.append(self._make_manager("-on-demand", health, 0, is_spot=False))
        self.instance_group_managers = pulumi.Output.all(*(each.name for each in managers)).apply(list)
        self.workers_per_instance = pulumi.Output.from_input(args.get("gpus") or 1)
        self.register_outputs(
            {
                "instanceGroupManagers": self.instance_group_managers,
                "workersPerInstance": self.workers_per_instance,
            }
        )

    def _make_placement(self) -> pulumi.Output[str]:
        policy = gcp.compute.ResourcePolicy(
            self._name,
            region=self._place.region,
            group_placement_policy=gcp.compute.ResourcePolicyGroupPlacementPolicyArgs(collocation="COLLOCATED"),
            description=self._mark,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return policy.self_link

    def _make_health_check(self) -> gcp.compute.RegionHealthCheck:
        return gcp.compute.RegionHealthCheck(
            self._name,
            region=self._place.region,
            http_health_check=gcp.compute.RegionHealthCheckHttpHealthCheckArgs(
                port=HEALTH_PORT, request_path="/health"
            ),
            check_interval_sec=CHECK_SECONDS,
            timeout_sec=CHECK_TIMEOUT_SECONDS,
            healthy_threshold=1,
            unhealthy_threshold=CHECKS,
            description=self._mark,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _make_manager(
        self, suffix: str, health: gcp.compute.RegionHealthCheck, count: int, *, is_spot: bool
    ) -> gcp.compute.RegionInstanceGroupManager:
        args = self._args
        template = self._make_template(suffix, is_spot=is_spot)
        return gcp.compute.RegionInstanceGroupManager(
            f"{self._name}{suffix}",
            region=self._place.region,
            base_instance_name=name_instances(args["fleet"], args["group"], "-od" if suffix else ""),
            versions=[gcp.compute.RegionInstanceGroupManagerVersionArgs(instance_template=template.self_link)],
            target_size=count,
            distribution_policy_zones=args["zones"],
            distribution_policy_target_shape=choose_shape(is_spot=is_spot, is_close=self._is_close),
            instance_flexibility_policy=choose_selections(args["instance_types"]),
            auto_healing_policies=gcp.compute.RegionInstanceGroupManagerAutoHealingPoliciesArgs(
                health_check=health.self_link, initial_delay_sec=BOOT_SECONDS
            ),
            # A new template never stops a machine that works: it is for those that come.
            update_policy=gcp.compute.RegionInstanceGroupManagerUpdatePolicyArgs(
                type="OPPORTUNISTIC",
                minimal_action="REPLACE",
                instance_redistribution_type="NONE",
                max_surge_fixed=len(args["zones"]),
                max_unavailable_fixed=0,
            ),
            list_managed_instances_results="PAGINATED",
            # Whoever wants to wait for workers waits until they have registered, which is later.
            wait_for_instances=False,
            description=self._mark,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=list(OWN_NUMBERS)),
        )

    def _make_template(self, suffix: str, *, is_spot: bool) -> gcp.compute.RegionInstanceTemplate:
        args = self._args
        accelerator = args.get("accelerator")
        can_move = not (is_spot or self._is_close or args.get("gpus"))
        return gcp.compute.RegionInstanceTemplate(
            f"{self._name}{suffix}",
            region=self._place.region,
            machine_type=args["instance_types"][0],
            disks=[
                gcp.compute.RegionInstanceTemplateDiskArgs(
                    boot=True,
                    auto_delete=True,
                    source_image=args["image"],
                    disk_type=self._disk_type,
                    disk_size_gb=args.get("volume_gib", DEFAULT_VOLUME_GIB),
                    labels=self._labels,
                )
            ],
            network_interfaces=[
                gcp.compute.RegionInstanceTemplateNetworkInterfaceArgs(
                    subnetwork=args["subnet"],
                    access_configs=[gcp.compute.RegionInstanceTemplateNetworkInterfaceAccessConfigArgs()]
                    if args.get("public_ips")
                    else [],
                )
            ],
            service_account=gcp.compute.RegionInstanceTemplateServiceAccountArgs(email=args["account"], scopes=SCOPES),
            metadata=self._render_user_data(is_watched=not can_move).apply(build_metadata),
            guest_accelerators=[
                gcp.compute.RegionInstanceTemplateGuestAcceleratorArgs(
                    type=accelerator["type"], count=accelerator["count"]
                )
            ]
            if accelerator
            else [],
            scheduling=build_scheduling(is_spot=is_spot, can_move=can_move),
            shielded_instance_config=gcp.compute.RegionInstanceTemplateShieldedInstanceConfigArgs(
                enable_vtpm=True, enable_integrity_monitoring=True, enable_secure_boot=False
            ),
            resource_policies=self._policy,
            labels=self._labels,
            description=self._mark,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _render_user_data(self, *, is_watched: bool) -> pulumi.Output[str]:
        args = self._args
        parts: list[pulumi.Input[Any]] = [args["scheduler_address"], args["secret"], args["log"], args.get("versions")]
        return pulumi.Output.all(*parts).apply(
            lambda known: render_workers(
                describe_node(
                    fleet=args["fleet"],
                    address=known[0],
                    secret=known[1],
                    log=known[2],
                    versions=known[3],
                    health_port=HEALTH_PORT,
                ),
                group=args["group"],
                workers="per-gpu" if args.get("gpus") else 1,
                threads=args.get("threads"),
                memory_limit=args.get("memory_limit"),
                resources=args.get("resources", {}),
                watch="gcp-interruptions" if is_watched else None,
            )
        )


def choose_shape(*, is_spot: bool, is_close: bool) -> str:
    """How a managed group spreads its machines: not evenly at any price, but where there are some."""
    if is_close:
        return "ANY_SINGLE_ZONE"
    return "ANY" if is_spot else "BALANCED"


def choose_selections(
    instance_types: list[str],
) -> gcp.compute.RegionInstanceGroupManagerInstanceFlexibilityPolicyArgs | None:
    """The types in their order; `None` for one alone, which the template says."""
    if len(instance_types) == 1:
        return None
    return gcp.compute.RegionInstanceGroupManagerInstanceFlexibilityPolicyArgs(
        instance_selections=[
            gcp.compute.RegionInstanceGroupManagerInstanceFlexibilityPolicyInstanceSelectionArgs(
                name=f"choice-{rank}", rank=rank, machine_types=[each]
            )
            for rank, each in enumerate(instance_types, 1)
        ]
    )


def build_scheduling(*, is_spot: bool, can_move: bool) -> gcp.compute.RegionInstanceTemplateSchedulingArgs:
    """What Google does with a machine whose host needs care, or whose place others pay more for."""
    if is_spot:
        return gcp.compute.RegionInstanceTemplateSchedulingArgs(
            provisioning_model="SPOT",
            preemptible=True,
            automatic_restart=False,
            on_host_maintenance="TERMINATE",
            instance_termination_action="DELETE",
        )
    return gcp.compute.RegionInstanceTemplateSchedulingArgs(
        provisioning_model="STANDARD",
        automatic_restart=True,
        on_host_maintenance="MIGRATE" if can_move else "TERMINATE",
    )
