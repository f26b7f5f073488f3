"""Managed instance groups, and the instances of a fleet."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daskfleet.google import Google, Refused, explain_google_errors, find_name
from daskfleet.providers.stack.cloud import GroupResources, Machine, MachineState, Shortage
from daskfleet.providers.stack.explain import is_scarce
from daskfleet.providers.stack.gcp.marks import GROUP, REGION, ROLE, Mark, read_marks

STATES: dict[str, MachineState] = {
    "PROVISIONING": "starting",
    "STAGING": "starting",
    "RUNNING": "running",
    "REPAIRING": "starting",
    "STOPPING": "stopping",
    "PENDING_STOP": "stopping",
    "SUSPENDING": "stopping",
    "SUSPENDED": "gone",
    "STOPPED": "gone",
    "TERMINATED": "gone",
    "DEPROVISIONING": "stopping",
}

BATCH = 500
"""Machines that one call removes."""

SEPARATOR = ","


def join_managers(names: Iterable[str]) -> str:
    """A worker group's managed groups, by which it is called: the spot one first, where there are two. Pure."""
    return SEPARATOR.join(names)


def split_managers(group: GroupResources) -> list[str]:
    """The managed groups of a worker group. Pure."""
    return group.id.split(SEPARATOR)


def read_managers(google: Google, region: str) -> dict[str, dict[str, Any]]:
    """The region's managed groups, by name."""
    items = google.list("compute", google.compute(f"regions/{region}/instanceGroupManagers"), "items")
    return {str(each["name"]): each for each in items}


def count_machines(google: Google, region: str, groups: Sequence[GroupResources]) -> dict[str, int]:
    """The machines that each group wants; groups that are gone are left out."""
    if not groups:
        return {}
    with explain_google_errors():
        known = read_managers(google, region)
    return {
        group.name: sum(int(known[name].get("targetSize", 0)) for name in split_managers(group))
        for group in groups
        if all(name in known for name in split_managers(group))
    }


def set_count(google: Google, region: str, group: GroupResources, count: int) -> None:
    """Have the group want `count` machines: of two managed groups the second keeps what it has as far as that fits."""
    with explain_google_errors():
        known = read_managers(google, region)
        sizes = [int(known[name].get("targetSize", 0)) for name in split_managers(group)]
        for name, old, new in zip(split_managers(group), sizes, share_count(sizes, count), strict=True):
            if old != new:
                _resize(google, region, name, new)


def share_count(sizes: Sequence[int], count: int) -> list[int]:
    """How many machines each managed group wants where all together want `count`. Pure.

    More are asked of the first, the spot market; fewer are taken from the others, which cost more, first.
    """
    kept = list(sizes)
    surplus = sum(sizes) - count
    for index in reversed(range(len(kept))):
        fewer = min(kept[index], max(0, surplus))
        kept[index] -= fewer
        surplus -= fewer
    kept[0] += max(0, -surplus)
    return kept


def _resize(google: Google, region: str, name: str, size: int) -> None:
    path = google.compute(f"regions/{region}/instanceGroupManagers/{name}/resize")
    google.await_end(google.ask("compute", "POST", path, {"size": size}))


def remove_machines(google: Google, region: str, machines: Collection[Machine]) -> None:
    """Delete these instances, and have their managed groups want as many fewer."""
    by_manager: dict[str, list[str]] = defaultdict(list)
    with explain_google_errors():
        for machine, manager in _find_managers(google, machines):
            by_manager[manager].append(machine.id)
        for manager, instances in by_manager.items():
            path = google.compute(f"regions/{region}/instanceGroupManagers/{manager}/deleteInstances")
            for begin in range(0, len(instances), BATCH):
                body = {
                    "instances": [_shorten(each) for each in instances[begin : begin + BATCH]],
                    "skipInstancesOnValidationError": True,  # Some may be gone already.
                }
                google.await_end(google.ask("compute", "POST", path, body=body))


