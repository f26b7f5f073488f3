"""What AWS refuses to launch, and moto would: images, types, groups, keys, profiles that do not exist."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Collection, Mapping
from typing import Any

from stand_ins.aws.call import Call, error_code, refuse
from stand_ins.aws.ec2 import filters

USER_DATA_BYTES = 16 * 1024
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
RESERVED_FIRST = 4
"""AWS keeps the first four addresses of each subnet, and the last one."""


def check_launch(call: Call, operation: str, data: Mapping[str, Any], subnets: Collection[str] = ()) -> None:
    """That what `data` names exists; `data` has the names of RunInstances and of launch templates."""
    if image := data.get("ImageId"):
        _check_image(call, operation, image)
    if kind := data.get("InstanceType"):
        check_types(call, operation, [kind])
    key = data.get("KeyName")
    if key and call.find_one(call.ec2.describe_key_pairs, "KeyPairs", KeyNames=[key]) is None:
        raise refuse("InvalidKeyPair.NotFound", operation, f"The key pair '{key}' does not exist")
    if profile := data.get("IamInstanceProfile"):
        _check_profile(call, operation, profile)
    groups = list(data.get("SecurityGroupIds") or ())
    for interface in data.get("NetworkInterfaces") or ():
        groups += interface.get("Groups") or ()
    check_groups(call, operation, groups, subnets)


def check_user_data(operation: str, encoded: str | None) -> None:
    """The limit is on what is encoded, not on the code."""
    if encoded and len(base64.b64decode(encoded)) > USER_DATA_BYTES:
        raise refuse("InvalidParameterValue", operation, f"User data is limited to {USER_DATA_BYTES} bytes")


def _check_image(call: Call, operation: str, image: str) -> None:
    if image.startswith("resolve:ssm:"):
        return
    if call.find_one(call.ec2.describe_images, "Images", ImageIds=[image]) is None:
        raise refuse("InvalidAMIID.NotFound", operation, f"The image id '[{image}]' does not exist")


def check_types(call: Call, operation: str, types: Collection[str]) -> None:
    """Instance types of this region."""
    for kind in types:
        try:
            call.ec2.describe_instance_types(InstanceTypes=[kind])
        except Exception as error:
            if error_code(error) != "InvalidInstanceType":
                raise
            message = f"Invalid value '{kind}' for InstanceType."
            raise refuse("InvalidParameterValue", operation, message) from None


def _check_profile(call: Call, operation: str, profile: Mapping[str, Any]) -> None:
    name = profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2]
    iam = call.client("iam")
    found = call.find_one(lambda **which: {"it": [iam.get_instance_profile(**which)]}, "it", InstanceProfileName=name)
    if found is None:
        spelled, value = ("name", name) if profile.get("Name") else ("arn", profile.get("Arn"))
        message = (
            f"Value ({value}) for parameter iamInstanceProfile.{spelled} is invalid. "
            f"Invalid IAM Instance Profile {spelled.upper() if spelled == 'arn' else spelled}"
        )
        raise refuse("InvalidParameterValue", operation, message)


def check_groups(call: Call, operation: str, groups: Collection[str], subnets: Collection[str]) -> None:
    """Security groups, in the network of the subnets."""
    found = {}
    for group in groups:
        described = call.find_one(call.ec2.describe_security_groups, "SecurityGroups", GroupIds=[group])
        if described is None:
            raise refuse("InvalidGroup.NotFound", operation, f"The security group '{group}' does not exist")
        found[group] = described.get("VpcId")
    for subnet in subnets if found else ():
        network = find_subnet(call, operation, subnet)["VpcId"]
        for group, other in found.items():
            if other != network:
                message = f"Security group {group} and subnet {subnet} belong to different networks."
                raise refuse("InvalidParameter", operation, message)


def find_subnet(call: Call, operation: str, id_: str) -> dict[str, Any]:
    """A subnet that has to exist."""
    subnet = call.find_one(call.ec2.describe_subnets, "Subnets", SubnetIds=[id_])
    if subnet is None:
        raise refuse("InvalidSubnetID.NotFound", operation, f"The subnet ID '{id_}' does not exist")
    return subnet


def check_addresses(call: Call, operation: str, subnet: str, addresses: Collection[str]) -> None:
    """Private addresses that a new interface may have."""
    if not addresses:
        return
    network, taken = _find_addresses(call, operation, subnet)
    for address in addresses:
        if ipaddress.ip_address(address) not in network:
            raise refuse("InvalidParameterValue", operation, "Address does not fall within the subnet's address range")
        if _is_reserved(network, ipaddress.ip_address(address)):
            raise refuse("InvalidParameterValue", operation, "Address is in subnet's reserved address range")
        if address in taken:
            raise refuse("InvalidIPAddress.InUse", operation, "Address is in use.")


def choose_address(call: Call, operation: str, subnet: str) -> str:
    """A free one: moto would choose any, a reserved one or another's too."""
    network, taken = _find_addresses(call, operation, subnet)
    for address in network:
        if not _is_reserved(network, address) and str(address) not in taken:
            return str(address)
    message = f"Insufficient free addresses in subnet '{subnet}'."
    raise refuse("InsufficientFreeAddressesInSubnet", operation, message)


def _find_addresses(call: Call, operation: str, subnet: str) -> tuple[Network, set[str]]:
    """Those of a subnet, and those that are taken."""
    network = ipaddress.ip_network(find_subnet(call, operation, subnet)["CidrBlock"])
    return network, {
        item["PrivateIpAddress"]
        for interface in call.ec2.describe_network_interfaces(Filters=filters(subnet_id=subnet))["NetworkInterfaces"]
        for item in interface.get("PrivateIpAddresses", ())
    }


def _is_reserved(network: Network, address: Address) -> bool:
    return int(address) - int(network.network_address) < RESERVED_FIRST or address == network.broadcast_address
