"""What the ports of a scheduler must be beside each other, on providers where a file may choose them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daskfleet_stacks.spec.problems import Path, Problem


def find_port_conflicts(scheduler: Any) -> list[Problem]:
    """One port for the scheduler and its dashboard."""
    if not isinstance(scheduler, Mapping):
        return []
    port = scheduler.get("dashboard_port")
    if not isinstance(port, int) or port != scheduler.get("port"):
        return []
    path: Path = ("scheduler", "dashboard_port")
    return [Problem(path, "the scheduler and its dashboard cannot share a port", "give them two", port, True)]
