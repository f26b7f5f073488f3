"""What AWS launches, boots: instances, Auto Scaling groups, security groups and the metadata service."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import await_true
from machines import Container, Network, require_machines
from machines.aws import AwsCloud
from machines.launching import LaunchFailed
from machines.leftovers import find_leftovers
from machines.metadata import start_aws
from machines.metadata_service import METADATA_ADDRESS
from machines.requirements import CLOUD_TOOLS
from machines_library.probes import CONNECT, LISTEN, PORT
from machines_library.test_metadata import ask

USER_DATA = """\
#cloud-config
write_files:
  - {path: /etc/greeting, content: hello}
"""


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+eCV2uTPm7OVuBIvbwJN4+GzzXYPxQhoHGXvIDlmKi somebody"


@dataclass
class Lab:
    """A cloud with an image and a subnet, and short ways to what tests need of it."""

    cloud: AwsCloud
    image: str
    subnet: str
    vpc: str

    def run(self, **options: Any) -> str:
        """Run an instance; returns its id."""
        defaults = {"ImageId": self.image, "InstanceType": "m7i.large", "UserData": USER_DATA}
        options = {**defaults, "MinCount": 1, "MaxCount": 1, **options}
        if "NetworkInterfaces" not in options:
            options.setdefault("SubnetId", self.subnet)
        identifier: str = self.cloud.call("ec2", "run_instances", **options)["Instances"][0]["InstanceId"]
        return identifier

    def boot(self, **options: Any) -> tuple[str, Container]:
        """The same, and its machine once that has booted."""
        instance = self.run(**options)
        self.cloud.await_machine(instance)
        return instance, self.cloud.machine(instance)

    def terminate(self, *instances: str) -> None:
        self.cloud.call("ec2", "terminate_instances", InstanceIds=list(instances))
        for instance in instances:
            self.cloud.await_gone(instance)

    def make_security_group(self, name: str) -> str:
        """A group that lets nobody in; returns its id."""
        options = {"GroupName": name, "Description": name, "VpcId": self.vpc}
        identifier: str = self.cloud.call("ec2", "create_security_group", **options)["GroupId"]
        return identifier

    def allow(self, group: str, **peers: Any) -> None:
        permission = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, **peers}
        self.cloud.call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[permission])

    def import_key(self, name: str) -> str:
        """A key pair of this name, which is returned."""
        self.cloud.call("ec2", "import_key_pair", KeyName=name, PublicKeyMaterial=PUBLIC_KEY.encode())
        return name

    def make_role(self, name: str) -> str:
        """A role and an instance profile for it; returns the profile's name."""
        self.cloud.call("iam", "create_role", RoleName=name, Path="/daskfleet/lab/", AssumeRolePolicyDocument="{}")
        profile = f"{name}-profile"
        self.cloud.call("iam", "create_instance_profile", InstanceProfileName=profile, Path="/daskfleet/lab/")
        self.cloud.call("iam", "add_role_to_instance_profile", InstanceProfileName=profile, RoleName=name)
        return profile

    def make_group(self, name: str, size: int, **template: Any) -> None:
        """An Auto Scaling group and its launch template."""
        data = {"ImageId": self.image, "InstanceType": "m7i.large"} | template
        data["UserData"] = base64.b64encode(USER_DATA.encode()).decode()
        self.cloud.call("ec2", "create_launch_template", LaunchTemplateName=name, LaunchTemplateData=data)
        self.cloud.call(
            "autoscaling",
            "create_auto_scaling_group",
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=9,
            DesiredCapacity=size,
            VPCZoneIdentifier=self.subnet,
            LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
            Tags=[{"Key": "daskfleet:group", "Value": name, "PropagateAtLaunch": True}],
        )

    def set_size(self, name: str, size: int) -> None:
        self.cloud.call("autoscaling", "set_desired_capacity", AutoScalingGroupName=name, DesiredCapacity=size)

    def delete_group(self, name: str) -> None:
        instances = self.cloud.running(name)
        self.cloud.call("autoscaling", "delete_auto_scaling_group", AutoScalingGroupName=name, ForceDelete=True)
        for instance in instances:
            self.cloud.await_gone(instance)


def open_lab(network: Network, root: Path) -> Lab:
    cloud = AwsCloud(network, start_aws(network))
    image = cloud.register_image("small", root, {"family": "small", "version": "202611240000"})
    vpc = cloud.call("ec2", "create_vpc", CidrBlock=str(network.subnet))["Vpc"]["VpcId"]
    place = {"VpcId": vpc, "CidrBlock": "10.77.1.0/24", "AvailabilityZone": "eu-west-1a"}
    subnet = cloud.call("ec2", "create_subnet", **place)["Subnet"]["SubnetId"]
    return Lab(cloud, image, subnet, vpc)


@pytest.fixture(scope="module")
def lab(root: Path) -> Iterator[Lab]:
    require_machines(*CLOUD_TOOLS)
    with Network("10.77.0.0/16", addresses=[METADATA_ADDRESS]) as network:
        yield open_lab(network, root)


