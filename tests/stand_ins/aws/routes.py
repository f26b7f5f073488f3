"""EC2's route tables, their routes, and whom they are for."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call
from stand_ins.aws.ec2 import IN_USE, check_blocks
from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many, to_api

TARGETS = fields(
    "gatewayId natGatewayId networkInterfaceId egressOnlyGatewayId=EgressOnlyInternetGatewayId transitGatewayId "
    "vpcEndpointId vpcPeeringConnectionId"
)


DESTINATIONS = fields("destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId")


def find_destination(route: Properties) -> str:
    """What identifies a route in its table."""
    return next(str(route[name]) for name in DESTINATIONS if route.get(name))


def read_route(route: Properties) -> dict[str, Any]:
    """A route as EC2 described it."""
    found = from_api({**DESTINATIONS, **TARGETS}, route)
    if str(found.get("gatewayId", "")).startswith("vpce-"):
        found["vpcEndpointId"] = found.pop("gatewayId")
    return found


class Route(Resource[Call]):
    token = "aws:ec2/route:Route"
    label = "EC2 Route"
    inputs = {**fields("routeTableId region"), **DESTINATIONS, **TARGETS}
    replaces = ("routeTableId", *DESTINATIONS, "region")
    exactly_one = (tuple(DESTINATIONS), tuple(TARGETS))

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        yield from check_blocks(given, "destinationCidrBlock", "destinationIpv6CidrBlock")

    def find_id(self, call: Call, imported: str) -> str:
        table, _, destination = imported.partition("_")
        if not destination:
            raise Refused(f"unexpected format for ID ({imported}), expected ROUTETABLEID_DESTINATION")
        return self._id(table, destination)

    def _id(self, table: str, destination: str) -> str:
        return f"r-{table}{zlib.crc32(destination.encode())}"

    def create(self, call: Call, given: Properties) -> str:
        table, destination = given["routeTableId"], find_destination(given)
        if self._find(call, table, self._id(table, destination)):
            raise Refused(
                f"creating EC2 Route: api error RouteAlreadyExists: Route in Route Table ({table}) with destination "
                f"({destination}) already exists"
            )
        call.ec2.create_route(RouteTableId=table, **to_api({**DESTINATIONS, **TARGETS}, given))
        return self._id(table, destination)

    def _find(self, call: Call, table: str, id_: str) -> dict[str, Any] | None:
        described = call.find_one(call.ec2.describe_route_tables, "RouteTables", RouteTableIds=[table]) or {}
        for route in described.get("Routes", ()):
            found = read_route(route)
            if route.get("GatewayId") != "local" and self._id(table, find_destination(found)) == id_:
                return {**from_api(fields("instanceId instanceOwnerId origin state"), route), **found}
        return None

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        table = known.get("routeTableId") or id_.removeprefix("r-")[: len("rtb-") + 17]
        found = self._find(call, table, id_)
        return {**found, "routeTableId": table} if found else None

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        call.ec2.replace_route(RouteTableId=new["routeTableId"], **to_api({**DESTINATIONS, **TARGETS}, new))

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        call.delete(lambda: call.ec2.delete_route(RouteTableId=old["routeTableId"], **to_api(DESTINATIONS, old)))


INLINE_DESTINATIONS = fields(
    "cidrBlock=DestinationCidrBlock ipv6CidrBlock=DestinationIpv6CidrBlock "
    "destinationPrefixListId=DestinationPrefixListId"
)


INLINE = {
    **INLINE_DESTINATIONS,
    **fields("gatewayId natGatewayId networkInterfaceId egressOnlyGatewayId=EgressOnlyInternetGatewayId"),
    **fields("transitGatewayId vpcEndpointId vpcPeeringConnectionId"),
}


class RouteTable(Resource[Call]):
    token = "aws:ec2/routeTable:RouteTable"
    label = "EC2 Route Table"
    inputs = fields("vpcId tags region", routes=many(INLINE))
    replaces = ("vpcId", "region")
    sets = ("routes",)

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.create_route_table(VpcId=given["vpcId"], **tags.spec("route-table", given))
        return str(answer["RouteTable"]["RouteTableId"])

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        for route in given.get("routes") or ():
            call.ec2.create_route(RouteTableId=id_, **to_api(INLINE, route))

    def _find(self, call: Call, id_: str) -> dict[str, Any] | None:
        return call.find_one(call.ec2.describe_route_tables, "RouteTables", RouteTableIds=[id_])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        table = self._find(call, id_)
        if table is None:
            return None
        routes = [
            from_api(INLINE, route)
            for route in table.get("Routes", ())
            # The route inside the VPC is nobody's, and an end point of the gateway kind adds its own.
            if route.get("GatewayId") != "local" and not str(route.get("GatewayId", "")).startswith("vpce-")
        ]
        return {
            "vpcId": table["VpcId"],
            "routes": routes,
            "ownerId": table.get("OwnerId", call.account.id),
            "propagatingVgws": [],
            "arn": call.arn("ec2", f"route-table/{id_}"),
            "tagsAll": tags.of(table),
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        if "routes" in changed:
            before, after = ([to_api(INLINE, route) for route in side.get("routes") or ()] for side in (old, new))
            for route in before:
                if route not in after:
                    call.ec2.delete_route(RouteTableId=id_, **to_api(INLINE_DESTINATIONS, from_api(INLINE, route)))
            for route in after:
                if route not in before:
                    call.ec2.create_route(RouteTableId=id_, **route)
        tags.update_ec2(call, id_, old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        for item in (self._find(call, id_) or {}).get("Associations", ()):
            if not item.get("Main"):
                association = item["RouteTableAssociationId"]
                call.delete(partial(call.ec2.disassociate_route_table, AssociationId=association))
        call.delete(lambda: call.ec2.delete_route_table(RouteTableId=id_), IN_USE)


class RouteTableAssociation(Resource[Call]):
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    label = "EC2 Route Table Association"
    inputs = fields("routeTableId subnetId gatewayId region")
    replaces = ("subnetId", "gatewayId", "region")
    exactly_one = (("subnetId", "gatewayId"),)

    def find_id(self, call: Call, imported: str) -> str:
        target, _, table = imported.partition("/")
        for item in self._associations(call, table):
            if target in (item.get("SubnetId"), item.get("GatewayId")):
                return str(item["RouteTableAssociationId"])
        raise Refused(f"no association of {target} with a route table for import id {imported}, SUBNET/ROUTETABLE")

    def _associations(self, call: Call, table: str) -> list[dict[str, Any]]:
        described = call.find_one(call.ec2.describe_route_tables, "RouteTables", RouteTableIds=[table]) or {}
        return [{**item, "RouteTableId": table} for item in described.get("Associations", ())]

    def create(self, call: Call, given: Properties) -> str:
        shape = fields("routeTableId subnetId gatewayId")
        return str(call.ec2.associate_route_table(**to_api(shape, given))["AssociationId"])

    def _find(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        """By what is associated: the id is another one after an update, and the engine keeps the first."""
        if target := known.get("subnetId") or known.get("gatewayId"):
            kind = "subnet-id" if known.get("subnetId") else "gateway-id"
            narrow = [{"Name": f"association.{kind}", "Values": [target]}]
        else:
            target = None
            narrow = [{"Name": "association.route-table-association-id", "Values": [id_]}]
        for table in call.ec2.describe_route_tables(Filters=narrow)["RouteTables"]:
            for item in table.get("Associations", ()):
                if (target or id_) in (item.get("SubnetId"), item.get("GatewayId"), item["RouteTableAssociationId"]):
                    return dict(item)
        return None

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        found = self._find(call, id_, known)
        return from_api(fields("routeTableId subnetId gatewayId"), found) if found else None

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        found = self._find(call, id_, old) or {"RouteTableAssociationId": id_}
        call.ec2.replace_route_table_association(
            AssociationId=found["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
        )

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        if found := self._find(call, id_, old):
            association = found["RouteTableAssociationId"]
            call.delete(lambda: call.ec2.disassociate_route_table(AssociationId=association))
