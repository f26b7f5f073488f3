"""Which addresses are free."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from google_cloud.compute.engine_type import Engine
from google_cloud.compute.store import Record, shorten
from google_cloud.errors import ApiError, invalid
from google_cloud.validation import parse_address

EXTERNAL = ipaddress.IPv4Network("34.90.0.0/16")
LAST = "last address"


def list_reserved(engine: Engine) -> Iterator[Record]:
    """Addresses that are resources."""
    yield from engine.store.select("addresses")


def list_internal(engine: Engine, subnet: Record, *, with_reserved: bool = True) -> Iterator[str]:
    """What is taken in a subnet."""
    for instance in engine.store.select("instances"):
        for interface in instance.body["networkInterfaces"]:
            if shorten(interface["subnetwork"]) == subnet.path:
                yield interface["networkIP"]
    if with_reserved:
        for each in list_reserved(engine):
            if shorten(each.body.get("subnetwork", "")) == subnet.path:
                yield each.body["address"]


def list_external(engine: Engine, *, with_reserved: bool = True) -> Iterator[str]:
    for instance in engine.store.select("instances"):
        for interface in instance.body["networkInterfaces"]:
            yield from (each["natIP"] for each in interface.get("accessConfigs") or [] if "natIP" in each)
    if with_reserved:
        for each in list_reserved(engine):
            if each.body["addressType"] == "EXTERNAL":
                yield each.body["address"]


def list_usable(block: ipaddress.IPv4Network) -> Iterator[ipaddress.IPv4Address]:
    """All but the first two and the last two, which are Google's own."""
    yield from (block[index] for index in range(2, block.num_addresses - 2))


def take_lowest(engine: Engine, subnet: Record) -> str:
    """For an address of its own."""
    taken = {*list_internal(engine, subnet)}
    return _first(list_usable(find_block(subnet)), taken, subnet)


def take_next(engine: Engine, subnet: Record) -> str:
    """For an instance: the next one after what the last instance got, so that none is given again at once."""
    taken = {*list_internal(engine, subnet)}
    block = find_block(subnet)
    last = subnet.notes.get(LAST, int(block[1]))
    size = block.num_addresses - 4
    start = last - int(block[2]) + 1
    candidates = (block[2 + (start + index) % size] for index in range(size))
    address = _first(candidates, taken, subnet)
    subnet.notes[LAST] = int(ipaddress.IPv4Address(address))
    return address


def _first(candidates: Iterator[ipaddress.IPv4Address], taken: set[str], subnet: Record) -> str:
    for each in candidates:
        if str(each) not in taken:
            return str(each)
    message = f"IP space of '{subnet.path}' is exhausted. Insufficient free IP addresses in the subnetwork."
    raise ApiError(400, message, "ipSpaceExhausted", code="IP_SPACE_EXHAUSTED")


def take_external(engine: Engine) -> str:
    taken = {*list_external(engine)}
    return next(str(each) for each in EXTERNAL.hosts() if str(each) not in taken)


def find_block(subnet: Record) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(subnet.body["ipCidrRange"])


def check_inside(text: object, subnet: Record, field: str) -> str:
    """An address that somebody wants, which a subnet can give."""
    address, block = parse_address(text, field), find_block(subnet)
    if address not in block or address in (block[0], block[1], block[-1], block[-2]):
        raise invalid(field, text, f"IP address {text} is not usable in the range {block} of the subnetwork.")
    return str(address)


def in_use(address: str) -> ApiError:
    message = f"IP '{address}' is already being used by another resource."
    return ApiError(400, message, "resourceInUseByAnotherResource", code="IP_IN_USE_BY_ANOTHER_RESOURCE")