def listen(machine: Container) -> None:
    machine.exec(["systemd-run", "--quiet", "python3", "-c", LISTEN, machine.address, "answer"])
    await_true(lambda: connect(machine, machine.address) == "answer", "it listens")


def connect(machine: Container, address: str) -> str:
    """What answers a machine at an address; nothing when nothing does."""
    return machine.exec(["python3", "-c", CONNECT, address], check=False).stdout


def is_open(lab: Lab, address: str) -> bool:
    """Whether the gateway reaches a machine."""
    try:
        lab.cloud.network.connect(address, PORT, timeout=1.0).close()
    except TimeoutError:  # Not a refusal: a packet filter is silent.
        return False
    return True


def test_an_instance_boots_at_its_address_with_its_user_data_and_powers_off_when_terminated(lab: Lab):
    instance, machine = lab.boot(PrivateIpAddress="10.77.1.12")
    assert machine.address == "10.77.1.12"
    assert machine.exec(["hostname"]).stdout == "ip-10-77-1-12\n"
    assert machine.exec(["cat", "/etc/greeting"]).stdout == "hello"
    assert machine.exec(["cat", "/run/cloud-init/.instance-id"]).stdout.strip() == instance
    lab.terminate(instance)
    assert machine.process.returncode == 0
    assert "Reached target poweroff.target" in lab.cloud.console(instance)


def test_the_metadata_service_tells_an_instance_its_role_its_tags_and_what_is_announced(lab: Lab):
    instance, machine = lab.boot(
        IamInstanceProfile={"Name": lab.make_role("worker")},
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        KeyName=lab.import_key("a key"),
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "daskfleet:fleet", "Value": "lab"}]}],
    )
    base = "/latest/meta-data"
    hostname = f"ip-{machine.address.replace('.', '-')}.eu-west-1.compute.internal"
    action = f"{base}/spot/instance-action"
    assert ask(
        machine,
        f"{base}/iam/security-credentials/",
        f"{base}/tags/instance/daskfleet:fleet",
        f"{base}/instance-id",
        f"{base}/hostname",
        f"{base}/placement/availability-zone",
        f"{base}/public-keys/0/openssh-key",
        action,
    ) == {
        "no token": 401,
        "wrong token": 401,
        "no lifetime": 400,
        "through a proxy": 403,
        f"{base}/iam/security-credentials/": "worker",
        f"{base}/tags/instance/daskfleet:fleet": "lab",
        f"{base}/instance-id": instance,
        f"{base}/hostname": hostname,
        f"{base}/placement/availability-zone": "eu-west-1a",
        f"{base}/public-keys/0/openssh-key": PUBLIC_KEY,
        action: 404,
    }
    users = machine.exec(["sh", "-c", "cat /home/*/.ssh/authorized_keys"]).stdout
    assert PUBLIC_KEY in users
    lab.cloud.announce_rebalance(instance)
    lab.cloud.announce_interruption(instance, 4)
    notice = await_true(lambda: ask(machine, action)[action] != 404 and ask(machine, action)[action], "it is told")
    assert json.loads(notice)["action"] == "terminate"
    assert ask(machine, f"{base}/events/recommendations/")[f"{base}/events/recommendations/"] == "rebalance"
    lab.cloud.await_gone(instance)
    assert machine.process.returncode == 0


def test_a_group_grows_and_shrinks_and_its_machines_have_what_its_template_gives(lab: Lab):
    closed = lab.make_security_group("grown")
    lab.make_group(
        "grown",
        2,
        IamInstanceProfile={"Name": lab.make_role("grown")},
        MetadataOptions={"InstanceMetadataTags": "enabled"},
        NetworkInterfaces=[{"DeviceIndex": 0, "Groups": [closed]}],
    )
    first = lab.cloud.running("grown")
    assert len(first) == 2
    for instance in first:
        lab.cloud.await_machine(instance)
    lab.set_size("grown", 3)
    (third,) = set(lab.cloud.running("grown")) - set(first)
    lab.cloud.await_machine(third)
    machine = lab.cloud.machine(third)
    assert machine.exec(["cat", "/etc/greeting"]).stdout == "hello"
    role, tag = "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/tags/instance/daskfleet:group"
    answers = ask(machine, role, tag)
    assert (answers[role], answers[tag]) == ("grown", "grown")
    assert not is_open(lab, machine.address)
    lab.set_size("grown", 1)
    left = lab.cloud.running("grown")
    assert len(left) == 1
    for instance in {*first, third} - set(left):
        lab.cloud.await_gone(instance)
        assert lab.cloud.machine(instance).process.returncode == 0
    lab.delete_group("grown")


def test_a_machine_that_powers_itself_off_is_replaced_by_its_group_and_so_is_one_that_dies(lab: Lab):
    lab.make_group("held", 1)
    (instance,) = lab.cloud.running("held")
    lab.cloud.await_machine(instance)
    for end in (lambda machine: machine.exec(["systemctl", "poweroff"]), lambda machine: machine.kill()):
        end(lab.cloud.machine(instance))
        lab.cloud.await_gone(instance)
        (instance,) = lab.cloud.running("held")
        lab.cloud.await_machine(instance)
    lab.delete_group("held")


