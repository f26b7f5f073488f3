"""What machine types there is no capacity for, and how much a project may have."""

from __future__ import annotations

from dataclasses import dataclass, field

from google_cloud.errors import ApiError

ANY = "*"
"""Stands for every machine type."""


@dataclass
class Market:
    """As tests make it."""

    no_spot: frozenset[str] = field(default_factory=frozenset)
    """Machine types that are not to be had as Spot VMs."""
    no_capacity: frozenset[str] = field(default_factory=frozenset)
    """Machine types that are not to be had at all."""
    limits: dict[str, float] = field(default_factory=dict)
    """Quotas that are otherwise than usual."""

    def has(self, machine_type: str, *, is_spot: bool) -> bool:
        gone = self.no_capacity | (self.no_spot if is_spot else frozenset())
        return machine_type not in gone and ANY not in gone

    def check(self, machine_type: str, project: str, zone: str, *, is_spot: bool) -> None:
        """Refuse what is not to be had, as Google does.

        https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability
        """
        if self.has(machine_type, is_spot=is_spot):
            return
        place = f"projects/{project}/zones/{zone}"
        short = f"The zone '{place}' does not have enough resources available to fulfill the request."
        if is_spot:
            message = (
                f"{short} A {machine_type} Spot VM instance is currently unavailable in the {zone} zone: there is no "
                "spot (preemptible) capacity. Try a different zone, or try again later. '(resource type:compute)'."
            )
            code = "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
        else:
            message, code = f"{short} '(resource type:compute)'.", "ZONE_RESOURCE_POOL_EXHAUSTED"
        raise ApiError(503, message, code, "RESOURCE_EXHAUSTED", code)
