"""Worker groups: scale sets with flexible orchestration, whose machines are virtual machines like any other."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from daskfleet.azure import MANAGER, Azure, Refused, explain_azure_errors, is_over
from daskfleet.providers.stack.azure.machines import describe_failure, list_members, read_scale_set, read_state
from daskfleet.providers.stack.azure.places import MACHINES, SCALE_SETS
from daskfleet.providers.stack.cloud import GroupResources, Machine, Shortage
from daskfleet.providers.stack.explain import is_scarce

BATCH = 100
"""Machines that one call removes."""

ROUNDS = 4
"""Times that machines are asked to go: some may go by themselves meanwhile, and a call that names one is refused."""

CONFLICTS = ("Conflict", "AnotherOperationInProgress")
"""What Azure says to a change while another one is going on."""

PAUSE_SECONDS = 2.0

UNSAID = "Azure could not make its machines, and does not say here why; the activity log of the scale set does"


def find_group(identifier: str) -> str:
    """The identifier of the resource group that something is in. Pure."""
    return "/".join(identifier.split("/")[:5])


def read_capacity(scale_set: Mapping[str, Any]) -> int:
    """The machines that a scale set wants. Pure."""
    return int((scale_set.get("sku") or {}).get("capacity") or 0)


def read_base(scale_set: Mapping[str, Any]) -> int | None:
    """How many of its machines are on demand in any case; `None` where it never takes any for spot ones. Pure."""
    policy = (scale_set.get("properties") or {}).get("priorityMixPolicy")
    return None if policy is None else int(policy.get("baseRegularPriorityCount") or 0)


def count_machines(azure: Azure, groups: Sequence[GroupResources]) -> dict[str, int]:
    """The machines that each group wants; groups that are gone are left out."""
    if not groups:
        return {}
    with explain_azure_errors():
        try:
            found = list(azure.list(f"{find_group(groups[0].id)}/providers/{SCALE_SETS}"))
        except Refused as error:
            if not error.is_missing:
                raise
            return {}
    known = {str(each["id"]).lower(): each for each in found}
    return {group.name: read_capacity(known[group.id.lower()]) for group in groups if group.id.lower() in known}


class Changes:
    """What was asked of scale sets lately. How it ended, Azure tells only whoever has asked."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._operations: dict[str, str] = {}

    def begin(self, path: str, change: Mapping[str, Any]) -> None:
        """Change a scale set; again where another change was going on. The end is not waited for."""
        for attempt in range(ROUNDS):
            try:
                answer = self._azure.begin("PATCH", path, body=change)
            except Refused as error:
                if error.code not in CONFLICTS or attempt == ROUNDS - 1:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                self._operations[path.lower()] = answer.headers.get("Azure-AsyncOperation") or ""
                return

    def find_failure(self, path: str) -> str:
        """Why the last change has failed; empty where it has not, or nobody here has asked for one."""
        operation = self._operations.get(path.lower())
        if not operation:
            return ""
        try:
            answer = self._azure.send("GET", operation, MANAGER)
        except Refused as error:
            if error.is_missing:  # Azure remembers for some hours.
                return ""
            raise
        try:
            is_over(answer, by_status=True)
        except Refused as failure:
            return str(failure)
        return ""


def set_count(azure: Azure, changes: Changes, group: GroupResources, count: int) -> None:
    """Have the group want `count` machines. That they come is not waited for, and may fail for want of them."""
    with explain_azure_errors():
        changes.begin(group.id, plan_count(azure.ask("GET", group.id), count))