def test_an_instance_of_no_group_that_powers_itself_off_is_stopped_and_can_be_started_again(lab: Lab):
    instance, machine = lab.boot()
    machine.exec(["systemctl", "poweroff"])
    lab.cloud.await_gone(instance)
    (living,) = lab.cloud.call("ec2", "describe_instances", InstanceIds=[instance])["Reservations"][0]["Instances"]
    assert living["State"]["Name"] == "stopped"
    lab.cloud.call("ec2", "start_instances", InstanceIds=[instance])
    again = lab.cloud.await_machine(instance)
    assert again is not machine
    assert again.address == machine.address
    lab.terminate(instance)


def test_a_machine_that_reboots_boots_again_as_the_same_instance(lab: Lab):
    instance, machine = lab.boot()
    machine.exec(["systemctl", "reboot"])
    machine.await_end(30)
    assert lab.cloud.await_machine(instance) is not machine
    assert lab.cloud.running() == [instance]
    lab.terminate(instance)


def test_a_port_is_closed_until_a_rule_opens_it_and_open_connections_outlive_the_rule(lab: Lab):
    group = lab.make_security_group("port")
    instance, machine = lab.boot(SecurityGroupIds=[group])
    listen(machine)
    assert not is_open(lab, machine.address)
    peers = {"IpRanges": [{"CidrIp": f"{lab.cloud.network.gateway}/32"}]}
    lab.allow(group, **peers)
    await_true(lambda: is_open(lab, machine.address), "the gateway reaches it")
    held = lab.cloud.network.connect(machine.address, PORT)
    permission = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, **peers}
    lab.cloud.call("ec2", "revoke_security_group_ingress", GroupId=group, IpPermissions=[permission])
    await_true(lambda: not is_open(lab, machine.address), "it is closed again")
    with held:
        assert held.recv(100) == b"answer"
    lab.terminate(instance)


def test_a_rule_for_a_group_lets_its_members_in_and_nobody_else(lab: Lab):
    inner, outer = lab.make_security_group("inner"), lab.make_security_group("outer")
    lab.allow(inner, UserIdGroupPairs=[{"GroupId": outer}])
    instances = [lab.run(SecurityGroupIds=[each]) for each in (inner, outer, inner)]
    for instance in instances:
        lab.cloud.await_machine(instance)
    server, member, stranger = map(lab.cloud.machine, instances)
    listen(server)
    assert connect(member, server.address) == "answer"
    assert connect(stranger, server.address) == ""
    assert not is_open(lab, server.address)
    # Its members reach AWS whatever their groups say.
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    lab.cloud.call("ec2", "revoke_security_group_egress", GroupId=outer, IpPermissions=everything)
    await_true(lambda: connect(member, server.address) == "", "it reaches nobody any more")
    assert ask(member, "/latest/meta-data/instance-id")["/latest/meta-data/instance-id"] == instances[1]
    lab.terminate(*instances)


def test_an_instance_that_cannot_boot_says_so_and_is_terminated(lab: Lab):
    instance = lab.run(ImageId="ami-12345678")
    with pytest.raises(LaunchFailed, match=r"cannot boot: its image ami-12345678 was not registered"):
        lab.cloud.await_machine(instance)
    lab.cloud.await_gone(instance)
    assert "ami-12345678" in lab.cloud.console(instance)
    instance = lab.run(UserData="#" * 16385)
    with pytest.raises(LaunchFailed, match="its user-data has 16385 bytes"):
        lab.cloud.await_machine(instance)
    lab.cloud.await_gone(instance)


def test_an_instance_may_run_and_have_no_machine(lab: Lab):
    lab.cloud.never_boot.add("c7i.large")
    instance = lab.run(InstanceType="c7i.large")
    other, _ = lab.boot()
    assert set(lab.cloud.running()) == {instance, other}
    with pytest.raises(LookupError, match="has no machine"):
        lab.cloud.machine(instance)
    lab.terminate(instance, other)


def test_the_image_has_its_tags_and_its_architecture(lab: Lab):
    filters = [{"Name": "tag:daskfleet:family", "Values": ["small"]}]
    (image,) = lab.cloud.call("ec2", "describe_images", Owners=["self"], Filters=filters)["Images"]
    assert (image["ImageId"], image["Architecture"]) == (lab.image, "x86_64")


def test_an_open_network_with_launched_machines_leaves_nothing(root: Path):
    require_machines(*CLOUD_TOOLS)
    with Network("10.77.0.0/16", addresses=[METADATA_ADDRESS]) as network:
        lab = open_lab(network, root)
        _, machine = lab.boot()
        waiting = [lab.run() for _ in range(5)]
    assert not machine.is_running()
    assert len(waiting) == 5
    assert find_leftovers(network.namespace) == []