def _find_managers(google: Google, machines: Collection[Machine]) -> Iterator[tuple[Machine, str]]:
    """Each machine with the managed group that made it."""

    def find(machine: Machine) -> tuple[Machine, str]:
        try:
            instance = google.ask("compute", "GET", machine.id)
        except Refused as error:
            if not error.is_missing:
                raise
            return machine, ""
        return machine, read_manager(instance)

    with ThreadPoolExecutor(max_workers=8) as pool:
        yield from ((machine, manager) for machine, manager in pool.map(find, machines) if manager)


def read_manager(instance: Mapping[str, Any]) -> str:
    """The managed group that an instance says that it was made by. Pure."""
    items = (instance.get("metadata") or {}).get("items") or ()
    made_by = next((str(each.get("value")) for each in items if each.get("key") == "created-by"), "")
    return find_name(made_by) if "/instanceGroupManagers/" in made_by else ""


def _shorten(instance: str) -> str:
    """`zones/ZONE/instances/NAME` of `projects/PROJECT/zones/ZONE/instances/NAME`."""
    return instance[instance.index("zones/") :]


def list_instances(google: Google, mark: Mark) -> list[dict[str, Any]]:
    """The instances that carry the fleet's mark. One call."""
    path = google.compute("aggregated/instances")
    query = {"filter": mark.filter, "maxResults": 500}
    return [each for each in google.list("compute", path, "items", query) if mark.is_on(each)]


def list_machines(google: Google, mark: Mark) -> list[Machine]:
    """The machines of the fleet. Those that are gone are not told any more."""
    with explain_google_errors():
        found = list_instances(google, mark)
    return [
        read_machine(each, google.project) for each in found if read_marks(each).get(ROLE) in ("scheduler", "worker")
    ]


def read_machine(instance: Mapping[str, Any], project: str) -> Machine:
    """The machine that an instance of Compute Engine is. Pure."""
    marks = read_marks(instance)
    interfaces = instance.get("networkInterfaces") or [{}]
    name = str(instance["name"])
    return Machine(
        id=f"projects/{project}/zones/{find_name(str(instance['zone']))}/instances/{name}",
        group=marks.get(GROUP),
        node=name,
        address=str(interfaces[0].get("networkIP") or ""),
        state=STATES.get(str(instance.get("status")), "gone"),
        launched=parse_time(str(instance["creationTimestamp"])),
        reason=str(instance.get("statusMessage") or ""),
    )


def parse_time(text: str) -> float:
    """Seconds since the epoch of a time of Google's. Pure."""
    return datetime.datetime.fromisoformat(text).timestamp()


def explain_shortages(google: Google, region: str, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
    """Why machines of the groups could not be made the last time that it was tried."""
    found = {}
    with explain_google_errors():
        for group in groups:
            told = (_explain_manager(google, region, name) for name in split_managers(group))
            shortage = next((each for each in told if each is not None), None)
            if shortage is not None:
                found[group.name] = shortage
    return found


def _explain_manager(google: Google, region: str, name: str) -> Shortage | None:
    """Why a managed group has fewer machines than it wants; `None` where it has them, or does not say it."""
    try:
        manager = google.ask("compute", "GET", google.compute(f"regions/{region}/instanceGroupManagers/{name}"))
    except Refused as error:
        if error.is_missing:
            return None
        raise
    managed = _list_managed(google, region, name)
    if sum(each.get("instanceStatus") == "RUNNING" for each in managed) >= int(manager.get("targetSize", 0)):
        return None
    said = find_refusal(managed) or _find_told_error(google, region, name)
    if not said:
        return None
    on_spot = is_scarce(said, "gcp") and _is_spot(google, region, manager)
    return Shortage(f"{'spot machine: ' if on_spot else ''}{said}", on_spot)


def _find_told_error(google: Google, region: str, manager: str) -> str:
    """The newest of the errors that a managed group remembers, unless a machine was made since."""
    manager_path = google.compute(f"regions/{region}/instanceGroupManagers/{manager}")
    query = {"filter": f"labels.{REGION}={region}", "maxResults": BATCH}
    try:
        errors = list(google.list("compute", f"{manager_path}/listErrors", "items"))
        if not errors:
            return ""
        instances = google.list("compute", google.compute("aggregated/instances"), "items", query)
        made = [parse_time(str(each["creationTimestamp"])) for each in instances if read_manager(each) == manager]
    except Refused as error:
        if error.is_missing:
            return ""
        raise
    return find_newest_error(errors, max(made, default=0.0))


def find_newest_error(errors: Iterable[Mapping[str, Any]], since: float) -> str:
    """What went wrong last, if that was after a moment; otherwise empty. Pure."""
    told = [(parse_time(str(each["timestamp"])), each.get("error") or {}) for each in errors if each.get("timestamp")]
    newest = max((each for each in told if each[0] > since), key=lambda each: each[0], default=None)
    return describe_error(newest[1]) if newest is not None else ""


def describe_error(error: Mapping[str, Any]) -> str:
    """`ZONE_RESOURCE_POOL_EXHAUSTED: The zone …`. Pure."""
    return ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))


