"""Who may talk to whom: the security groups of a fleet."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from daskfleet_components.access import SCHEDULER_PORT, SSH_PORT, UNPRIVILEGED
from daskfleet_components.aws.network import EVERYWHERE
from daskfleet_components.naming import build_tags


class FirewallArgs(TypedDict):
    """What is open."""

    fleet: str
    """Name of the fleet, for names and tags."""
    vpc_id: pulumi.Input[str]
    """The VPC that the machines are in."""
    client_cidrs: NotRequired[list[str]]
    """IPv4 networks whose clients may reach the scheduler's Dask port; none if not given."""
    ssh_cidrs: NotRequired[list[str]]
    """IPv4 networks from which people may log in to the scheduler's machine; none if not given."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AwsFirewall(pulumi.ComponentResource):
    """Two security groups, the scheduler's and the workers'.

    Their members reach one another's Dask ports, nobody else does.
    """

    scheduler_group_id: pulumi.Output[str]
    """Security group of the scheduler's machine."""
    worker_group_id: pulumi.Output[str]
    """Security group of the workers' machines."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AwsFirewall", name, {}, opts)
        self._name = name
        self._args = args
        scheduler = self._make_group("scheduler")
        workers = self._make_group("worker")
        port = (SCHEDULER_PORT, SCHEDULER_PORT)
        self._allow("scheduler-from-workers", scheduler, port, referenced_security_group_id=workers.id)
        self._allow("workers-from-scheduler", workers, UNPRIVILEGED, referenced_security_group_id=scheduler.id)
        self._allow("workers-from-workers", workers, UNPRIVILEGED, referenced_security_group_id=workers.id)
        for cidr in args.get("client_cidrs", []):
            self._allow(f"client-{cidr}", scheduler, port, cidr_ipv4=cidr)
        for cidr in args.get("ssh_cidrs", []):
            self._allow(f"ssh-{cidr}", scheduler, (SSH_PORT, SSH_PORT), cidr_ipv4=cidr)
        for role, group in (("scheduler", scheduler), ("worker", workers)):
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-{role}-out",
                security_group_id=group.id,
                cidr_ipv4=EVERYWHERE,
                ip_protocol="-1",
                tags=self._tags(role),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.scheduler_group_id = scheduler.id
        self.worker_group_id = workers.id
        self.register_outputs({"schedulerGroupId": self.scheduler_group_id, "workerGroupId": self.worker_group_id})

    def _make_group(self, role: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{self._name}-{role}",
            vpc_id=self._args["vpc_id"],
            description=f"The {role} machines of a Dask fleet",
            tags=self._tags(role),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _allow(
        self, what: str, group: aws.ec2.SecurityGroup, ports: tuple[int, int], **source: pulumi.Input[str]
    ) -> None:
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{what}",
            security_group_id=group.id,
            ip_protocol="tcp",
            from_port=ports[0],
            to_port=ports[1],
            tags=self._tags("network"),
            opts=pulumi.ResourceOptions(parent=self),
            **source,
        )

    def _tags(self, role: str) -> dict[str, str]:
        return build_tags(self._args["fleet"], role, extra=self._args.get("tags"))
