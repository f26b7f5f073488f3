"""The network of a fleet: a virtual network of its own, or one that exists."""

import ipaddress
from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.groups import check_choice
from daskfleet_components.naming import build_tags

EGRESSES = ("nat", "public-ip", "none")
DEFAULT_CIDR = "10.0.0.0/16"
SHORTEST_PREFIX, LONGEST_PREFIX = 8, 27
"""Azure keeps five addresses of each subnet, and the scheduler's is the tenth after its first."""

SUBNET = "machines"
SCHEDULER_HOST = 10

SERVICES = ("Microsoft.KeyVault", "Microsoft.Storage")
"""What machines reach over Azure's own network, whatever their way to the internet."""

NAT_MINUTES = 10
"""After which a connection that says nothing is forgotten; tasks may wait long for a database."""


class NetworkArgs(TypedDict):
    """What a network is to be."""

    fleet: str
    """Name of the fleet, for tags."""
    resource_group: pulumi.Input[str]
    """Resource group that it is made in."""
    location: str
    """Region that it is made in."""
    cidr: NotRequired[str]
    """Addresses of its one subnet, a prefix of 8 to 27 bits; `10.0.0.0/16` if not given."""
    egress: NotRequired[str]
    """How machines reach the internet: `nat` (a NAT gateway, the default), `public-ip` (each machine has a public
    address, nothing is opened), or `none`. Key Vault and storage are reached without, through service endpoints."""
    subnet: NotRequired[pulumi.Input[str]]
    """Identifier of a subnet that exists, in the same region: nothing is made."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AzureNetwork(pulumi.ComponentResource):
    """A virtual network with one subnet, and a NAT gateway; or a subnet that exists."""

    network: pulumi.Output[str]
    """The virtual network, by its identifier."""
    subnet: pulumi.Output[str]
    """The subnet of the machines, by its identifier."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureNetwork", name, {}, opts)
        self._name = name
        self._args = args
        self._tags = build_tags(args["fleet"], "network", extra=args.get("tags"))
        self.scheduler_address: str | None = None
        """The address that the scheduler is given; `None` leaves it to Azure, as addresses of others are not known."""
        if "subnet" in args:
            self.subnet = pulumi.Output.from_input(args["subnet"])
            self.network = self.subnet.apply(lambda known: known.rpartition("/subnets/")[0])
        else:
            self._make()
        self.register_outputs({"network": self.network, "subnet": self.subnet})

    def _make(self) -> None:
        args = self._args
        egress = check_choice(self._name, "egress", args.get("egress", "nat"), EGRESSES)
        try:
            cidr = check_cidr(args.get("cidr", DEFAULT_CIDR))
        except ValueError as error:
            raise pulumi.RunError(f"{self._name}: {error}.") from None
        self.scheduler_address = choose_scheduler_address(cidr)
        gateway = self._make_gateway() if egress == "nat" else None
        network = azure.network.VirtualNetwork(
            self._name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            address_space=azure.network.AddressSpaceArgs(address_prefixes=[cidr]),
            subnets=[
                azure.network.SubnetArgs(
                    name=SUBNET,
                    address_prefix=cidr,
                    nat_gateway=azure.network.SubResourceArgs(id=gateway.id) if gateway is not None else None,
                    # Otherwise Azure gives each machine a way to the internet that nobody has asked for.
                    default_outbound_access=False,
                    service_endpoints=[
                        azure.network.ServiceEndpointPropertiesFormatArgs(service=service) for service in SERVICES
                    ],
                )
            ],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.network = network.id
        self.subnet = pulumi.Output.concat(network.id, f"/subnets/{SUBNET}")

    def _make_gateway(self) -> azure.network.NatGateway:
        args = self._args
        address = make_address(
            f"{self._name}-nat",
            args["resource_group"],
            args["location"],
            self._tags,
            pulumi.ResourceOptions(parent=self),
        )
        return azure.network.NatGateway(
            self._name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            sku=azure.network.NatGatewaySkuArgs(name="Standard"),
            idle_timeout_in_minutes=NAT_MINUTES,
            public_ip_addresses=[azure.network.SubResourceArgs(id=address.id)],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


def make_address(
    name: str,
    resource_group: pulumi.Input[str],
    location: str,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> azure.network.PublicIPAddress:
    """A public address that stays; nothing is opened by it."""
    return azure.network.PublicIPAddress(
        name,
        resource_group_name=resource_group,
        location=location,
        sku=azure.network.PublicIPAddressSkuArgs(name="Standard"),
        public_ip_allocation_method="Static",
        public_ip_address_version="IPv4",
        tags=dict(tags),
        # What it serves, Azure writes into it, and a refresh finds it there.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["natGateway"])),
    )


def check_cidr(cidr: str) -> str:
    """Make sure that the subnet can have these addresses. Pure.

    Raises:
        ValueError: it cannot.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ValueError(f"cidr: {cidr!r} is no IPv4 network ({error}); give one such as 10.0.0.0/16") from None
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise ValueError(
            f"cidr: {cidr}: a fleet's network has a prefix of {SHORTEST_PREFIX} to {LONGEST_PREFIX} bits; give one "
            "such as 10.0.0.0/16"
        )
    return str(network)


def choose_scheduler_address(cidr: str) -> str:
    """The scheduler's address in a network of the fleet's own. Pure."""
    return str(ipaddress.IPv4Network(cidr)[SCHEDULER_HOST])