def _list_managed(google: Google, region: str, manager: str) -> list[dict[str, Any]]:
    """What a managed group says of each of its machines."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"maxResults": BATCH}
    path = google.compute(f"regions/{region}/instanceGroupManagers/{manager}/listManagedInstances")
    while True:
        try:
            page = google.ask("compute", "POST", path, query)
        except Refused as error:
            if error.is_missing:
                return []
            raise
        found += page.get("managedInstances") or ()
        if not page.get("nextPageToken"):
            return found
        query["pageToken"] = page["nextPageToken"]


def find_refusal(managed: Iterable[Mapping[str, Any]]) -> str:
    """Why machines that a managed group is making are not there; empty where none is refused. Pure."""
    for each in managed:
        errors = [] if each.get("instanceStatus") == "RUNNING" else list_errors(each)
        if errors:
            return describe_error(errors[0])
    return ""


def list_errors(managed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Why the last attempt to make a machine failed; empty where it did not. Pure."""
    return list(((managed.get("lastAttempt") or {}).get("errors") or {}).get("errors") or ())


def _is_spot(google: Google, region: str, manager: Mapping[str, Any]) -> bool:
    """Whether a managed group makes spot machines."""
    template = (manager.get("versions") or [{}])[0].get("instanceTemplate") or manager.get("instanceTemplate") or ""
    try:
        path = google.compute(f"regions/{region}/instanceTemplates/{find_name(template)}")
        properties = google.ask("compute", "GET", path).get("properties") or {}
    except Refused as error:
        if error.is_missing:
            return False
        raise
    return (properties.get("scheduling") or {}).get("provisioningModel") == "SPOT"


def take_on_demand(google: Google, region: str, group: GroupResources) -> None:
    """Move what the spot market has not given from the spot group to the other one. Safe to repeat.

    The machines that are not there are taken out by name: a managed group that is only told to be smaller might take
    one that works.
    """
    names = split_managers(group)
    if len(names) < 2:
        return
    spot, other = names
    with explain_google_errors():
        missing = [
            str(each["instance"])
            for each in _list_managed(google, region, spot)
            if each.get("instanceStatus") != "RUNNING" and list_errors(each)
        ]
        if not missing:
            return
        known = read_managers(google, region)
        if other not in known:  # `up` makes it anew.
            return
        size = int(known[other].get("targetSize", 0))
        path = google.compute(f"regions/{region}/instanceGroupManagers/{spot}/deleteInstances")
        for begin in range(0, len(missing), BATCH):
            instances = [_shorten(each) for each in missing[begin : begin + BATCH]]
            body = {"instances": instances, "skipInstancesOnValidationError": True}
            google.await_end(google.ask("compute", "POST", path, body=body))
        _resize(google, region, other, size + len(missing))


def read_console(google: Google, machine: Machine) -> list[str]:
    """The end of what the instance wrote to its serial port."""
    with explain_google_errors():
        try:
            answer = google.ask("compute", "GET", f"{machine.id}/serialPort", {"port": 1})
        except Refused as error:
            if error.is_missing:
                return []
            raise
    return [line.rstrip() for line in str(answer.get("contents") or "").splitlines() if line.strip()]
