"""Addresses of this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from daskfleet_images.node.errors import NotYet

ANYWHERE = "192.0.2.1"
"""An address that nobody has (RFC 5737): the way to it is the way to anywhere."""


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `tls://host:port`; an IPv6 address without its brackets."""
    host, port = address.removeprefix("tls://").rsplit(":", 1)
    return host.removeprefix("[").removesuffix("]"), int(port)


def find_address(scheduler_address: str, *, is_scheduler: bool) -> str:
    """This machine's address that the rest of the fleet reaches it at; nothing is sent to find it.

    For the scheduler that is the address in `scheduler_address` if the machine has it, otherwise the machine's own
    (where clients use an address that is translated on the way). For workers it is the one that leads to the scheduler.

    Raises:
        NotYet: the scheduler's name is not known, or no way leads there.
    """
    host, port = split_address(scheduler_address)
    try:
        there = resolve_host(host, port)
    except NotYet:
        if not is_scheduler:
            raise
        there = []  # The scheduler's name may come to be known after the scheduler.
    if is_scheduler:
        for address in there:
            if has_address(address):
                return address
        there.append(ANYWHERE)
    return find_source(there, host, port)


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of `host`, without what the machine's own host table calls itself (127.0.1.1 in Debian's).

    Raises:
        NotYet: the name is not known.
    """
    try:
        found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotYet(
            f"the scheduler's host name {host!r} is not known here: {reason}",
            "check the record of the name, and that this machine may ask a name server",
        ) from None
    if host == "localhost" or host in found:
        return found
    return [each for each in found if not ipaddress.ip_address(each.partition("%")[0]).is_loopback]


def has_address(address: str) -> bool:
    """Whether `address` is one of this machine's."""
    try:
        with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def find_listen_problem(host: str, port: int) -> str | None:
    """Why nobody can listen there; `None` where that can be done.

    It tries to bind, not to connect: a connection that is dropped would leave a failed handshake in the log of
    whoever listens.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            # Without this, connections that have just ended would count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def find_source(addresses: Iterable[str], host: str, port: int) -> str:
    """The address that this machine sends from when it sends to the first of `addresses` that a way leads to.

    Raises:
        NotYet: no way leads to any.
    """
    reason = "the name has no address"
    for address in addresses:
        try:
            with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
                probe.connect((address, port))  # A datagram socket: this only asks the routing table.
                return str(probe.getsockname()[0])
        except OSError as error:
            reason = error.strerror or str(error)
    raise NotYet(f"no way leads to the scheduler at {host}: {reason}", "check the machine's network and its routes")


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
