"""What VM sizes there is no capacity for, which a subscription may not have, and how much it may have."""

from __future__ import annotations

from dataclasses import dataclass, field

ANY = "*"
"""Stands for every size."""


@dataclass
class Market:
    """As tests make it."""

    no_spot: frozenset[str] = field(default_factory=frozenset)
    """Sizes that are not to be had as Spot machines."""
    no_capacity: frozenset[str] = field(default_factory=frozenset)
    """Sizes that are not to be had at all."""
    restricted: frozenset[str] = field(default_factory=frozenset)
    """Sizes that the subscription may not have."""
    limits: dict[str, int] = field(default_factory=dict)
    """Quotas that are otherwise than usual, by their names."""

    def has(self, size: str, *, is_spot: bool) -> bool:
        gone = self.no_capacity | (self.no_spot if is_spot else frozenset())
        return size not in gone and ANY not in gone
