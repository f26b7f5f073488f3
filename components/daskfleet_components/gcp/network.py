"""The network of a fleet: a VPC network of its own, or one that exists."""

import ipaddress
import re
from typing import NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from daskfleet_components.gcp.labels import describe
from daskfleet_components.gcp.place import Place, find_place
from daskfleet_components.groups import check_choice

EGRESSES = ("nat", "public-ip", "none")
DEFAULT_CIDR = "10.0.0.0/16"
SHORTEST_PREFIX, LONGEST_PREFIX = 8, 29
"""The sizes of subnets that Google has."""

LEAST_PORTS, MOST_PORTS = 64, 8192
"""Connections of one machine through Cloud NAT at the same time: a worker that reads many objects needs many."""

NETWORK = re.compile(r"projects/(?P<project>[^/]+)/global/networks/(?P<name>[^/]+)")
SUBNET = re.compile(r"projects/(?P<project>[^/]+)/regions/(?P<region>[^/]+)/subnetworks/(?P<name>[^/]+)")


class NetworkArgs(TypedDict):
    """What a network is to be."""

    fleet: str
    """Name of the fleet, for names and marks."""
    cidr: NotRequired[str]
    """Addresses of its one subnet, a prefix of 8 to 29 bits; `10.0.0.0/16` if not given."""
    egress: NotRequired[str]
    """How machines reach the internet: `nat` (Cloud NAT, the default), `public-ip` (each machine has a public address,
    nothing is opened), or `none`. Google's own services are reached without, through private Google access."""
    vpc: NotRequired[pulumi.Input[str]]
    """A network that exists, `projects/PROJECT/global/networks/NAME`, also that of a shared VPC: nothing is made."""
    subnet: NotRequired[pulumi.Input[str]]
    """Its subnet for the machines, `projects/PROJECT/regions/REGION/subnetworks/NAME`."""


class GcpNetwork(pulumi.ComponentResource):
    """A network with one subnet over all zones of the region, and Cloud NAT; or a network that exists."""

    network: pulumi.Output[str]
    """The network, by its link."""
    subnet: pulumi.Output[str]
    """The subnet of the machines, by its link."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:GcpNetwork", name, {}, opts)
        self._name = name
        self.egress: list[pulumi.Resource] = []
        """What machines need before they can reach anything."""
        if "vpc" in args:
            self._adopt(args)
        else:
            self._make(args, find_place(name, pulumi.InvokeOptions(parent=self)))
        self.register_outputs({"network": self.network, "subnet": self.subnet})

    def _adopt(self, args: NetworkArgs) -> None:
        if "subnet" not in args:
            raise pulumi.RunError(f"{self._name}: subnet: an existing network needs the subnet to use; give it.")
        self.network = pulumi.Output.from_input(args["vpc"])
        self.subnet = pulumi.Output.from_input(args["subnet"])

    def _make(self, args: NetworkArgs, place: Place) -> None:
        egress = check_choice(self._name, "egress", args.get("egress", "nat"), EGRESSES)
        try:
            cidr = check_cidr(args.get("cidr", DEFAULT_CIDR))
        except ValueError as error:
            raise pulumi.RunError(f"{self._name}: {error}.") from None
        mark = describe(args["fleet"], place.region, "network")
        child = pulumi.ResourceOptions(parent=self)
        network = gcp.compute.Network(
            self._name,
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            description=mark,
            opts=child,
        )
        subnet = gcp.compute.Subnetwork(
            self._name,
            network=network.self_link,
            region=place.region,
            ip_cidr_range=cidr,
            private_ip_google_access=True,
            description=mark,
            opts=child,
        )
        self.network, self.subnet = network.self_link, subnet.self_link
        if egress != "nat":
            return
        router = gcp.compute.Router(
            self._name, network=network.self_link, region=place.region, description=mark, opts=child
        )
        nat = gcp.compute.RouterNat(
            self._name,
            router=router.name,
            region=place.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                gcp.compute.RouterNatSubnetworkArgs(name=subnet.self_link, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
            ],
            # Otherwise each machine has 64 connections to one address, and not one more.
            enable_dynamic_port_allocation=True,
            enable_endpoint_independent_mapping=False,
            min_ports_per_vm=LEAST_PORTS,
            max_ports_per_vm=MOST_PORTS,
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=child,
        )
        self.egress = [nat]


def check_cidr(cidr: str) -> str:
    """Make sure that a subnet can have these addresses. Pure.

    Raises:
        ValueError: it cannot.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ValueError(f"cidr: {cidr!r} is no IPv4 network ({error}); give one such as 10.0.0.0/16") from None
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise ValueError(
            f"cidr: {cidr}: a subnet has a prefix of {SHORTEST_PREFIX} to {LONGEST_PREFIX} bits; give one such as "
            "10.0.0.0/16"
        )
    return str(network)


def find_project(network: str, own: str) -> str:
    """The project that a network is in, whose firewall is that project's too: with a shared VPC, the host's. Pure."""
    match = NETWORK.search(network)
    return match["project"] if match else own
