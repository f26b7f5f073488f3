"""Remove what carries a fleet's tag and no stack knows of, each thing once what depends on it is gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, is_missing
from daskfleet.providers.stack.cloud import Leftover

WAIT_SECONDS = 600.0
"""How long a machine or a gateway may take to go."""

POLL_SECONDS = 2.0
IN_USE = (
    "DependencyViolation",
    "InvalidParameterValue",
    "InvalidPlacementGroup.InUse",
    "ResourceInUse",
    "DeleteConflict",
    "OperationNotPermitted",
)
"""What AWS says of things that something still holds on to, which may be on its way out."""

GONE_STATES = {"instance": ("terminated",), "NAT gateway": ("deleted", "failed")}


def remove_leftovers(clients: Clients, leftovers: Sequence[Leftover]) -> None:
    """Remove the things, in their order. Safe to repeat: what is gone already is passed over.

    Raises:
        FleetError: something would not go; with what it is and what AWS said.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    kinds = list(dict.fromkeys(each.kind for each in leftovers))
    for kind in kinds:
        several = [each for each in leftovers if each.kind == kind]
        if kind == "instance":
            _terminate(clients, several)
        elif kind == "security group":  # All rules first: two groups that name each other keep each other.
            for each in several:
                _remove(clients, each, _revoke_rules, deadline)
        for each in several:
            if kind in REMOVERS:
                _remove(clients, each, REMOVERS[kind], deadline)
        if kind in GONE_STATES:
            _await_gone(clients, kind, several, deadline)


def _remove(
    clients: Clients, leftover: Leftover, remover: Callable[[Clients, Leftover], None], deadline: float
) -> None:
    from botocore.exceptions import ClientError

    while True:
        try:
            remover(clients, leftover)
        except ClientError as error:
            if is_missing(error):
                return
            code = str(error.response.get("Error", {}).get("Code", ""))
            if not code.startswith(IN_USE) or time.monotonic() > deadline:
                with _naming(leftover), explain_aws_errors():
                    raise
            time.sleep(POLL_SECONDS)
        else:
            return


@contextlib.contextmanager
def _naming(leftover: Leftover) -> Iterator[None]:
    try:
        yield
    except FleetError as error:
        raise FleetError(f"{leftover} cannot be removed: {error}") from None


def _terminate(clients: Clients, instances: list[Leftover]) -> None:
    from botocore.exceptions import ClientError

    client = clients.get("ec2")
    for begin in range(0, len(instances), 1000):
        with explain_aws_errors():
            try:
                client.terminate_instances(InstanceIds=[each.id for each in instances[begin : begin + 1000]])
            except ClientError as error:
                if not is_missing(error):
                    raise


def _await_gone(clients: Clients, kind: str, several: list[Leftover], deadline: float) -> None:
    """Wait until the things are gone: others hang on them."""
    if not several:
        return
    while still := _find_standing(clients, kind, [each.id for each in several]):
        if time.monotonic() > deadline:
            raise FleetError(f"these did not go within {WAIT_SECONDS:g} s: {', '.join(still)}. Say `down` again later.")
        time.sleep(POLL_SECONDS)


def _find_standing(clients: Clients, kind: str, ids: list[str]) -> list[str]:
    client = clients.get("ec2")
    with explain_aws_errors():
        if kind == "instance":
            pages = client.get_paginator("describe_instances").paginate(
                Filters=[{"Name": "instance-id", "Values": ids[:200]}]
            )
            items = [each for page in pages for group in page["Reservations"] for each in group["Instances"]]
            states = {each["InstanceId"]: each["State"]["Name"] for each in items}
        else:
            pages = client.get_paginator("describe_nat_gateways").paginate(
                Filter=[{"Name": "nat-gateway-id", "Values": ids[:200]}]
            )
            states = {each["NatGatewayId"]: each["State"] for page in pages for each in page["NatGateways"]}
    standing = [each for each, state in states.items() if state not in GONE_STATES[kind]]
    return standing or (_find_standing(clients, kind, ids[200:]) if len(ids) > 200 else [])


