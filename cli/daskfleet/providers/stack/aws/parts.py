"""Parts of a fleet's things that have no tag of their own, or go only with what they are in: rules, routes, policies.

`down` need not list them. But one that a killed update made and did not write down is in the way of the next update,
which cannot make it a second time, and of the removal of what it is in.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, is_missing
from daskfleet.providers.stack.aws.openings import RULE, describe_rule
from daskfleet.providers.stack.aws.tags import FLEET_TAG
from daskfleet.providers.stack.cloud import Leftover

ROUTE, ASSOCIATION, POLICY = "route", "route table association", "role policy"


def find_parts(clients: Clients, fleet: str) -> list[Leftover]:
    """The parts of everything that carries the fleet's tag, each by the identifier that it has in a stack's state."""
    with explain_aws_errors():
        return [*_list_rules(clients, fleet), *_list_routes(clients, fleet), *_list_policies(clients, fleet)]


def _filter(fleet: str) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{FLEET_TAG}", "Values": [fleet]}]


def _list_rules(clients: Clients, fleet: str) -> Iterator[Leftover]:
    client = clients.get("ec2")
    pages = client.get_paginator("describe_security_groups").paginate(Filters=_filter(fleet))
    groups = {each["GroupId"]: str(each.get("GroupName")) for page in pages for each in page["SecurityGroups"]}
    if not groups:
        return
    narrow = [{"Name": "group-id", "Values": sorted(groups)}]
    for page in client.get_paginator("describe_security_group_rules").paginate(Filters=narrow):
        for rule in page["SecurityGroupRules"]:
            if rule["GroupId"] in groups:
                name = describe_rule(rule, groups[rule["GroupId"]])
                yield Leftover(RULE, rule["SecurityGroupRuleId"], name, details=rule)


def _list_routes(clients: Clients, fleet: str) -> Iterator[Leftover]:
    for page in clients.get("ec2").get_paginator("describe_route_tables").paginate(Filters=_filter(fleet)):
        for table in page["RouteTables"]:
            for each in table.get("Associations", ()):
                if not each.get("Main"):
                    name = str(each.get("SubnetId") or "")
                    yield Leftover(ASSOCIATION, each["RouteTableAssociationId"], name, details=each)
            for route in table.get("Routes", ()):
                # The network's own are of another origin, and those of its end points lead to prefix lists.
                destination = route.get("DestinationCidrBlock")
                if (
                    destination
                    and route.get("Origin", "CreateRoute") == "CreateRoute"
                    and route.get("GatewayId") != "local"
                ):
                    id_ = route_id(table["RouteTableId"], destination)
                    details = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": destination}
                    yield Leftover(ROUTE, id_, destination, details=details)


def route_id(table: str, destination: str) -> str:
    """What the provider calls a route, which has no identifier in AWS. Pure."""
    return f"r-{table}{binascii.crc32(destination.encode())}"


def _list_policies(clients: Clients, fleet: str) -> Iterator[Leftover]:
    from botocore.exceptions import ClientError

    client = clients.get("iam")
    for page in client.get_paginator("list_roles").paginate(PathPrefix=f"/daskfleet/{fleet}/"):
        for role in page["Roles"]:
            try:
                names = client.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
            except ClientError as error:
                if not is_missing(error):
                    raise
                continue
            for name in names:
                details = {"RoleName": role["RoleName"], "PolicyName": name}
                yield Leftover(POLICY, f"{role['RoleName']}:{name}", details=details)
