"""Routers, and the translation of addresses that is a part of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from stand_ins.core.errors import Refused
from stand_ins.core.naming import AutoName
from stand_ins.core.resource import Properties
from stand_ins.core.shapes import from_api, many, one, same_fields, to_api, words
from stand_ins.gcp import links
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource, GcpResource, empty_like

Nats = list[dict[str, Any]]


class Router(ComputeResource):
    token = "gcp:compute/router:Router"
    label = "Router"
    collection = "routers"
    scope = "region"
    body_fields = same_fields("description network")
    inputs = {**body_fields, **same_fields("name project region deletionPolicy")}
    told = same_fields("creationTimestamp selfLink")
    references = {"network": "networks"}
    links = ("network", "region")
    replaces = words("name project region network")
    patched = ("description",)

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        with call.alone(id_):
            super().update(call, id_, old, new, changed)

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        with call.alone(id_):
            super().remove(call, id_, old)


class RouterNat(GcpResource):
    token = "gcp:compute/routerNat:RouterNat"
    label = "RouterNat"
    body_fields = same_fields(
        "autoNetworkTier enableDynamicPortAllocation enableEndpointIndependentMapping endpointTypes icmpIdleTimeoutSec "
        "maxPortsPerVm minPortsPerVm natIpAllocateOption natIps sourceSubnetworkIpRangesToNat "
        "tcpEstablishedIdleTimeoutSec tcpTimeWaitTimeoutSec tcpTransitoryIdleTimeoutSec type udpIdleTimeoutSec",
        logConfig=one(same_fields("enable filter")),
        subnetworks=many(same_fields("name sourceIpRangesToNats=sourceIpRangesToNat secondaryIpRangeNames")),
    )
    inputs = {**body_fields, **same_fields("name project region router deletionPolicy")}
    links = ("router", "region", "natIps", "name")
    sets = words("natIps subnetworks sourceIpRangesToNats secondaryIpRangeNames")
    replaces = words("name project region router endpointTypes type")
    defaults = {
        "icmpIdleTimeoutSec": 30,
        "tcpEstablishedIdleTimeoutSec": 1200,
        "tcpTimeWaitTimeoutSec": 120,
        "tcpTransitoryIdleTimeoutSec": 30,
        "type": "PUBLIC",
        "udpIdleTimeoutSec": 30,
    }
    autoname = AutoName(longest=63, lower=True)

    def means_same(self, name: str, old: Any, new: Any) -> bool:
        if name == "name" and "/" not in str(old):  # its own, no subnet's
            return bool(old == new)
        return super().means_same(name, old, new)

    def _body(self, call: Call, given: Properties) -> dict[str, Any]:
        body = to_api(self.body_fields, given)
        for subnet in body.get("subnetworks", ()):
            subnet["name"] = call.expand("subnetworks", subnet["name"])
        if "natIps" in body:
            body["natIps"] = [call.expand("addresses", address) for address in body["natIps"]]
        return body

    def _change(self, call: Call, router: str, change: Callable[[Nats], Nats], verb: str) -> None:
        """All of a router's are written at once."""
        with call.alone(router):
            now = call.compute("GET", router)
            call.compute("PATCH", router, {"nats": change(now.get("nats") or [])}, doing=f"{verb} {self.label}")

    def create(self, call: Call, given: Properties) -> str:
        name, router = given["name"], call.expand("routers", given["router"])

        def add(nats: Nats) -> Nats:
            if any(nat["name"] == name for nat in nats):
                raise Refused(f"Unable to create RouterNat, existing object already found: {name}")
            return [*nats, {"name": name, **self._body(call, given)}]

        self._change(call, router, add, "Creating")
        return f"{given['project']}/{given['region']}/{links.last(router)}/{name}"

    def _router(self, id_: str) -> str:
        project, region, router, _ = id_.split("/")
        return f"projects/{project}/regions/{region}/routers/{router}"

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        project, region, router, name = id_.split("/")
        answer = call.find("compute", self._router(id_)) or {}
        nat = next((nat for nat in answer.get("nats", ()) if nat["name"] == name), None)
        if nat is None:
            return None
        found = {**self.defaults, **from_api(self.body_fields, nat)}
        return {
            "enableDynamicPortAllocation": False,
            "enableEndpointIndependentMapping": False,
            **found,
            "name": name,
            "project": project,
            "region": region,
            "router": router,
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        emptied = {item.api: empty_like(old.get(name)) for name, item in self.body_fields.items() if name in changed}

        def replace(nats: Nats) -> Nats:
            wanted = {**emptied, **self._body(call, new)}
            return [self._renew(nat, wanted) if nat["name"] == new["name"] else nat for nat in nats]

        self._change(call, self._router(id_), replace, "Updating")

    def _renew(self, nat: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What is set is what is wanted; what the program does not say stays, if it may."""
        renewed = {**nat, **wanted}
        return {key: value for key, value in renewed.items() if value not in (None, "", [])}

    def remove(self, call: Call, id_: str, old: Properties) -> None:
        name = id_.rpartition("/")[2]
        call.delete(
            lambda: self._change(
                call, self._router(id_), lambda nats: [nat for nat in nats if nat["name"] != name], "Deleting"
            )
        )

    def find_id(self, call: Call, imported: str) -> str:
        return links.shorten(imported).removeprefix("projects/").replace("/regions/", "/").replace("/routers/", "/")
