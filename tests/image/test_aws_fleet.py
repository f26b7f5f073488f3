"""A fleet whose machines AWS launches from the image: a scheduler, and an Auto Scaling group of workers."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daskfleet_images.node.user_data import render_user_data
from harness import await_true
from image.built import BuiltImage
from image.fleet import FLEET, SCHEDULER_ADDRESS, Cloud, open_cloud
from machines import require_machines
from machines.aws import AwsCloud
from machines.launching import render_facts
from machines.requirements import CLOUD_TOOLS

SUBNET = "10.77.0.0/24"
GROUP = "cpu"


@dataclasses.dataclass
class AwsFleet:
    cloud: Cloud
    aws: AwsCloud
    scheduler: str

    def set_size(self, size: int) -> None:
        self.aws.call("autoscaling", "set_desired_capacity", AutoScalingGroupName=GROUP, DesiredCapacity=size)

    def await_workers(self, count: int) -> None:
        """Wait until AWS has so many workers running, they have registered, and the fleet has no more."""
        await_true(lambda: len(self.aws.running(GROUP)) == count, f"{count} instances")
        for instance in self.aws.running(GROUP):
            self.aws.await_machine(instance).await_console("phase: registered", 90)
        await_true(lambda: self.cloud.count_workers() == count, f"{count} workers", timeout=60)


def make_profile(aws: AwsCloud, role: str) -> str:
    aws.call("iam", "create_role", RoleName=role, Path=f"/daskfleet/{FLEET}/", AssumeRolePolicyDocument="{}")
    aws.call("iam", "create_instance_profile", InstanceProfileName=role, Path=f"/daskfleet/{FLEET}/")
    aws.call("iam", "add_role_to_instance_profile", InstanceProfileName=role, RoleName=role)
    return role


def make_security_groups(aws: AwsCloud, vpc: str) -> dict[str, str]:
    """Clients and workers reach the scheduler; workers and the scheduler reach workers."""
    groups = {
        name: aws.call("ec2", "create_security_group", GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("scheduler", "worker")
    }
    port = {"IpProtocol": "tcp", "FromPort": 8786, "ToPort": 8786}
    members = [{"GroupId": groups["worker"]}]
    clients = [{"CidrIp": f"{aws.network.gateway}/32"}]
    allow: dict[str, list[dict[str, Any]]] = {
        "scheduler": [{**port, "IpRanges": clients, "UserIdGroupPairs": members}],
        "worker": [{"IpProtocol": "-1", "UserIdGroupPairs": [*members, {"GroupId": groups["scheduler"]}]}],
    }
    for name, permissions in allow.items():
        aws.call("ec2", "authorize_security_group_ingress", GroupId=groups[name], IpPermissions=permissions)
    return groups


@pytest.fixture
def fleet(tmp_path: Path, image: BuiltImage) -> Iterator[AwsFleet]:
    """A scheduler and two workers."""
    require_machines(*CLOUD_TOOLS)
    with open_cloud(tmp_path, image) as cloud:
        aws = AwsCloud(cloud.network, cloud.aws)
        ami = aws.register_image("daskfleet", image.root, render_facts(image.manifest))
        vpc = aws.call("ec2", "create_vpc", CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        subnet = aws.call("ec2", "create_subnet", VpcId=vpc, CidrBlock=SUBNET)["Subnet"]["SubnetId"]
        groups = make_security_groups(aws, vpc)
        profile = make_profile(aws, "worker")
        # Documents as on AWS: nothing in them says where AWS is.
        scheduler = aws.call(
            "ec2",
            "run_instances",
            ImageId=ami,
            InstanceType="m7i.large",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            PrivateIpAddress=SCHEDULER_ADDRESS,
            SecurityGroupIds=[groups["scheduler"]],
            IamInstanceProfile={"Name": make_profile(aws, "scheduler")},
            UserData=render_user_data(
                cloud.scheduler_document(tls=cloud.reference("scheduler", endpoint_url=None)),
            ),
        )["Instances"][0]["InstanceId"]
        workers = render_user_data(cloud.workers_document(tls=cloud.reference("worker", endpoint_url=None)))
        aws.call(
            "ec2",
            "create_launch_template",
            LaunchTemplateName=GROUP,
            LaunchTemplateData={
                "ImageId": ami,
                "InstanceType": "m7i.large",
                "IamInstanceProfile": {"Name": profile},
                "SecurityGroupIds": [groups["worker"]],
                "UserData": base64.b64encode(workers.encode()).decode(),
            },
        )
        aws.call(
            "autoscaling",
            "create_auto_scaling_group",
            AutoScalingGroupName=GROUP,
            MinSize=0,
            MaxSize=9,
            DesiredCapacity=2,
            VPCZoneIdentifier=subnet,
            LaunchTemplate={"LaunchTemplateName": GROUP, "Version": "$Latest"},
        )
        aws.await_machine(scheduler).await_console("phase: registered", 90)
        yield AwsFleet(cloud, aws, scheduler)


def test_a_group_of_workers_computes_grows_shrinks_and_is_healed(fleet: AwsFleet):
    fleet.await_workers(2)
    assert fleet.cloud.compute("print(*client.gather(client.map(lambda n: n + 1, range(3))))") == "1 2 3"
    hosts = fleet.cloud.compute("print(*client.run(__import__('socket').gethostname).values())").split()
    assert all(re.fullmatch(r"ip-10-77-0-\d+", host) for host in hosts)

    fleet.set_size(3)
    fleet.await_workers(3)
    fleet.set_size(1)
    fleet.await_workers(1)

    (last,) = fleet.aws.running(GROUP)
    fleet.aws.machine(last).kill()
    fleet.aws.await_gone(last)
    fleet.await_workers(1)
    assert fleet.aws.running(GROUP) != [last]
    asked = {request["path"] for request in fleet.cloud.aws.metadata.read_requests()}
    assert {f"/latest/meta-data/iam/security-credentials/{role}" for role in ("scheduler", "worker")} <= asked


def test_only_the_schedulers_port_is_open_to_a_client(fleet: AwsFleet):
    network = fleet.cloud.network
    network.connect(SCHEDULER_ADDRESS, 8786).close()
    fleet.await_workers(2)
    workers = json.loads(fleet.cloud.compute("import json; print(json.dumps(list(client.ncores())))"))
    places = [(address, int(port)) for address, port in (each.removeprefix("tls://").split(":") for each in workers)]
    for address, port in [(SCHEDULER_ADDRESS, 22), *places]:
        with pytest.raises(TimeoutError):
            network.connect(address, port, timeout=1.0)
