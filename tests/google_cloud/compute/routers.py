"""Routers, with the translation of addresses."""

from __future__ import annotations

from collections.abc import Iterator

from google_cloud.compute.collection import Body, Call, Collection, refer, require_field
from google_cloud.compute.store import Record, shorten
from google_cloud.errors import ApiError, invalid, required
from google_cloud.validation import check_name, check_range

LIST = "LIST_OF_SUBNETWORKS"
DYNAMIC = "enableDynamicPortAllocation"
LEAST_PORTS, MOST_PORTS = 32, 65536


class Routers(Collection):
    name, model, scope, word = "routers", "Router", "regions", "router"
    is_guarded = True
    patched = frozenset({"bgp", "bgpPeers", "description", "interfaces", "nats"})

    def prepare(self, call: Call, body: Body) -> Body:
        network = refer(call, require_field(body, "network"), "networks", "resource.network")
        router = {**body, "network": network.link}
        nats = [self._prepare_nat(call, nat, index) for index, nat in enumerate(body.get("nats") or [])]
        names = [nat["name"] for nat in nats]
        if len({*names}) != len(names):
            raise invalid("resource.nats", names, "Names of NATs must be unique.")
        self._check_subnets(call, body, nats)
        return {**router, **({"nats": nats} if nats else {})}

    def _prepare_nat(self, call: Call, nat: Body, index: int) -> Body:
        field = f"resource.nats[{index}]"
        check_name(nat.get("name"), f"{field}.name")
        for name in ("natIpAllocateOption", "sourceSubnetworkIpRangesToNat"):
            if not nat.get(name):
                raise required(f"{field}.{name}")
        if (nat["natIpAllocateOption"] == "MANUAL_ONLY") != bool(nat.get("natIps")):
            raise invalid(f"{field}.natIps", nat.get("natIps"), "Addresses are given with MANUAL_ONLY, and only then.")
        if (nat["sourceSubnetworkIpRangesToNat"] == LIST) != bool(nat.get("subnetworks")):
            raise invalid(f"{field}.subnetworks", nat.get("subnetworks"), f"Subnetworks are given with {LIST} only.")
        check_ports(nat, field)
        subnets = []
        for number, subnet in enumerate(nat.get("subnetworks") or []):
            inner = f"{field}.subnetworks[{number}]"
            found = refer(call, subnet.get("name"), "subnetworks", f"{inner}.name")
            if not subnet.get("sourceIpRangesToNat"):
                raise required(f"{inner}.sourceIpRangesToNat")
            subnets.append({**subnet, "name": found.link})
        addresses = [refer(call, each, "addresses", f"{field}.natIps").link for each in nat.get("natIps") or []]
        usual = {"endpointTypes": ["ENDPOINT_TYPE_VM"], "autoNetworkTier": "PREMIUM", "type": "PUBLIC"}
        parts = {"subnetworks": subnets, "natIps": addresses}
        return {**usual, **nat, **{key: value for key, value in parts.items() if value}}

    def _check_subnets(self, call: Call, body: Body, nats: list[Body]) -> None:
        """A subnet has one NAT at most, and is of the router's network."""
        others = [each for each in call.engine.store.select("routers") if each.name != body["name"]]
        taken = [subnet["name"] for each in others for subnet in list_subnets(each.body)]
        for subnet in list_subnets({"nats": nats}):
            found = call.engine.store.find(shorten(subnet["name"]))
            if shorten(found.body["network"]) != shorten(body["network"]).removeprefix("/"):
                raise invalid("resource.nats.subnetworks", subnet["name"], "It is not of the network of the router.")
            if subnet["name"] in taken:
                raise ApiError(
                    400, f"Subnetwork {subnet['name']} is already used by another NAT.", "invalid", code="INVALID_USAGE"
                )
            taken.append(subnet["name"])

    def list_used(self, record: Record) -> Iterator[str]:
        yield record.body["network"]
        for nat in record.body.get("nats") or []:
            yield from (subnet["name"] for subnet in nat.get("subnetworks") or [])
            yield from nat.get("natIps") or []


def list_subnets(router: Body) -> Iterator[Body]:
    for nat in router.get("nats") or []:
        yield from nat.get("subnetworks") or []


def check_ports(nat: Body, field: str) -> None:
    """https://cloud.google.com/nat/docs/ports-and-addresses."""
    least, most = nat.get("minPortsPerVm"), nat.get("maxPortsPerVm")
    for name, value in (("minPortsPerVm", least), ("maxPortsPerVm", most)):
        if value is None:
            continue
        check_range(value, 2, MOST_PORTS, f"{field}.{name}")
        if nat.get(DYNAMIC) and (value & (value - 1) or value < LEAST_PORTS):
            raise invalid(
                f"{field}.{name}", value, f"Must be a power of two, and at least {LEAST_PORTS}, with {DYNAMIC}."
            )
    if most is not None and not nat.get(DYNAMIC):
        raise invalid(f"{field}.maxPortsPerVm", most, f"Must not be specified without {DYNAMIC}.")
    if least is not None and most is not None and least >= most:
        raise invalid(f"{field}.maxPortsPerVm", most, "Must be greater than minPortsPerVm.")
    if nat.get(DYNAMIC) and nat.get("enableEndpointIndependentMapping"):
        raise invalid(f"{field}.{DYNAMIC}", True, "Cannot be combined with enableEndpointIndependentMapping.")
