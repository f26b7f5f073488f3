"""What an update that was killed or that failed has made, and did not write down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from daskfleet.progress import Progress
from daskfleet.providers.stack.automation import FleetStack
from daskfleet.providers.stack.cloud import Cloud, Leftover


def is_half_made(state: Mapping[str, Any]) -> bool:
    """Whether an update did not learn the end of a call, or did not finish something that it had begun. Pure.

    AWS gives a new security group a rule that the provider then takes away: where it could not, that rule is in the way
    of the one that is wanted.
    """
    resources = state.get("resources") or ()
    return bool(state.get("pending_operations")) or any(each.get("initErrors") for each in resources)


def remove_strays(fleet: str, cloud: Cloud, stack: FleetStack, progress: Progress) -> bool:
    """Remove what is the fleet's and not in its stack's state; returns whether there was anything.

    The state is brought up to date first: that waits for an update that goes on, and forgets the calls of which a
    killed one did not learn the end. Machines of groups that the state knows stay: they are the groups' own.
    """
    progress.step("an update was stopped half-way; looking at what it made")
    stack.refresh()
    # Parts first: rules of groups that name each other.
    found = [*cloud.find_parts(fleet), *cloud.find_leftovers(fleet)]
    strays = find_strays(found, stack.read_state(), cloud)
    if strays:
        shown = ", ".join(str(each) for each in strays[:6])
        progress.step(f"removing what it had no time to write down: {shown}{' …' if len(strays) > 6 else ''}")
        cloud.remove_leftovers(fleet, strays)
    return bool(strays)


def find_strays(found: Iterable[Leftover], state: Mapping[str, Any], cloud: Cloud) -> list[Leftover]:
    """What is not in the stack's state. Pure.

    Azure spells one identifier in several ways, now with small letters and now with capital ones.
    """
    known = {name.lower() for name in _list_names(state, cloud.id_keys)}
    has_group = any(str(each.get("type")) == cloud.group_type for each in state.get("resources") or ())
    return [
        each
        for each in found
        if known.isdisjoint((each.id.lower(), each.holder.lower()))
        and not (has_group and each.group and each.kind in cloud.made_by_groups)
    ]


def _list_names(state: Mapping[str, Any], keys: Iterable[str]) -> Iterator[str]:
    """Everything by which the cloud may call what is in the state."""
    for resource in state.get("resources") or ():
        yield str(resource.get("id"))
        for key in keys:
            value = (resource.get("outputs") or {}).get(key)
            if isinstance(value, str):
                yield value
