"""What a managed group does by itself: it comes to its size, and replaces what is gone.

https://cloud.google.com/compute/docs/instance-groups/working-with-managed-instances
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google_cloud.clock import render_time
from google_cloud.compute import launching
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.members import Member, Members, find_instance, find_members, instance_path, make_name
from google_cloud.compute.placing import choose_place
from google_cloud.compute.store import BASE, Record, shorten
from google_cloud.errors import ApiError

RETRY_SECONDS = 1.0
COMING = ("CREATING", "RECREATING")
GOING = ("DELETING", "ABANDONING")


def control(engine: Engine, group: Record) -> None:
    """Bring a group nearer to what it is to be."""
    members = find_members(group)
    for member in list(members.known):
        watch(engine, group, members, member)
    if group.is_ready and not group.is_going:
        resize(engine, group, members)
        roll(engine, group, members)
    for member in members.known:
        if member.action in COMING and not member.number and not group.is_going and engine.now >= member.retry:
            create(engine, group, members, member)
    describe(engine, group, members)


def watch(engine: Engine, group: Record, members: Members, member: Member) -> None:
    """What has become of a managed instance."""
    instance = find_instance(engine, group, member) if member.number else None
    if member.action in GOING:
        if instance is None:
            members.known.remove(member)
    elif member.number and instance is None:
        # Somebody has deleted it, or it was preempted: there will be another one of its name.
        member.number, member.action, member.health = "", "CREATING", ""
    elif instance is not None and (instance.body["status"] == "TERMINATED" or member.health == "UNHEALTHY"):
        launching.remove(engine, instance)
        member.number, member.action, member.health = "", "RECREATING", ""
    elif instance is not None and instance.body["status"] == "RUNNING":
        member.action, member.errors = "NONE", []


def resize(engine: Engine, group: Record, members: Members) -> None:
    """Add members, or let some go: the newest first, and those that do not run before them."""
    lasting = members.lasting
    for _ in range(group.body["targetSize"] - len(lasting)):
        members.joined += 1
        template = choose_template(group)
        member = Member(make_name(group, members), "", template, "", members.joined)
        members.known.append(member)
    surplus = len(lasting) - group.body["targetSize"]
    for member in sorted(lasting, key=lambda each: (each.action == "NONE", -each.joined))[: max(surplus, 0)]:
        let_go(engine, group, members, member)


def choose_template(group: Record) -> str:
    return shorten(group.body["instanceTemplate"])


def roll(engine: Engine, group: Record, members: Members) -> None:
    """A proactive update replaces instances of another template, as many at a time as may be missing or too many."""
    policy = group.body["updatePolicy"]
    if policy.get("type") != "PROACTIVE":
        return
    template = choose_template(group)
    most = max(1, count(policy, "maxSurge", group), count(policy, "maxUnavailable", group))
    under_way = sum(each.action != "NONE" for each in members.known)
    old = [each for each in members.lasting if each.template != template and each.action == "NONE"]
    for member in old[: max(most - under_way, 0)]:
        recreate(engine, group, member, template)


def count(policy: Mapping[str, Any], name: str, group: Record) -> int:
    bound = policy.get(name) or {}
    return int(bound.get("fixed") or bound.get("percent", 0) * group.body["targetSize"] // 100)


def recreate(engine: Engine, group: Record, member: Member, template: str | None = None) -> None:
    """Another instance in its place, of its name."""
    instance = find_instance(engine, group, member)
    if instance is not None:
        launching.remove(engine, instance)
    member.number, member.action, member.errors, member.retry = "", "RECREATING", [], engine.now
    member.template = template or member.template


def let_go(engine: Engine, group: Record, members: Members, member: Member) -> None:
    """A member and its instance go."""
    instance = find_instance(engine, group, member) if member.number else None
    if instance is None:
        members.known.remove(member)
        return
    member.action = "DELETING"
    instance.is_going = True
    instance.body["status"] = "STOPPING"
    engine.agenda.add(engine.now + launching.STOP_SECONDS, lambda: launching.remove(engine, instance))


def create(engine: Engine, group: Record, members: Members, member: Member) -> None:
    """Try to make a member's instance."""
    if is_renewed(group):
        member.template = choose_template(group)
    template = engine.store.find(member.template) or engine.require(choose_template(group))
    member.template = template.path
    properties = template.body["properties"]
    others = Members([each for each in members.known if each is not member and each.zone])
    zone = member.zone if member.is_settled else ""
    member.zone, member.machine_type = choose_place(group, others, properties, engine.market, zone)
    try:
        launching.check_supply(engine, group.project, member.zone, member.machine_type, properties)
        instance = launching.launch(
            engine,
            instance_path(group, member),
            member.machine_type,
            render_properties(engine, group, template),
            "resource.properties",
        )
    except ApiError as error:
        fail(engine, group, members, member, error)
        return
    instance.is_ready = True
    instance.notes[launching.GROUP] = group.path
    member.number, member.errors, member.is_settled = instance.body["id"], [], True
    launching.start(engine, instance)


def is_renewed(group: Record) -> bool:
    """Whether an instance that comes again is of the present template."""
    policy = group.body.get("instanceLifecyclePolicy") or {}
    return policy.get("forceUpdateOnRepair") == "YES" or group.body["updatePolicy"].get("type") == "PROACTIVE"


def render_properties(engine: Engine, group: Record, template: Record) -> dict[str, Any]:
    """A template's properties for an instance, with the metadata by which it knows its group."""
    properties = {key: value for key, value in template.body["properties"].items() if key != "machineType"}
    number = engine.projects.find(group.project).number
    own = {"instance-template": template.path, "created-by": group.path}
    items = [
        {"key": key, "value": path.replace(f"projects/{group.project}/", f"projects/{number}/", 1)}
        for key, path in own.items()
    ]
    given = (properties.get("metadata") or {}).get("items") or []
    return {**properties, "metadata": {"items": [*given, *items]}}


def fail(engine: Engine, group: Record, members: Members, member: Member, error: ApiError) -> None:
    told = ApiError(
        error.status,
        f"Instance '{member.name}' creation failed: {error.message}",
        error.reason,
        error.word,
        error.code,
    )
    member.errors, member.retry = [told], engine.now + RETRY_SECONDS
    members.add_error(
        {
            "error": {"code": told.code, "message": told.message},
            "instanceActionDetails": {
                "action": member.action,
                "instance": BASE + instance_path(group, member),
                "version": {"instanceTemplate": BASE + member.template},
            },
            "timestamp": render_time(engine.now),
        }
    )


def describe(engine: Engine, group: Record, members: Members) -> None:
    """What a group tells of itself."""
    actions = dict.fromkeys(ACTIONS, 0)
    for member in members.known:
        actions[member.action.lower()] += 1
    wanted = choose_template(group)
    is_stable = len(members.known) == group.body["targetSize"] == actions["none"]
    group.body["currentActions"] = actions
    group.body["status"] = {
        "isStable": is_stable,
        "versionTarget": {"isReached": all(each.template == wanted for each in members.known) and is_stable},
        "stateful": {"hasStatefulConfig": False, "perInstanceConfigs": {"allEffective": True}},
        "allInstancesConfig": {"effective": True},
    }


ACTIONS = (
    "abandoning",
    "creating",
    "creatingWithoutRetries",
    "deleting",
    "none",
    "recreating",
    "refreshing",
    "restarting",
    "resuming",
    "starting",
    "stopping",
    "suspending",
    "verifying",
)
