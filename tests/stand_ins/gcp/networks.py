"""Networks and their subnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stand_ins.core.resource import Properties, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import same_fields, words
from stand_ins.gcp.call import Call
from stand_ins.gcp.resource import ComputeResource


class Network(ComputeResource):
    token = "gcp:compute/network:Network"
    label = "Network"
    collection = "networks"
    scope = "global"
    body_fields = same_fields("autoCreateSubnetworks description mtu networkFirewallPolicyEnforcementOrder")
    inputs = {
        **body_fields,
        **same_fields(
            "name project routingMode deleteDefaultRoutesOnCreate deleteBgpAlwaysCompareMed deletionPolicy "
            "bgpBestPathSelectionMode"
        ),
    }
    told = same_fields("gatewayIpv4=gatewayIPv4 networkId=id numericId=id selfLink")
    replaces = words("name project autoCreateSubnetworks description")
    patched = words("mtu networkFirewallPolicyEnforcementOrder routingMode bgpBestPathSelectionMode")
    defaults = {
        "autoCreateSubnetworks": True,
        "deleteBgpAlwaysCompareMed": False,
        "deleteDefaultRoutesOnCreate": False,
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
    }
    kept = ("deleteBgpAlwaysCompareMed", "deleteDefaultRoutesOnCreate")
    routing = same_fields("routingMode bgpBestPathSelectionMode")

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        for name in self.kept:
            if given.get(name):
                yield Problem(name, f"the stand-in for gcp does not know how to do {name!r} of {self.token}")

    def body(self, call: Call, given: Properties) -> dict[str, Any]:
        routing = {name: given[name] for name in self.routing if given.get(name) is not None}
        return {**super().body(call, given), **({"routingConfig": routing} if routing else {})}

    def patch(self, call: Call, old: Properties, new: Properties, changed: Collection[str]) -> dict[str, Any]:
        body = super().patch(call, old, new, changed)
        if set(self.routing) & set(changed):
            body["routingConfig"] = self.body(call, new).get("routingConfig", {})
        return body

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        routing = answer.get("routingConfig") or {}
        return {
            "autoCreateSubnetworks": False,
            "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
            **super().describe(call, answer, known),
            **{name: routing[name] for name in self.routing if routing.get(name)},
        }


class Subnetwork(ComputeResource):
    token = "gcp:compute/subnetwork:Subnetwork"
    label = "Subnetwork"
    collection = "subnetworks"
    scope = "region"
    body_fields = same_fields("description ipCidrRange network privateIpGoogleAccess purpose stackType")
    inputs = {**body_fields, **same_fields("name project region deletionPolicy")}
    told = same_fields("creationTimestamp fingerprint gatewayAddress selfLink state subnetworkId=id:digits")
    references = {"network": "networks"}
    links = ("network", "region")
    replaces = words("name project region description network purpose")

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        block = given.get("ipCidrRange")
        if is_known(block):
            try:
                ipaddress.ip_network(block)
            except ValueError as error:
                yield Problem("ipCidrRange", f"{block!r} is not a valid IP CIDR range: {error}")

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        if name == "ipCidrRange" and is_known(new.get(name)) and old.get(name):
            before, after = ipaddress.ip_network(old[name]), ipaddress.ip_network(new[name])
            return before.version != after.version or not before.subnet_of(after)  # type: ignore[arg-type]
        return super().must_replace(name, old, new)

    def describe(self, call: Call, answer: Mapping[str, Any], known: Properties) -> dict[str, Any]:
        return {"privateIpGoogleAccess": False, **super().describe(call, answer, known)}

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        doing = self.doing("Updating")
        if "ipCidrRange" in changed:
            body: dict[str, Any] = {"ipCidrRange": new["ipCidrRange"]}
            call.compute("POST", f"{id_}/expandIpCidrRange", body, doing=doing)
        if "privateIpGoogleAccess" in changed:
            body = {"privateIpGoogleAccess": bool(new.get("privateIpGoogleAccess"))}
            call.compute("POST", f"{id_}/setPrivateIpGoogleAccess", body, doing=doing)
        if "stackType" in changed:
            now = call.compute("GET", id_)
            body = {"fingerprint": now["fingerprint"], "stackType": new["stackType"]}
            call.compute("PATCH", id_, body, doing=doing)
