"""Look, before anything is made, whether AWS will let a fleet be made: everything that is wrong at once."""

from __future__ import annotations

from daskfleet.providers.stack.aws.clients import Clients
from daskfleet.providers.stack.cloud import Check
from daskfleet_stacks.spec import FleetSpec


def check_fleet(clients: Clients, spec: FleetSpec) -> list[Check]:
    """Credentials, region, instance types, image."""
    return []
