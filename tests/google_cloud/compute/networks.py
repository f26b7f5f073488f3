"""Networks and their subnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from google_cloud.compute import catalog
from google_cloud.compute.collection import Body, Call, Collection, action, refer, require_field
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.store import BASE, Record, shorten
from google_cloud.errors import ApiError, in_use, invalid, required
from google_cloud.validation import check_range, make_fingerprint, parse_cidr

AUTOMATIC = "automatic"
"""Whether a subnet was made for its network, and goes with it."""

FIRST_AUTOMATIC = ipaddress.IPv4Network("10.128.0.0/20")
SHORTEST_PREFIX, LONGEST_PREFIX = 4, 29


class Networks(Collection):
    """Networks."""

    name, model, scope, word = "networks", "Network", "global", "network"
    is_aggregated = False
    patched = frozenset({"mtu", "routingConfig", "networkFirewallPolicyEnforcementOrder"})

    def prepare(self, call: Call, body: Body) -> Body:
        if "IPv4Range" in body or "autoCreateSubnetworks" not in body:
            raise invalid("resource.IPv4Range", "", "Legacy networks are not supported; set autoCreateSubnetworks.")
        if "mtu" in body:
            check_range(body["mtu"], 1300, 8896, "resource.mtu")
        routing = {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY", **(body.get("routingConfig") or {})}
        order = {"networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"}
        return {**order, **body, "routingConfig": routing}

    def render(self, engine: Engine, record: Record) -> Body:
        subnets = [each.link for each in list_subnets(engine, record)]
        own = {"selfLinkWithId": f"{BASE}projects/{record.project}/global/networks/{record.body['id']}"}
        return {**record.body, **own, **({"subnetworks": subnets} if subnets else {})}

    def inserted(self, engine: Engine, record: Record) -> None:
        if not record.body["autoCreateSubnetworks"]:
            return
        for number, region in enumerate(sorted(catalog.REGIONS)):
            block = ipaddress.IPv4Network((int(FIRST_AUTOMATIC[0]) + number * FIRST_AUTOMATIC.num_addresses, 20))
            path = f"projects/{record.project}/regions/{region}/subnetworks/{record.name}"
            body = describe_subnet({"ipCidrRange": str(block), "network": record.link})
            subnet = engine.collections["regions", "subnetworks"].make(engine, path, body, engine.now)
            subnet.is_ready = True
            subnet.notes[AUTOMATIC] = True

    def check_deletion(self, call: Call, record: Record) -> None:
        for subnet in list_subnets(call.engine, record):
            user = call.engine.find_user(subnet)
            if user is not None:
                raise in_use(self.word, record.path, user)

    def removed(self, engine: Engine, record: Record) -> None:
        for subnet in list_subnets(engine, record):
            engine.store.remove(subnet.path)


def list_subnets(engine: Engine, network: Record) -> Iterator[Record]:
    for each in engine.store.select("subnetworks"):
        if shorten(each.body["network"]) == network.path:
            yield each


class Subnetworks(Collection):
    """Subnets."""

    name, model, scope, word = "subnetworks", "Subnetwork", "regions", "subnetwork"
    patched = frozenset({"stackType", "logConfig", "enableFlowLogs"})

    def prepare(self, call: Call, body: Body) -> Body:
        network = refer(call, require_field(body, "network"), "networks", "resource.network")
        block = check_block(require_field(body, "ipCidrRange"), "resource.ipCidrRange")
        check_free(call.engine, network, block, "")
        if body.get("stackType", "IPV4_ONLY") != "IPV4_ONLY":
            raise invalid("resource.stackType", body["stackType"], "Only IPV4_ONLY is supported here.")
        return describe_subnet({**body, "ipCidrRange": str(block), "network": network.link})

    def revise(self, call: Call, record: Record, body: Body) -> Body:
        if body.get("stackType", "IPV4_ONLY") != "IPV4_ONLY":
            raise invalid("resource.stackType", body["stackType"], "Only IPV4_ONLY is supported here.")
        return describe_subnet(body)

    def check_fingerprint(self, record: Record, fingerprint: str | None) -> None:
        if not fingerprint:
            raise required("resource.fingerprint")
        super().check_fingerprint(record, fingerprint)

    def list_used(self, record: Record) -> Iterator[str]:
        if not record.notes.get(AUTOMATIC):
            yield record.body["network"]

    def check_deletion(self, call: Call, record: Record) -> None:
        if record.notes.get(AUTOMATIC):
            raise ApiError(400, f"Cannot delete auto subnetwork '{record.path}' of a network.", "invalidUsage")

    @action()
    def expand_ip_cidr_range(self, call: Call) -> Body:
        record = self.require_ready(call)
        block = check_block(call.body.get("ipCidrRange"), "ipCidrRange")
        before = ipaddress.IPv4Network(record.body["ipCidrRange"])
        if not before.subnet_of(block) or before == block:
            raise invalid("ipCidrRange", block, f"New range must be a superset of the existing range {before}.")
        check_free(call.engine, call.engine.require(record.body["network"]), block, record.path)
        record.body = describe_subnet({**record.body, "ipCidrRange": str(block)})
        return self.begin(call, record, "expandIpCidrRange")

    @action()
    def set_private_ip_google_access(self, call: Call) -> Body:
        record = self.require_ready(call)
        wanted = bool(call.body.get("privateIpGoogleAccess"))
        record.body = describe_subnet({**record.body, "privateIpGoogleAccess": wanted})
        return self.begin(call, record, "setPrivateIpGoogleAccess")


def describe_subnet(body: Body) -> Body:
    block = ipaddress.IPv4Network(body["ipCidrRange"])
    usual = {
        "privateIpGoogleAccess": False,
        "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        "purpose": "PRIVATE",
        "stackType": "IPV4_ONLY",
    }
    subnet = {**usual, **body, "gatewayAddress": str(block[1])}
    subnet.pop("fingerprint", None)
    return {**subnet, "fingerprint": make_fingerprint(subnet)}


def check_block(text: object, field: str) -> ipaddress.IPv4Network:
    block = parse_cidr(text, field)
    if not SHORTEST_PREFIX <= block.prefixlen <= LONGEST_PREFIX:
        raise invalid(field, text, f"The prefix length must be from {SHORTEST_PREFIX} to {LONGEST_PREFIX}.")
    return block


def check_free(engine: Engine, network: Record, block: ipaddress.IPv4Network, but: str) -> None:
    """Refuse addresses that another subnet of the network has."""
    for each in list_subnets(engine, network):
        if each.path != but and block.overlaps(ipaddress.IPv4Network(each.body["ipCidrRange"])):
            where = f"existing subnetwork '{each.name}' in region '{each.place.partition('/')[2]}'"
            raise ApiError(400, f"Invalid IPCidrRange: {block} conflicts with {where}.", "invalidUsage")
