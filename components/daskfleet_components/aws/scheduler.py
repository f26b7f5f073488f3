"""The scheduler of a fleet: one machine with an address that stays."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.access import SCHEDULER_PORT
from daskfleet_components.aws.documents import describe_node
from daskfleet_components.documents import render_scheduler
from daskfleet_components.groups import SCHEDULER_VOLUME_GIB
from daskfleet_components.naming import build_tags


class SchedulerArgs(TypedDict):
    """What the scheduler's machine is."""

    fleet: str
    """Name of the fleet."""
    instance_type: str
    """Its instance type."""
    subnet_id: pulumi.Input[str]
    """Subnet that it is in."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """Its security groups."""
    instance_profile: pulumi.Input[str]
    """Name of the instance profile that gives it its role."""
    image_id: pulumi.Input[str]
    """The image that it boots."""
    root_device_name: pulumi.Input[str]
    """Name of the image's root device."""
    secret_arn: pulumi.Input[str]
    """The secret with its TLS material."""
    log_group: pulumi.Input[str]
    """Name of the log group that it writes to."""
    versions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """What the image must hold, by `python`, `dask`, `distributed` and `cloudpickle`: with anything else a machine does
    not join the fleet."""
    public: NotRequired[bool]
    """Whether it has a public address. What may reach it there, its security groups say."""
    volume_gib: NotRequired[int]
    """Size of its disk in GiB; 20 if not given."""
    key_name: NotRequired[pulumi.Input[str] | None]
    """Name of the key pair of those who may log in."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsScheduler(pulumi.ComponentResource):
    """A machine that runs the scheduler.

    Its address belongs to a network interface of its own, so that it stays when the machine is replaced. EC2 recovers
    the machine when its host fails.
    """

    instance_id: pulumi.Output[str]
    """Identifier of the instance."""
    private_ip: pulumi.Output[str]
    """Its address in the VPC."""
    public_ip: pulumi.Output[str]
    """Its public address; empty where it has none."""
    address: pulumi.Output[str]
    """Address for workers: `tls://host:8786`."""

    def __init__(self, name: str, args: SchedulerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsScheduler", name, {}, opts)
        fleet = args["fleet"]
        tags = build_tags(fleet, "scheduler", extra=args.get("tags"))
        child = pulumi.ResourceOptions(parent=self)
        interface = aws.ec2.NetworkInterface(
            name,
            subnet_id=args["subnet_id"],
            security_groups=args["security_group_ids"],
            description=f"The scheduler of the Dask fleet {fleet}",
            tags=tags,
            opts=child,
        )
        self.private_ip = interface.private_ip
        self.address = pulumi.Output.concat("tls://", interface.private_ip, f":{SCHEDULER_PORT}")
        region = aws.get_region(opts=pulumi.InvokeOptions(parent=self)).region
        parts: list[pulumi.Input[Any]] = [self.address, args["secret_arn"], args["log_group"], args.get("versions")]
        user_data = pulumi.Output.all(*parts).apply(
            lambda known: render_scheduler(
                describe_node(
                    fleet=fleet, address=known[0], secret=known[1], region=region, log_group=known[2], versions=known[3]
                )
            )
        )
        instance = aws.ec2.Instance(
            name,
            ami=args["image_id"],
            instance_type=args["instance_type"],
            iam_instance_profile=args["instance_profile"],
            primary_network_interface=aws.ec2.InstancePrimaryNetworkInterfaceArgs(network_interface_id=interface.id),
            user_data=user_data,
            user_data_replace_on_change=True,
            key_name=args.get("key_name"),
            # Version 2 only, and not for what the machine forwards.
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",
                http_put_response_hop_limit=1,
                instance_metadata_tags="enabled",
            ),
            maintenance_options=aws.ec2.InstanceMaintenanceOptionsArgs(auto_recovery="default"),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                volume_type="gp3",
                volume_size=args.get("volume_gib", SCHEDULER_VOLUME_GIB),
                encrypted=True,
                delete_on_termination=True,
                tags=tags,
            ),
            tags=tags,
            # The interface is free for the next machine only when this one is gone.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.instance_id = instance.id
        self.public_ip = pulumi.Output.from_input("")
        if args.get("public"):
            address = aws.ec2.Eip(name, domain="vpc", network_interface=interface.id, tags=tags, opts=child)
            self.public_ip = address.public_ip
        self.register_outputs(
            {
                "instanceId": self.instance_id,
                "privateIp": self.private_ip,
                "publicIp": self.public_ip,
                "address": self.address,
            }
        )
