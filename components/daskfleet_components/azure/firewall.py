"""Who may talk to whom: a fleet's network security group, by what its machines are."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.access import SCHEDULER_PORT, SSH_PORT, UNPRIVILEGED
from daskfleet_components.naming import build_tags

HEALTH_PORT = 8788
"""Where the node of a worker's machine says whether it is well. It is asked from the machine itself."""

LAST_PRIORITY = 4096
"""Of the rules that can be made; Azure's own come after, and let in all of the virtual network."""


class FirewallArgs(TypedDict):
    """What is open."""

    fleet: str
    """Name of the fleet, for tags."""
    resource_group: pulumi.Input[str]
    """Resource group that it is made in."""
    location: str
    """Region that it is made in."""
    client_cidrs: NotRequired[list[str]]
    """IPv4 networks whose clients may reach the scheduler's Dask port; none if not given."""
    ssh_cidrs: NotRequired[list[str]]
    """IPv4 networks from which people may log in to the scheduler's machine; none if not given."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AzureFirewall(pulumi.ComponentResource):
    """A network security group for the machines' interfaces, and what they are: application security groups.

    The fleet's machines reach one another's Dask ports, and nobody else does, also from the same virtual network. It is
    set on interfaces, not on a subnet: so a subnet that exists stays as it is.
    """

    security_group: pulumi.Output[str]
    """The network security group, by its identifier."""
    scheduler: pulumi.Output[str]
    """Application security group of the scheduler's machine."""
    workers: pulumi.Output[str]
    """Application security group of the workers' machines."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureFirewall", name, {}, opts)
        self._name = name
        self._args = args
        self.scheduler = self._make_application("scheduler")
        self.workers = self._make_application("worker")
        group = azure.network.NetworkSecurityGroup(
            name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            security_rules=self._build_rules(),
            tags=build_tags(args["fleet"], "network", extra=args.get("tags")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.security_group = group.id
        self.register_outputs(
            {"securityGroup": self.security_group, "scheduler": self.scheduler, "workers": self.workers}
        )

    def _make_application(self, role: str) -> pulumi.Output[str]:
        args = self._args
        made = azure.network.ApplicationSecurityGroup(
            f"{self._name}-{role}",
            resource_group_name=args["resource_group"],
            location=args["location"],
            tags=build_tags(args["fleet"], role, extra=args.get("tags")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made.id

    def _build_rules(self) -> list[azure.network.SecurityRuleArgs]:
        low, high = UNPRIVILEGED
        ports = f"{low}-{high}"
        rules = [
            self._allow(100, "scheduler-from-workers", self.scheduler, str(SCHEDULER_PORT), group=self.workers),
            self._allow(110, "workers-from-scheduler", self.workers, ports, group=self.scheduler),
            self._allow(120, "workers-from-workers", self.workers, ports, group=self.workers),
        ]
        for priority, what, port, cidrs in (
            (200, "clients", SCHEDULER_PORT, self._args.get("client_cidrs", [])),
            (210, "ssh", SSH_PORT, self._args.get("ssh_cidrs", [])),
        ):
            if cidrs:
                rules.append(self._allow(priority, what, self.scheduler, str(port), cidrs=cidrs))
        rules.append(
            azure.network.SecurityRuleArgs(
                name="nobody-else",
                priority=LAST_PRIORITY,
                direction="Inbound",
                access="Deny",
                protocol="*",
                source_address_prefix="*",
                source_port_range="*",
                destination_address_prefix="*",
                destination_port_range="*",
            )
        )
        return rules

    @staticmethod
    def _allow(
        priority: int,
        what: str,
        target: pulumi.Input[str],
        ports: str,
        *,
        group: pulumi.Input[str] | None = None,
        cidrs: list[str] | None = None,
    ) -> azure.network.SecurityRuleArgs:
        return azure.network.SecurityRuleArgs(
            name=what,
            priority=priority,
            direction="Inbound",
            access="Allow",
            protocol="Tcp",
            source_application_security_groups=[azure.network.ApplicationSecurityGroupArgs(id=group)]
            if group
            else None,
            source_address_prefixes=cidrs,
            source_port_range="*",
            destination_application_security_groups=[azure.network.ApplicationSecurityGroupArgs(id=target)],
            destination_port_range=ports,
        )
