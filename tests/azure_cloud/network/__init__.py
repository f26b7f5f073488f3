"""Microsoft.Network."""

from __future__ import annotations

from azure_cloud.arm import Kind
from azure_cloud.network.application_groups import ApplicationSecurityGroups
from azure_cloud.network.interfaces import NetworkInterfaces
from azure_cloud.network.nat_gateways import NatGateways
from azure_cloud.network.public_addresses import PublicAddresses
from azure_cloud.network.security_groups import NetworkSecurityGroups
from azure_cloud.network.virtual_networks import Subnets, VirtualNetworks

NETWORK: tuple[type[Kind], ...] = (
    ApplicationSecurityGroups,
    NatGateways,
    NetworkInterfaces,
    NetworkSecurityGroups,
    PublicAddresses,
    Subnets,
    VirtualNetworks,
)
