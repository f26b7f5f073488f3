"""Who may talk to whom: a fleet's firewall rules, by the identities of its machines."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.access import SCHEDULER_PORT, SSH_PORT, UNPRIVILEGED
from daskfleet_components.gcp.labels import describe
from daskfleet_components.gcp.network import find_project
from daskfleet_components.gcp.place import find_place

HEALTH_PORT = 8788
"""Where the node of a worker's machine says whether it is well."""

HEALTH_CHECKERS = ["35.191.0.0/16", "130.211.0.0/22"]
"""Where Google asks for that from: https://cloud.google.com/compute/docs/instance-groups/autohealing-instances-in-migs."""


class FirewallArgs(TypedDict):
    """What is open."""

    fleet: str
    """Name of the fleet, for names and marks."""
    network: pulumi.Input[str]
    """The network that the machines are in."""
    scheduler_account: pulumi.Input[str]
    """Email of the scheduler's service account."""
    worker_account: pulumi.Input[str]
    """Email of the workers' service account."""
    client_cidrs: NotRequired[list[str]]
    """IPv4 networks whose clients may reach the scheduler's Dask port; none if not given."""
    ssh_cidrs: NotRequired[list[str]]
    """IPv4 networks from which people may log in to the scheduler's machine; none if not given."""


class GcpFirewall(pulumi.ComponentResource):
    """Rules by service account, which a machine cannot give to itself as it could a network tag.

    The fleet's machines reach one another's Dask ports, and nobody else does. Without a rule nothing is let in.
    """

    rules: pulumi.Output[list[str]]
    """Names of the rules."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpFirewall", name, {}, opts)
        self._name = name
        self._args = args
        place = find_place(name, pulumi.InvokeOptions(parent=self))
        self._mark = describe(args["fleet"], place.region, "network")
        self._project = pulumi.Output.from_input(args["network"]).apply(
            lambda known: find_project(known, place.project)
        )
        scheduler, workers = args["scheduler_account"], args["worker_account"]
        low, high = UNPRIVILEGED
        made = [
            self._allow("scheduler-from-workers", scheduler, str(SCHEDULER_PORT), accounts=[workers]),
            self._allow("workers", workers, f"{low}-{high}", accounts=[scheduler, workers]),
            self._allow("health", workers, str(HEALTH_PORT), cidrs=HEALTH_CHECKERS),
        ]
        for what, port, cidrs in (
            ("clients", SCHEDULER_PORT, args.get("client_cidrs", [])),
            ("ssh", SSH_PORT, args.get("ssh_cidrs", [])),
        ):
            if cidrs:
                made.append(self._allow(what, scheduler, str(port), cidrs=cidrs))
        self.rules = pulumi.Output.all(*(rule.name for rule in made)).apply(list)
        self.register_outputs({"rules": self.rules})

    def _allow(
        self,
        what: str,
        target: pulumi.Input[str],
        ports: str,
        *,
        accounts: Sequence[pulumi.Input[str]] | None = None,
        cidrs: Sequence[str] | None = None,
    ) -> gcp.compute.Firewall:
        return gcp.compute.Firewall(
            f"{self._name}-{what}",
            network=self._args["network"],
            project=self._project,
            direction="INGRESS",
            allows=[gcp.compute.FirewallAllowArgs(protocol="tcp", ports=[ports])],
            source_service_accounts=accounts,
            source_ranges=cidrs,
            target_service_accounts=[target],
            description=self._mark,
            opts=pulumi.ResourceOptions(parent=self),
        )
