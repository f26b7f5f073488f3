"""A worker group: one Auto Scaling group, whatever the number of its machines."""

import base64
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
from pulumi_aws.autoscaling import (
    GroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecificationArgs as Specification,
)

from daskfleet_components.aws.documents import describe_node
from daskfleet_components.documents import render_workers
from daskfleet_components.groups import DEFAULT_VOLUME_GIB, MOST_INSTANCES, PLACEMENTS, SPOTS, check_choice
from daskfleet_components.naming import build_tags


class WorkerGroupArgs(TypedDict):
    """What the machines of a worker group are."""

    fleet: str
    """Name of the fleet."""
    group: str
    """Name of the group, unique in the fleet."""
    instance_types: list[str]
    """Instance types, first choice first; all of one architecture."""
    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Subnets that the machines are in, one in each zone."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Their security groups."""
    instance_profile: pulumi.Input[str]
    """Name of the instance profile that gives them their role."""
    image_id: pulumi.Input[str]
    """The image that they boot."""
    root_device_name: pulumi.Input[str]
    """Name of the image's root device."""
    secret_arn: pulumi.Input[str]
    """The secret with their TLS material."""
    log_group: pulumi.Input[str]
    """Name of the log group that they write to."""
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
    threads: NotRequired[int | None]
    """Threads of each worker; the machine's cores, shared among its workers, if not given."""
    memory_limit: NotRequired[int | None]
    """Bytes of each worker; the machine's memory, shared among its workers, if not given."""
    resources: NotRequired[dict[str, float]]
    """Dask resources of each worker."""
    volume_gib: NotRequired[int]
    """Size of each machine's disk in GiB, with room for what Dask spills; 50 if not given."""
    placement: NotRequired[str]
    """`zones`, the default: over all subnets; `cluster`: close together in the first, in a placement group."""
    public_ips: NotRequired[bool]
    """Whether each machine has a public address, to reach the internet with. Nothing is opened by it."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsWorkerGroup(pulumi.ComponentResource):
    """A launch template and an Auto Scaling group of machines that run workers.

    The group owns the number of its machines: updates of the stack leave it as it is.
    """

    auto_scaling_group: pulumi.Output[str]
    """Name of the Auto Scaling group."""
    workers_per_instance: pulumi.Output[int]
    """Workers that each machine runs at least."""

    def __init__(self, name: str, args: WorkerGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsWorkerGroup", name, {}, opts)
        spot = check_choice(name, "spot", args.get("spot", "never"), SPOTS)
        placement = check_choice(name, "placement", args.get("placement", "zones"), PLACEMENTS)
        tags = build_tags(args["fleet"], "worker", group=args["group"], extra=args.get("tags"))
        template = self._make_template(name, args, tags)
        subnets = pulumi.Output.from_input(args["subnet_ids"])
        cluster = None
        if placement == "cluster":  # Which is in one zone.
            child = pulumi.ResourceOptions(parent=self)
            cluster = aws.ec2.PlacementGroup(name, strategy="cluster", tags=tags, opts=child)
            subnets = subnets.apply(lambda known: known[:1])
        group = aws.autoscaling.Group(
            name,
            min_size=0,
            max_size=MOST_INSTANCES,
            desired_capacity=args.get("count", 1),
            vpc_zone_identifiers=subnets,
            placement_group=cluster.name if cluster is not None else None,
            health_check_type="EC2",
            capacity_rebalance=spot != "never",
            # Moving a machine to another zone for symmetry's sake would stop its tasks.
            suspended_processes=["AZRebalance"],
            mixed_instances_policy=aws.autoscaling.GroupMixedInstancesPolicyArgs(
                launch_template=aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateArgs(
                    launch_template_specification=Specification(
                        launch_template_id=template.id, version=template.latest_version.apply(str)
                    ),
                    overrides=[
                        aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateOverrideArgs(instance_type=each)
                        for each in args["instance_types"]
                    ],
                ),
                instances_distribution=build_distribution(spot),
            ),
            # Whoever wants to wait for workers waits until they have registered, which is later.
            wait_for_capacity_timeout="0",
            force_delete=True,
            tags=[
                aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=False)
                for key, value in tags.items()
            ],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=list(OWN_NUMBERS)),
        )
        self.auto_scaling_group = group.name
        self.workers_per_instance = pulumi.Output.from_input(args.get("gpus") or 1)
        self.register_outputs(
            {"autoScalingGroup": self.auto_scaling_group, "workersPerInstance": self.workers_per_instance}
        )

    def _make_template(self, name: str, args: WorkerGroupArgs, tags: dict[str, str]) -> aws.ec2.LaunchTemplate:
        region = aws.get_region(opts=pulumi.InvokeOptions(parent=self)).region
        gpus = args.get("gpus", 0)
        parts: list[pulumi.Input[Any]] = [
            args["scheduler_address"],
            args["secret_arn"],
            args["log_group"],
            args.get("versions"),
        ]
        user_data = pulumi.Output.all(*parts).apply(
            lambda known: render_workers(
                describe_node(
                    fleet=args["fleet"],
                    address=known[0],
                    secret=known[1],
                    region=region,
                    log_group=known[2],
                    versions=known[3],
                ),
                group=args["group"],
                workers="per-gpu" if gpus else 1,
                threads=args.get("threads"),
                memory_limit=args.get("memory_limit"),
                resources=args.get("resources", {}),
                watch="aws-interruptions" if args.get("spot", "never") != "never" else None,
            )
        )
        return aws.ec2.LaunchTemplate(
            name,
            image_id=args["image_id"],
            iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(name=args["instance_profile"]),
            user_data=user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
            network_interfaces=[
                aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                    device_index=0,
                    associate_public_ip_address=str(args.get("public_ips", False)).lower(),
                    security_groups=args["security_group_ids"],
                    delete_on_termination="true",
                )
            ],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",
                http_put_response_hop_limit=1,
                instance_metadata_tags="enabled",
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=args["root_device_name"],
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=args.get("volume_gib", DEFAULT_VOLUME_GIB),
                        encrypted="true",
                        delete_on_termination="true",
                    ),
                )
            ],
            # A machine that switches itself off, as a node does at the end of its life, is not kept and paid for.
            instance_initiated_shutdown_behavior="terminate",
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=each, tags=tags)
                for each in ("instance", "volume", "network-interface")
            ],
            update_default_version=True,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


OWN_NUMBERS = ("desiredCapacity", "mixedInstancesPolicy.instancesDistribution.onDemandBaseCapacity")
"""What belongs to the group: how many machines it has, and how many of them are on-demand where the spot market is
empty."""


def build_distribution(spot: str) -> aws.autoscaling.GroupMixedInstancesPolicyInstancesDistributionArgs:
    """How an Auto Scaling group shares its machines between on-demand and spot."""
    return aws.autoscaling.GroupMixedInstancesPolicyInstancesDistributionArgs(
        on_demand_base_capacity=0,
        on_demand_percentage_above_base_capacity=100 if spot == "never" else 0,
        on_demand_allocation_strategy="prioritized",
        spot_allocation_strategy="price-capacity-optimized",
    )
