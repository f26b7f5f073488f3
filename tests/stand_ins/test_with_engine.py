"""The real engine and the real SDKs with the stand-ins: what a fleet is made of comes, stays, changes and goes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pulumi
import pulumi_aws as aws
import pulumi_tls as tls
import pytest
from pulumi import automation

from engine.engine import Engine
from harness import await_true
from stand_ins import stand_in_path
from stand_ins.conftest import REGION, Cloud
from stand_ins.world import POLICY, TRUST

TAG = "daskfleet:fleet"
PROJECT = "tests"


class Settings:
    """What a test changes between two updates."""

    def __init__(self, **values: Any) -> None:
        self.fleet = "one"
        self.types = ["m7i.2xlarge", "m6i.2xlarge"]
        self.count = 2
        self.wrong: dict[str, Any] = {}
        self.__dict__.update(values)


def build_fleet(settings: Settings) -> None:
    """A network, a scheduler, a group of workers, and their certificates: what the components of a fleet use."""
    provider = aws.Provider("aws", region=REGION, default_tags={"tags": {TAG: settings.fleet}})
    options = pulumi.ResourceOptions(provider=provider)
    looks = pulumi.InvokeOptions(provider=provider)
    zones = aws.get_availability_zones_output(state="available", opts=looks)
    x86_64 = [aws.ec2.GetAmiFilterArgs(name="architecture", values=["x86_64"])]
    image = aws.ec2.get_ami_output(owners=["amazon"], most_recent=True, filters=x86_64, opts=looks)

    network = aws.ec2.Vpc("net", cidr_block="10.77.0.0/16", enable_dns_hostnames=True, opts=options, **settings.wrong)
    subnet = aws.ec2.Subnet(
        "net", vpc_id=network.id, cidr_block="10.77.0.0/20", availability_zone=zones.names[0], opts=options
    )
    gateway = aws.ec2.InternetGateway("net", vpc_id=network.id, opts=options)
    table = aws.ec2.RouteTable("net", vpc_id=network.id, opts=options)
    out = aws.ec2.Route(
        "out", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, opts=options
    )
    aws.ec2.RouteTableAssociation("net", route_table_id=table.id, subnet_id=subnet.id, opts=options)
    service = f"com.amazonaws.{REGION}.s3"
    aws.ec2.VpcEndpoint("s3", vpc_id=network.id, service_name=service, route_table_ids=[table.id], opts=options)
    address = aws.ec2.Eip("nat", domain="vpc", opts=options)
    after_gateway = pulumi.ResourceOptions(provider=provider, depends_on=[out])
    aws.ec2.NatGateway("nat", allocation_id=address.id, subnet_id=subnet.id, opts=after_gateway)
    aws.ec2.DefaultSecurityGroup("default", vpc_id=network.id, opts=options)
    group = aws.ec2.SecurityGroup("fleet", vpc_id=network.id, description="of a fleet", opts=options)
    aws.vpc.SecurityGroupIngressRule(
        "dask",
        security_group_id=group.id,
        ip_protocol="tcp",
        from_port=8786,
        to_port=8786,
        referenced_security_group_id=group.id,
        opts=options,
    )
    aws.vpc.SecurityGroupEgressRule(
        "out", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0", opts=options
    )

    path = f"/daskfleet/{settings.fleet}/"
    role = aws.iam.Role("node", path=path, assume_role_policy=TRUST, opts=options)
    aws.iam.RolePolicy("node", role=role.id, policy=POLICY, opts=options)
    profile = aws.iam.InstanceProfile("node", path=path, role=role.name, opts=options)

    key = tls.PrivateKey("ca", algorithm="ECDSA", ecdsa_curve="P256")
    authority = tls.SelfSignedCert(
        "ca",
        private_key_pem=key.private_key_pem,
        is_ca_certificate=True,
        validity_period_hours=100,
        allowed_uses=["cert_signing"],
        subject={"common_name": "ca"},
    )
    client_key = tls.PrivateKey("client", algorithm="ECDSA", ecdsa_curve="P256")
    request = tls.CertRequest("client", private_key_pem=client_key.private_key_pem, subject={"common_name": "client"})
    certificate = tls.LocallySignedCert(
        "client",
        cert_request_pem=request.cert_request_pem,
        ca_private_key_pem=key.private_key_pem,
        ca_cert_pem=authority.cert_pem,
        validity_period_hours=50,
        allowed_uses=["digital_signature", "client_auth"],
    )
    secret = aws.secretsmanager.Secret("client", recovery_window_in_days=0, opts=options)
    aws.secretsmanager.SecretVersion(
        "client", secret_id=secret.id, secret_string=client_key.private_key_pem, opts=options
    )
    aws.cloudwatch.LogGroup("fleet", name=f"/daskfleet/{settings.fleet}/1", retention_in_days=7, opts=options)

    interface = aws.ec2.NetworkInterface(
        "scheduler", subnet_id=subnet.id, private_ips=["10.77.0.10"], security_groups=[group.id], opts=options
    )
    login = tls.PrivateKey("login", algorithm="ED25519")
    pair = aws.ec2.KeyPair("login", public_key=login.public_key_openssh, opts=options)
    scheduler = aws.ec2.Instance(
        "scheduler",
        ami=image.id,
        instance_type="m7i.large",
        primary_network_interface={"network_interface_id": interface.id},
        iam_instance_profile=profile.name,
        key_name=pair.key_name,
        user_data="#cloud-config\n{}\n",
        metadata_options={"http_tokens": "required"},
        root_block_device={"volume_size": 20, "encrypted": True},
        opts=options,
    )
    template = aws.ec2.LaunchTemplate(
        "cpu",
        image_id=image.id,
        iam_instance_profile={"arn": profile.arn},
        vpc_security_group_ids=[group.id],
        user_data="I2Nsb3VkLWNvbmZpZwo=",
        tag_specifications=[{"resource_type": "instance", "tags": {TAG: settings.fleet}}],
        opts=options,
    )
    aws.autoscaling.Group(
        "cpu",
        min_size=0,
        max_size=10,
        desired_capacity=settings.count,
        vpc_zone_identifiers=[subnet.id],
        wait_for_capacity_timeout="0",
        force_delete=True,
        mixed_instances_policy={
            "launch_template": {
                "launch_template_specification": {
                    "launch_template_id": template.id,
                    "version": template.latest_version.apply(str),
                },
                "overrides": [{"instance_type": kind} for kind in settings.types],
            },
        },
        tags=[{"key": TAG, "value": settings.fleet, "propagate_at_launch": True}],
        opts=pulumi.ResourceOptions(provider=provider, ignore_changes=["desiredCapacity"]),
    )
    pulumi.export("network", network.id)
    pulumi.export("scheduler", scheduler.private_ip)
    pulumi.export("certificate", certificate.cert_pem)
    pulumi.export("key", client_key.private_key_pem)


class Deployment:
    """A stack of one program, with the state of its own."""

    def __init__(self, engine: Engine, cloud: Cloud, home: Path) -> None:
        self.home = home
        environment = engine.environment(home)
        self.environment = {**environment, "PATH": stand_in_path(environment["PATH"]), **cloud.environment}
        self.command = automation.PulumiCommand(root=str(engine.home))

    def stack(self, program: Callable[[], None]) -> automation.Stack:
        options = automation.LocalWorkspaceOptions(env_vars=self.environment, pulumi_command=self.command)
        return automation.create_or_select_stack("dev", PROJECT, program, opts=options)

    @property
    def state(self) -> str:
        return (self.home / "state" / ".pulumi" / "stacks" / PROJECT / "dev.json").read_text()


@pytest.fixture
def deployment(engine: Engine, cloud: Cloud, tmp_path: Path) -> Deployment:
    return Deployment(engine, cloud, tmp_path)


def changes(result: Any) -> dict[str, int]:
    """How many resources are made, changed, left…"""
    found = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    return {str(getattr(key, "value", key)): count for key, count in found.items()}


TAGGED = {
    "describe_addresses": "Addresses",
    "describe_internet_gateways": "InternetGateways",
    "describe_key_pairs": "KeyPairs",
    "describe_launch_templates": "LaunchTemplates",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_route_tables": "RouteTables",
    "describe_security_groups": "SecurityGroups",
    "describe_subnets": "Subnets",
    "describe_volumes": "Volumes",
    "describe_vpcs": "Vpcs",
}


def left_over(cloud: Cloud) -> list[Any]:
    """Everything with the tag of a fleet, and what has its path."""
    tagged = [{"Name": "tag-key", "Values": [TAG]}]
    found: list[Any] = []
    for operation, key in TAGGED.items():
        found += getattr(cloud.ec2, operation)(Filters=tagged)[key]
    for reservation in cloud.ec2.describe_instances(Filters=tagged)["Reservations"]:
        found += [instance for instance in reservation["Instances"] if instance["State"]["Name"] != "terminated"]
    found += [item for item in cloud.ec2.describe_nat_gateways()["NatGateways"] if item["State"] != "deleted"]
    found += [item for item in cloud.ec2.describe_vpc_endpoints()["VpcEndpoints"] if item["State"] != "deleted"]
    found += cloud.client("iam").list_roles(PathPrefix="/daskfleet/")["Roles"]
    found += cloud.client("iam").list_instance_profiles(PathPrefix="/daskfleet/")["InstanceProfiles"]
    found += cloud.client("secretsmanager").list_secrets()["SecretList"]
    found += cloud.client("logs").describe_log_groups(logGroupNamePrefix="/daskfleet/")["logGroups"]
    found += cloud.client("autoscaling").describe_auto_scaling_groups(Filters=tagged)["AutoScalingGroups"]
    return found


def test_a_fleet_is_previewed_made_found_unchanged_and_taken_down(deployment: Deployment, cloud: Cloud):
    stack = deployment.stack(lambda: build_fleet(Settings()))
    assert set(changes(stack.preview())) == {"create"}
    assert [call.name for call in cloud.calls.calls if call.changes] == []

    made = stack.up()
    assert set(changes(made)) == {"create"}
    assert made.outputs["scheduler"].value == "10.77.0.10"
    assert made.outputs["network"].value.startswith("vpc-")
    assert made.outputs["key"].secret
    assert not made.outputs["certificate"].secret
    key = made.outputs["key"].value
    assert "PRIVATE KEY" in key
    assert "PRIVATE KEY" not in deployment.state, "a key is in clear in the state"

    assert set(changes(stack.preview())) == {"same"}
    assert set(changes(stack.refresh())) == {"same"}
    assert set(changes(stack.preview())) == {"same"}
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    instances = cloud.ec2.describe_instances(Filters=running)["Reservations"]
    assert sum(len(reservation["Instances"]) for reservation in instances) == 3
    assert left_over(cloud)

    assert set(changes(stack.destroy())) == {"delete"}
    assert left_over(cloud) == []


def test_a_fleet_changes_in_place_where_it_can(deployment: Deployment, cloud: Cloud):
    settings = Settings()
    stack = deployment.stack(lambda: build_fleet(settings))
    stack.up()
    groups = cloud.client("autoscaling")
    name = groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]["AutoScalingGroupName"]
    groups.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=4)

    settings.types = ["c7i.2xlarge"]
    settings.count = 1  # which belongs to the group now
    cloud.calls.clear()
    assert changes(stack.up()) == {"update": 1, "same": 31}
    assert {call.name for call in cloud.calls.calls if call.changes} == {"autoscaling:UpdateAutoScalingGroup"}
    group = groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["DesiredCapacity"] == 4

    settings.fleet = "two"
    planned = changes(stack.preview())
    done = changes(stack.up())
    assert done == planned
    assert done["replace"] == 4, "the names of the log group, and the paths of the role, its policy and its profile"
    assert set(changes(stack.preview())) == {"same"}
    two = [{"Name": f"tag:{TAG}", "Values": ["two"]}]
    assert len(cloud.ec2.describe_vpcs(Filters=two)["Vpcs"]) == 1
    stack.destroy()
    assert left_over(cloud) == []


def test_what_was_deleted_by_hand_is_made_again(deployment: Deployment, cloud: Cloud):
    stack = deployment.stack(lambda: build_fleet(Settings()))
    stack.up()
    secrets = cloud.client("secretsmanager")
    [secret] = secrets.list_secrets()["SecretList"]
    secrets.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
    assert changes(stack.refresh())["delete"] == 2, "the secret and its version"
    assert changes(stack.up())["create"] == 2
    assert len(secrets.list_secrets()["SecretList"]) == 1


def test_a_program_may_adopt_what_exists(deployment: Deployment, cloud: Cloud):
    vpc = cloud.ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]

    def program() -> None:
        provider = aws.Provider("aws", region=REGION)
        options = pulumi.ResourceOptions(provider=provider, import_=vpc)
        aws.ec2.Vpc("mine", cidr_block="10.78.0.0/16", opts=options)

    stack = deployment.stack(program)
    stack.up()
    assert set(changes(stack.preview())) == {"same"}
    assert '"import": true' not in deployment.state
    stack.destroy()
    assert vpc not in {found["VpcId"] for found in cloud.ec2.describe_vpcs()["Vpcs"]}


def test_an_error_of_aws_stops_the_update_and_the_next_one_goes_on(deployment: Deployment, cloud: Cloud):
    stack = deployment.stack(lambda: build_fleet(Settings(types=["m7i.huge"])))
    with pytest.raises(automation.CommandError, match=r"Invalid value 'm7i\.huge' for InstanceType"):
        stack.up()
    made = deployment.stack(lambda: build_fleet(Settings())).up()
    assert changes(made)["create"] == 1
    stack.destroy()
    assert left_over(cloud) == []


def test_a_property_that_the_sdk_lacks_is_refused_before_anything_is_made(deployment: Deployment, cloud: Cloud):
    stack = deployment.stack(lambda: build_fleet(Settings(wrong={"ipv4_ipam_pool_id": "ipam-pool-1"})))
    with pytest.raises(automation.CommandError, match="the stand-in for aws does not know how to do 'ipv4IpamPoolId'"):
        stack.up()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_nothing_of_an_engine_that_was_ended_runs_on(deployment: Deployment, cloud: Cloud, ending: signal.Signals):
    """While a plugin waits for what AWS does not give."""
    stack = deployment.stack(lambda: build_fleet(Settings()))
    stack.up()
    network = cloud.ec2.describe_vpcs(Filters=[{"Name": "tag-key", "Values": [TAG]}])["Vpcs"][0]["VpcId"]
    subnet = cloud.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [network]}])["Subnets"][0]["SubnetId"]
    cloud.ec2.create_network_interface(SubnetId=subnet)  # somebody else's: the subnet cannot go
    command = [deployment.command.command, "destroy", "--yes", "--skip-preview", "--stack", "dev"]
    folder = Path(stack.workspace.work_dir)
    engine = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **deployment.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    started: list[psutil.Process] = []
    try:
        cloud.calls.clear()
        wanted = "DescribeNetworkInterfaces"
        await_true(lambda: cloud.calls.count(action=wanted) > 4, "the deletion of the subnet waits", 120)
        started = psutil.Process(engine.pid).children(recursive=True)
        plugins = [process for process in started if "pulumi-resource-aws" in " ".join(process.cmdline())]
        assert plugins
        engine.send_signal(ending)
        engine.communicate(timeout=60)
        _, alive = psutil.wait_procs(plugins, timeout=10)
        assert alive == []
    finally:
        engine.kill()
        engine.wait()
        for process in started:  # the language host does not see that its engine was killed
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
