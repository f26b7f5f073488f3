"""Names of fleets, groups and nodes, for a shell that completes a word. Light: it runs at every press of the key."""

from __future__ import annotations

import json
from typing import Any

from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths, list_fleet_names

DEFAULT_FLEET = "local"
"""The fleet that commands mean when none is named."""


def complete_fleets(incomplete: str) -> list[str]:
    """The names of fleets that begin with `incomplete`."""
    try:
        return [name for name in list_fleet_names() if name.startswith(incomplete)]
    except FleetError:
        return []


def complete_groups(ctx: Any, incomplete: str) -> list[str]:
    """The worker groups of the fleet that stands before on the command line."""
    try:
        state = _read_state(ctx)
        if "hosts" in state:  # Over SSH a host says which group its workers belong to.
            groups = list(dict.fromkeys(str(host["group"]) for host in state["hosts"]))
        else:
            groups = [str(group["name"]) for group in state["groups"]]
    except (FleetError, OSError, ValueError, KeyError, TypeError):
        return []
    return [group for group in groups if group.startswith(incomplete)]


def complete_nodes(ctx: Any, incomplete: str) -> list[str]:
    """The nodes of the fleet that stands before on the command line."""
    try:
        hosts = [str(host["node"]) for host in _read_state(ctx).get("hosts", ())]
    except (FleetError, OSError, ValueError, KeyError, TypeError, AttributeError):
        hosts = []
    return [node for node in ("scheduler", *complete_groups(ctx, ""), *hosts) if node.startswith(incomplete)]


def _read_state(ctx: Any) -> Any:
    """What is remembered of the fleet that stands before on the command line."""
    return json.loads(fleet_paths(ctx.params.get("name") or DEFAULT_FLEET).state.read_text(encoding="utf-8"))


def complete_providers(incomplete: str) -> list[str]:
    """The providers that begin with `incomplete`."""
    from daskfleet.providers import PROVIDERS

    return [provider for provider in PROVIDERS if provider.startswith(incomplete)]


def complete_clouds(incomplete: str) -> list[str]:
    """The clouds that begin with `incomplete`."""
    from daskfleet.providers import CLOUDS

    return [cloud for cloud in CLOUDS if cloud.startswith(incomplete)]
