"""What a spec leaves open, decided by what the hosts have. Pure, but for this machine's own addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Literal

from daskfleet.errors import FleetError
from daskfleet.providers.sizing import choose_workers, fill_machine
from daskfleet.providers.ssh.facts import HostFacts
from daskfleet.providers.ssh.state import HostState, Place, Sizes
from daskfleet_images.node.network import has_address
from daskfleet_stacks.spec import SshFleetSpec
from daskfleet_stacks.spec.fields import MIN_MEMORY

MEMORY_SHARE = 0.8
"""Of what is free on a host, what its workers may use where the spec does not say."""

LAST_PORT = 65535


def choose_port(field: str, asked: int | Literal["auto"], preferred: int, taken: Collection[int], where: str) -> int:
    """The port that was asked for, or the preferred one, or the next that is free.

    Raises:
        FleetError: the one that was asked for is taken.
    """
    if asked != "auto":
        if asked in taken:
            raise FleetError(
                f"{field}: {asked}: something listens there on {where}; end it, choose another port, or say auto."
            )
        return asked
    return next(port for port in range(preferred, LAST_PORT + 1) if port not in taken)


def decide_host(host: HostState, facts: HostFacts) -> tuple[HostState, str]:
    """The host with its workers named and sized, or why that cannot be."""
    asked = host.asked
    cores = facts.cores
    if asked.workers != "auto":
        count, threads = asked.workers, max(1, cores // max(1, asked.workers))
    elif host.sizes is not None:
        count, threads = len(host.workers), host.sizes.threads
    else:
        count, threads = fill_machine(cores)
        if asked.threads != "auto":
            count = max(1, cores // asked.threads)
    workers = choose_workers(host.node, count, host.workers)
    if host.sizes is not None:  # What runs keeps what it was started with.
        return host.model_copy(update={"workers": workers}), ""
    memory = asked.memory_limit
    if memory == "auto":
        free = facts.read_bytes("memory_free")
        if free is None:
            return host, "it does not tell how much memory is free; give `memory_limit`"
        memory = int(MEMORY_SHARE * free) // max(1, count)
        if memory < MIN_MEMORY:
            return host, (
                f"{free >> 20} MiB of memory are free, which is too little for {count} workers; give it fewer workers"
            )
    sizes = Sizes(threads=threads if asked.threads == "auto" else asked.threads, memory_limit=memory)
    return host.model_copy(update={"workers": workers, "sizes": sizes}), ""


def decide_address(spec: SshFleetSpec, scheduler: Place, facts: HostFacts, others: Iterable[HostFacts]) -> str:
    """The name or address by which the hosts reach the scheduler.

    Raises:
        FleetError: it cannot be known.
    """
    if spec.scheduler.address:
        return spec.scheduler.address
    if scheduler.host:
        found = facts.values.get("server", "")
        reason = f"SSH reaches {scheduler.host} at {found or 'an address that it does not tell'}"
    else:
        seen = [other.values.get("client", "") for other in others]
        found = next((address for address in seen if address and has_address(address)), "")
        reason = f"the hosts see this machine as {', '.join(sorted(set(filter(None, seen)))) or 'nobody'}"
    if found and (not _is_loopback(found) or all(_is_loopback(each.values.get("server", "")) for each in others)):
        return found
    raise FleetError(
        f"scheduler.address: {reason}, which does not lead the other hosts there; give the name or address by which "
        "they reach it."
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True  # Of no use either.
