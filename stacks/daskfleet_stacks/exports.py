"""What the stack of every fleet in a cloud exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi


def export_fleet(connection: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
    """Export the connection, whose keys are a secret, and what the fleet is made of."""
    for key, value in connection.items():
        pulumi.export(key, pulumi.Output.secret(value) if key == "security" else value)
    pulumi.export("resources", dict(resources))
