"""How a network's addresses are shared between its zones. Pure."""

import ipaddress
from dataclasses import dataclass

LONGEST_PREFIX = 22
"""The smallest network: four quarters of 256 addresses."""

SHORTEST_PREFIX = 16
"""The largest that AWS allows."""

MOST_ZONES = 3


@dataclass(frozen=True)
class ZoneAddresses:
    """The subnets of one zone."""

    private: str
    public: str


def plan_subnets(cidr: str, zones: int) -> list[ZoneAddresses]:
    """Share a network between its zones, so that every zone can hold the largest worker group.

    The first three quarters are the private subnets of at most three zones, and of the last one each zone gets a
    quarter for its public subnet. So a zone that is added later moves nothing.

    Raises:
        ValueError: the network is too small, too large or none, or the zones are not 1 to 3.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ValueError(f"cidr: {cidr!r} is no IPv4 network ({error}); give one such as 10.0.0.0/16") from None
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise ValueError(
            f"cidr: {cidr}: a network has a prefix of {SHORTEST_PREFIX} to {LONGEST_PREFIX} bits; give one such as "
            "10.0.0.0/16"
        )
    if not 1 <= zones <= MOST_ZONES:
        raise ValueError(f"zones: {zones}: a network has 1 to {MOST_ZONES} zones; give one of these")
    *private, rest = network.subnets(prefixlen_diff=2)
    public = list(rest.subnets(prefixlen_diff=2))
    return [ZoneAddresses(str(private[index]), str(public[index])) for index in range(zones)]