def plan_count(scale_set: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The change by which a scale set wants so many: what goes is on demand first, as that costs more. Pure."""
    change: dict[str, Any] = {"sku": {**scale_set["sku"], "capacity": count}}
    base, fewer = read_base(scale_set), read_capacity(scale_set) - count
    if base and fewer > 0:
        change["properties"] = _render_mix(scale_set, max(0, base - fewer))
    return change


def _render_mix(scale_set: Mapping[str, Any], base: int) -> dict[str, Any]:
    policy = scale_set["properties"]["priorityMixPolicy"]
    return {"priorityMixPolicy": {**policy, "baseRegularPriorityCount": base}}


def remove_machines(azure: Azure, machines: Collection[Machine]) -> None:
    """Delete these machines through their scale sets, which want as many fewer.

    That they are gone is not waited for: a machine has minutes to hand its data over.
    """
    wanted = {machine.id.lower() for machine in machines}
    if not wanted:
        return
    group = find_group(next(iter(machines)).id)
    with explain_azure_errors():
        for attempt in range(ROUNDS):
            by_scale_set = _find_scale_sets(azure, group, wanted)
            try:
                for scale_set, names in by_scale_set.items():
                    for begin in range(0, len(names), BATCH):
                        body = {"instanceIds": names[begin : begin + BATCH]}
                        azure.begin("POST", f"{scale_set}/delete", body=body)
            except Refused as error:
                if (error.status != 400 and error.code not in CONFLICTS) or attempt == ROUNDS - 1:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return


def _find_scale_sets(azure: Azure, group: str, wanted: Collection[str]) -> dict[str, list[str]]:
    """The names of those of the machines that are there and not on their way out, by scale set. One call."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in azure.list(f"{group}/providers/{MACHINES}"):
        scale_set = read_scale_set(each)
        if scale_set and str(each["id"]).lower() in wanted and read_state(each) != "stopping":
            found[scale_set].append(str(each["name"]))
    return found


def explain_shortages(azure: Azure, changes: Changes, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
    """Why machines of the groups could not be made the last time that it was tried. Three calls for each group.

    Of a scale set with flexible orchestration Azure tells that it failed, but not why: its machines do, and the change.
    """
    found = {}
    with explain_azure_errors():
        for group in groups:
            scale_set = azure.find(group.id)
            if scale_set is None:
                continue
            shortage = judge_shortage(scale_set, changes.find_failure(group.id), list_members(azure, group.id))
            if shortage is not None:
                found[group.name] = shortage
    return found


def judge_shortage(scale_set: Mapping[str, Any], failure: str, members: Sequence[Mapping[str, Any]]) -> Shortage | None:
    """Why a scale set has fewer machines than it wants; `None` where it has them, or has not failed. Pure.

    Args:
        failure: of the last change, where it is known.
    """
    there = [each for each in members if read_state(each) in ("starting", "running")]
    if len(there) >= read_capacity(scale_set):
        return None
    properties = scale_set.get("properties") or {}
    said = failure or next(filter(None, map(describe_view, members)), "")
    if not said and properties.get("provisioningState") != "Failed":
        return None
    base = read_base(scale_set)
    # Where all that is missing is to be on demand already, it is not the spot market that has none.
    is_asked = base is not None and base >= count_on_demand(scale_set, there)
    is_spot = (properties.get("virtualMachineProfile") or {}).get("priority") == "Spot"
    on_spot = is_spot and not is_asked and (is_scarce(said, "azure") if said else True)
    return Shortage(f"{'spot machine: ' if on_spot else ''}{said or UNSAID}", on_spot)


def describe_view(machine: Mapping[str, Any]) -> str:
    """Why a machine could not be made; empty where it could. Pure."""
    return describe_failure((machine.get("properties") or {}).get("instanceView") or {})


def count_on_demand(scale_set: Mapping[str, Any], there: Iterable[Mapping[str, Any]]) -> int:
    """The machines that are on demand once all are that the spot market has not given. Pure."""
    spot = [each for each in there if (each.get("properties") or {}).get("priority") == "Spot"]
    return max(0, read_capacity(scale_set) - len(spot))


def try_again(azure: Azure, changes: Changes, groups: Iterable[GroupResources]) -> None:
    """Have scale sets try again that have failed to come to their capacity: by itself none does."""
    with explain_azure_errors():
        for group in groups:
            scale_set = azure.find(group.id)
            if scale_set is None or (scale_set.get("properties") or {}).get("provisioningState") != "Failed":
                continue
            states = [read_state(each) for each in list_members(azure, group.id)]
            if sum(state in ("starting", "running") for state in states) < read_capacity(scale_set):
                changes.begin(group.id, {"sku": scale_set["sku"]})


def take_on_demand(azure: Azure, changes: Changes, group: GroupResources) -> None:
    """Have the scale set take on demand what the spot market has not given. Safe to repeat."""
    with explain_azure_errors():
        scale_set = azure.find(group.id)
        base = None if scale_set is None else read_base(scale_set)
        if scale_set is None or base is None:
            return
        members = list_members(azure, group.id)
        there = [each for each in members if read_state(each) in ("starting", "running")]
        wanted = count_on_demand(scale_set, there)
        if wanted <= base or len(there) >= read_capacity(scale_set):
            return
        # Those that could not be made would count as if they were there.
        failed = [str(each["name"]) for each in members if describe_view(each) and read_state(each) == "gone"]
        for begin in range(0, len(failed), BATCH):
            azure.change("POST", f"{group.id}/delete", body={"instanceIds": failed[begin : begin + BATCH]})
        # With the capacity beside, it tries again to come to it.
        changes.begin(group.id, {"sku": scale_set["sku"], "properties": _render_mix(scale_set, wanted)})
