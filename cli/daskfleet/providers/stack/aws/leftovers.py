"""Everything in a region that carries a fleet's tag: what `down` looks for, whatever the stack's state says.

Each service is asked itself, not the tagging API, which learns of things late and knows no roles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, find_tag
from daskfleet.providers.stack.aws.connections import list_secrets
from daskfleet.providers.stack.aws.tags import FLEET_TAG, GROUP_TAG
from daskfleet.providers.stack.cloud import Leftover


@dataclass(frozen=True)
class Listing:
    """How the things of one kind in EC2 are listed."""

    kind: str
    """`instance`, as people say it."""
    operation: str
    items: str
    """Key of the answer that holds them."""
    id: str
    """Key of the identifier in each."""
    gone: tuple[str, ...] = ()
    """States in which a thing is only remembered."""
    filter: str = "Filters"
    tags: str = "Tags"
    """Key of its tags in each."""


EC2 = (
    Listing("instance", "describe_instances", "Reservations", "InstanceId", ("terminated",)),
    Listing("launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    Listing("placement group", "describe_placement_groups", "PlacementGroups", "GroupName", ("deleted",)),
    Listing("NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId", ("deleted", "failed"), "Filter"),
    Listing("VPC end point", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", ("deleted",)),
    Listing("elastic address", "describe_addresses", "Addresses", "AllocationId"),
    Listing(
        "network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", tags="TagSet"
    ),
    Listing("volume", "describe_volumes", "Volumes", "VolumeId", ("deleted",)),
    Listing("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
    Listing("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
    Listing("subnet", "describe_subnets", "Subnets", "SubnetId"),
    Listing("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    Listing("VPC", "describe_vpcs", "Vpcs", "VpcId"),
    Listing("key pair", "describe_key_pairs", "KeyPairs", "KeyPairId"),
)

ORDER = ("auto scaling group", *(each.kind for each in EC2), "instance profile", "role", "secret", "log group")
"""In which the kinds can be removed: what depends on others comes before them."""


def find_leftovers(clients: Clients, fleet: str) -> list[Leftover]:
    """What carries the fleet's tag, or its path, in the order in which it can be removed."""
    for service in ("ec2", "autoscaling", "iam", "secretsmanager", "logs"):
        clients.get(service)
    questions: list[Callable[[], list[Leftover]]] = [
        *(lambda listing=listing: _list_ec2(clients, listing, fleet) for listing in EC2),
        lambda: _list_groups(clients, fleet),
        lambda: _list_iam(clients, "role", "list_roles", "Roles", "RoleName", fleet),
        lambda: _list_iam(
            clients, "instance profile", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName", fleet
        ),
        lambda: [Leftover("secret", each["ARN"], each["Name"]) for each in list_secrets(clients, fleet)],
        lambda: _list_log_groups(clients, fleet),
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = [each for answer in pool.map(lambda ask: ask(), questions) for each in answer]
    return sorted(found, key=lambda each: (ORDER.index(each.kind), each.id))


def _list_ec2(clients: Clients, listing: Listing, fleet: str) -> list[Leftover]:
    client = clients.get("ec2")
    arguments = {listing.filter: [{"Name": f"tag:{FLEET_TAG}", "Values": [fleet]}]}
    with explain_aws_errors():
        if client.can_paginate(listing.operation):
            pages: Iterable[dict[str, Any]] = client.get_paginator(listing.operation).paginate(**arguments)
        else:
            pages = [getattr(client, listing.operation)(**arguments)]
        items = [item for page in pages for item in page[listing.items]]
    return read_items(listing, items, fleet)


def read_items(listing: Listing, items: Iterable[dict[str, Any]], fleet: str) -> list[Leftover]:
    """The things among what EC2 answers that are really there and the fleet's own: what is found is removed. Pure."""
    if listing.kind == "instance":
        items = [instance for reservation in items for instance in reservation["Instances"]]
    found = []
    for item in items:
        state = item.get("State")
        name = state.get("Name") if isinstance(state, dict) else state
        if name not in listing.gone and find_tag(item, FLEET_TAG, listing.tags) == fleet:
            named, group = (find_tag(item, tag, listing.tags) for tag in ("Name", GROUP_TAG))
            found.append(Leftover(listing.kind, item[listing.id], named, group, item, _find_holder(item)))
    return found


def _find_holder(item: dict[str, Any]) -> str:
    """The instance that a volume or a network interface is attached to."""
    attachments = item.get("Attachments") or [item.get("Attachment") or {}]
    return str(attachments[0].get("InstanceId") or "")


def _list_groups(clients: Clients, fleet: str) -> list[Leftover]:
    with explain_aws_errors():
        pages = (
            clients.get("autoscaling")
            .get_paginator("describe_auto_scaling_groups")
            .paginate(Filters=[{"Name": f"tag:{FLEET_TAG}", "Values": [fleet]}])
        )
        return [
            Leftover("auto scaling group", each["AutoScalingGroupName"])
            for page in pages
            for each in page["AutoScalingGroups"]
            if find_tag(each, FLEET_TAG) == fleet
        ]


def _list_iam(clients: Clients, kind: str, operation: str, items: str, name: str, fleet: str) -> list[Leftover]:
    with explain_aws_errors():
        path = f"/daskfleet/{fleet}/"
        pages = clients.get("iam").get_paginator(operation).paginate(PathPrefix=path)
        return [
            Leftover(kind, each[name], details=each)
            for page in pages
            for each in page[items]
            if each["Path"].startswith(path)
        ]


def _list_log_groups(clients: Clients, fleet: str) -> list[Leftover]:
    with explain_aws_errors():
        prefix = f"/daskfleet/{fleet}/"
        pages = clients.get("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        names = [each["logGroupName"] for page in pages for each in page["logGroups"]]
        return [Leftover("log group", name) for name in names if name.startswith(prefix)]
