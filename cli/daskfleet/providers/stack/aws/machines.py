"""Auto Scaling groups, and the instances of a fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daskfleet.providers.stack.aws.clients import Clients, explain_aws_errors, find_tag, is_missing
from daskfleet.providers.stack.aws.tags import FLEET_TAG, GROUP_TAG, ROLE_TAG
from daskfleet.providers.stack.cloud import GroupResources, Machine, MachineState, Shortage

STATES: dict[str, MachineState] = {
    "pending": "starting",
    "running": "running",
    "shutting-down": "stopping",
    "stopping": "stopping",
    "stopped": "gone",
    "terminated": "gone",
}

FAILED_ACTIVITIES = ("Failed", "Cancelled")
PAGE = 1000


def count_machines(clients: Clients, groups: Sequence[GroupResources]) -> dict[str, int]:
    """The machines that each group wants; groups that are gone are left out."""
    if not groups:
        return {}
    names = {group.id: group.name for group in groups}
    with explain_aws_errors():
        pages = (
            clients.get("autoscaling")
            .get_paginator("describe_auto_scaling_groups")
            .paginate(AutoScalingGroupNames=list(names))
        )
        return {
            names[each["AutoScalingGroupName"]]: int(each["DesiredCapacity"])
            for page in pages
            for each in page["AutoScalingGroups"]
            if each.get("Status") is None  # Otherwise it is being deleted.
        }


def set_count(clients: Clients, group: GroupResources, count: int) -> None:
    """Have the group want `count` machines."""
    with explain_aws_errors():
        clients.get("autoscaling").set_desired_capacity(
            AutoScalingGroupName=group.id, DesiredCapacity=count, HonorCooldown=False
        )


def remove_machines(clients: Clients, machines: Collection[Machine]) -> None:
    """Terminate these instances, and have their groups want as many fewer."""
    from botocore.exceptions import ClientError

    client = clients.get("autoscaling")

    def remove(machine: Machine) -> None:
        try:
            client.terminate_instance_in_auto_scaling_group(InstanceId=machine.id, ShouldDecrementDesiredCapacity=True)
        except ClientError as error:
            if not is_missing(error):
                raise

    with explain_aws_errors(), ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(remove, machines))


def list_machines(clients: Clients, fleet: str) -> list[Machine]:
    """The instances that carry the fleet's tag, with those that have just gone."""
    with explain_aws_errors():
        pages = (
            clients.get("ec2")
            .get_paginator("describe_instances")
            .paginate(Filters=[{"Name": f"tag:{FLEET_TAG}", "Values": [fleet]}], PaginationConfig={"PageSize": PAGE})
        )
        instances = [
            each for page in pages for reservation in page["Reservations"] for each in reservation["Instances"]
        ]
    return [read_machine(each) for each in instances if find_tag(each, ROLE_TAG) in ("scheduler", "worker")]


def read_machine(instance: dict[str, Any]) -> Machine:
    """The machine that an instance of EC2 is. Pure."""
    address = str(instance.get("PrivateIpAddress") or "")
    reason = instance.get("StateReason") or {}
    return Machine(
        id=instance["InstanceId"],
        group=find_tag(instance, GROUP_TAG) or None,
        node=name_node(address) if address else instance["InstanceId"],
        address=address,
        state=STATES.get(instance["State"]["Name"], "gone"),
        launched=instance["LaunchTime"].timestamp(),
        reason=str(reason.get("Message") or instance.get("StateTransitionReason") or ""),
    )


def name_node(address: str) -> str:
    """The host name that EC2 gives to the machine at a private address, without its domain."""
    return f"ip-{address.replace('.', '-')}"


def explain_shortages(clients: Clients, groups: Iterable[GroupResources]) -> dict[str, Shortage]:
    """What the newest activities of each group say, where they failed."""
    found = {}
    for group in groups:
        with explain_aws_errors():
            answer = clients.get("autoscaling").describe_scaling_activities(
                AutoScalingGroupName=group.id, MaxRecords=10
            )
        said = find_refusal(answer["Activities"])
        if said:
            found[group.name] = Shortage(said, on_spot="spot" in said.lower())
    return found


def take_on_demand(clients: Clients, group: GroupResources) -> None:
    """Have as many on-demand instances in the group as it wants and has not on the spot market."""
    client = clients.get("autoscaling")
    wanted = [
        {"Name": "tag:aws:autoscaling:groupName", "Values": [group.id]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    with explain_aws_errors():
        answer = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group.id])["AutoScalingGroups"]
        if not answer:
            return
        pages = clients.get("ec2").get_paginator("describe_instances").paginate(Filters=wanted)
        there = [each for page in pages for one in page["Reservations"] for each in one["Instances"]]
        on_spot = sum(each.get("InstanceLifecycle") == "spot" for each in there)
        distribution = (answer[0].get("MixedInstancesPolicy") or {}).get("InstancesDistribution") or {}
        base = max(0, int(answer[0]["DesiredCapacity"]) - on_spot)
        # What of the policy is not named stays; whether that holds inside of the distribution, AWS does not say.
        client.update_auto_scaling_group(
            AutoScalingGroupName=group.id,
            MixedInstancesPolicy={"InstancesDistribution": {**distribution, "OnDemandBaseCapacity": base}},
        )


def find_refusal(activities: Iterable[dict[str, Any]]) -> str:
    """Why a group's newest launch failed; empty where none did. Pure."""
    for activity in activities:
        if activity.get("StatusCode") in FAILED_ACTIVITIES:
            return str(activity.get("StatusMessage") or activity.get("Description") or "")
        if activity.get("StatusCode") == "Successful" and "aunching" in str(activity.get("Description")):
            return ""
    return ""


def read_console(clients: Clients, machine: Machine) -> list[str]:
    """The end of what the instance wrote to its console."""
    import base64

    with explain_aws_errors():
        answer = clients.get("ec2").get_console_output(InstanceId=machine.id)
    text = str(answer.get("Output") or "")
    if text and "\n" not in text and " " not in text:  # botocore decodes it, where the service says that it is encoded.
        text = base64.b64decode(text, validate=False).decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()]
