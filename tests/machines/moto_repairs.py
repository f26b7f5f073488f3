"""Where moto must be truer to AWS than it is."""

from __future__ import annotations

from typing import Any

import moto_market
import moto_placement
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.subnets import Subnet
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend

choose_address = Subnet.get_available_subnet_ip


def choose_free_address(self: Subnet, instance: Any) -> str:
    """An address that no network interface has; moto looks at those of instances only."""
    taken = {each.private_ip_address for each in self.ec2_backend.enis.values() if each.subnet.id == self.id}
    while (address := choose_address(self, instance)) in taken:
        continue  # It counts as given now.
    return address


delete_gateway = NatGatewayBackend.delete_nat_gateway


def delete_gateway_with_interface(self: Any, nat_gateway_id: str) -> NatGateway:
    """A NAT gateway takes its network interface along and lets go of its address; moto leaves both."""
    gateway = delete_gateway(self, nat_gateway_id)
    for address in self.addresses:
        if address.eni is gateway._eni:
            self.disassociate_address(address=address.public_ip)
    self.enis.pop(gateway._eni.id, None)
    return gateway


take_role = IAMBackend.remove_role_from_instance_profile


def take_role_that_is_there(self: Any, profile_name: str, role_name: str) -> None:
    """A role that an instance profile has not; moto breaks."""
    if not any(role.name == role_name for role in self.get_instance_profile(profile_name).roles):
        raise NotFoundException(f"The role with name {role_name} cannot be found.")
    take_role(self, profile_name, role_name)


def repair() -> None:
    """Put all of it into moto."""
    moto_market.repair()
    moto_placement.repair()
    IAMBackend.remove_role_from_instance_profile = take_role_that_is_there  # type: ignore[method-assign]
    NatGatewayBackend.delete_nat_gateway = delete_gateway_with_interface  # type: ignore[method-assign]
    Subnet.get_available_subnet_ip = choose_free_address  # type: ignore[method-assign]