def _remove_auto_scaling_group(clients: Clients, leftover: Leftover) -> None:
    clients.get("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=leftover.id, ForceDelete=True)


def _remove_address(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("ec2")
    association = leftover.details.get("AssociationId")
    if association:
        _pass_missing(lambda: client.disassociate_address(AssociationId=association))
    client.release_address(AllocationId=leftover.id)


def _revoke_rules(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("ec2")
    answer = client.describe_security_groups(GroupIds=[leftover.id])["SecurityGroups"][0]
    for permissions, revoke in (
        (answer.get("IpPermissions"), client.revoke_security_group_ingress),
        (answer.get("IpPermissionsEgress"), client.revoke_security_group_egress),
    ):
        if permissions:
            _pass_missing(
                lambda revoke=revoke, permissions=permissions: revoke(  # type: ignore[misc]
                    GroupId=leftover.id, IpPermissions=permissions
                )
            )


def _remove_security_group(clients: Clients, leftover: Leftover) -> None:
    if leftover.details.get("GroupName") != "default":  # That one goes with its VPC.
        clients.get("ec2").delete_security_group(GroupId=leftover.id)


def _remove_route_table(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("ec2")
    for association in leftover.details.get("Associations", ()):
        if association.get("Main"):
            return  # It goes with its VPC.
        _pass_missing(
            lambda association=association: client.disassociate_route_table(  # type: ignore[misc]
                AssociationId=association["RouteTableAssociationId"]
            )
        )
    client.delete_route_table(RouteTableId=leftover.id)


def _remove_internet_gateway(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("ec2")
    for attachment in leftover.details.get("Attachments", ()):
        _pass_missing(
            lambda attachment=attachment: client.detach_internet_gateway(  # type: ignore[misc]
                InternetGatewayId=leftover.id, VpcId=attachment["VpcId"]
            )
        )
    client.delete_internet_gateway(InternetGatewayId=leftover.id)


def _remove_end_point(clients: Clients, leftover: Leftover) -> None:
    clients.get("ec2").delete_vpc_endpoints(VpcEndpointIds=[leftover.id])


def _remove_instance_profile(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("iam")
    for role in leftover.details.get("Roles", ()):
        _pass_missing(
            lambda role=role: client.remove_role_from_instance_profile(  # type: ignore[misc]
                InstanceProfileName=leftover.id, RoleName=role["RoleName"]
            )
        )
    client.delete_instance_profile(InstanceProfileName=leftover.id)


def _remove_role(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("iam")
    for name in client.list_role_policies(RoleName=leftover.id)["PolicyNames"]:
        client.delete_role_policy(RoleName=leftover.id, PolicyName=name)
    for policy in client.list_attached_role_policies(RoleName=leftover.id)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=leftover.id, PolicyArn=policy["PolicyArn"])
    for profile in client.list_instance_profiles_for_role(RoleName=leftover.id)["InstanceProfiles"]:
        client.remove_role_from_instance_profile(
            InstanceProfileName=profile["InstanceProfileName"], RoleName=leftover.id
        )
    client.delete_role(RoleName=leftover.id)


def _remove_secret(clients: Clients, leftover: Leftover) -> None:
    clients.get("secretsmanager").delete_secret(SecretId=leftover.id, ForceDeleteWithoutRecovery=True)


def _remove_log_group(clients: Clients, leftover: Leftover) -> None:
    clients.get("logs").delete_log_group(logGroupName=leftover.id)


def _simple(operation: str, argument: str) -> Callable[[Clients, Leftover], None]:
    def remove(clients: Clients, leftover: Leftover) -> None:
        getattr(clients.get("ec2"), operation)(**{argument: leftover.id})

    return remove


def _pass_missing(call: Callable[[], Any]) -> None:
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        if not is_missing(error):
            raise


def _remove_rule(clients: Clients, leftover: Leftover) -> None:
    client = clients.get("ec2")
    revoke = (
        client.revoke_security_group_egress
        if leftover.details.get("IsEgress")
        else client.revoke_security_group_ingress
    )
    revoke(GroupId=leftover.details["GroupId"], SecurityGroupRuleIds=[leftover.id])


def _remove_key_pair(clients: Clients, leftover: Leftover) -> None:
    clients.get("ec2").delete_key_pair(KeyName=leftover.details["KeyName"])


def _remove_route(clients: Clients, leftover: Leftover) -> None:
    clients.get("ec2").delete_route(**leftover.details)


def _remove_policy(clients: Clients, leftover: Leftover) -> None:
    clients.get("iam").delete_role_policy(**leftover.details)


REMOVERS: dict[str, Callable[[Clients, Leftover], None]] = {
    "auto scaling group": _remove_auto_scaling_group,
    "launch template": _simple("delete_launch_template", "LaunchTemplateId"),
    "placement group": _simple("delete_placement_group", "GroupName"),
    "NAT gateway": _simple("delete_nat_gateway", "NatGatewayId"),
    "VPC end point": _remove_end_point,
    "elastic address": _remove_address,
    "network interface": _simple("delete_network_interface", "NetworkInterfaceId"),
    "volume": _simple("delete_volume", "VolumeId"),
    "security group": _remove_security_group,
    "security group rule": _remove_rule,
    "route": _remove_route,
    "route table": _remove_route_table,
    "route table association": _simple("disassociate_route_table", "AssociationId"),
    "subnet": _simple("delete_subnet", "SubnetId"),
    "internet gateway": _remove_internet_gateway,
    "VPC": _simple("delete_vpc", "VpcId"),
    "key pair": _remove_key_pair,
    "instance profile": _remove_instance_profile,
    "role": _remove_role,
    "role policy": _remove_policy,
    "secret": _remove_secret,
    "log group": _remove_log_group,
}
"""How a thing of each kind is removed; instances go all at once."""
