"""The provider itself: its configuration, what AWS answers otherwise, interrupts, and its process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from aws_calls import BROKEN, THROTTLED, denied
from aws_calls import Refusal as Answer
from harness import await_true
from stand_ins import BIN
from stand_ins.aws.plugin import empty_failure
from stand_ins.conftest import REGION, Cloud, render_environment
from stand_ins.core.wire import UNKNOWN, Secret, decode, encode, plain
from stand_ins.plugin_client import Made, PluginClient, Refusal
from stand_ins.world import INPUTS, INSTANCE, SECRET_VERSION, SUBNET, VPC, World


@pytest.fixture
def fresh(cloud: Cloud) -> Iterator[PluginClient]:
    """A plugin that nobody has configured."""
    with PluginClient("aws", render_environment(cloud)) as plugin:
        yield plugin


def test_a_region_is_required(fresh: PluginClient):
    with pytest.raises(Refusal, match="missing region information"):
        fresh.configure()


def test_the_region_comes_from_the_environment_too(cloud: Cloud):
    with PluginClient("aws", {**render_environment(cloud), "AWS_REGION": "eu-north-1"}) as plugin:
        plugin.configure()
        assert plugin.create(VPC, {"cidrBlock": "10.0.0.0/16"})["region"] == "eu-north-1"


def test_credentials_are_required(cloud: Cloud):
    environment = render_environment(cloud)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del environment[name]
    with PluginClient("aws", {**environment, "AWS_EC2_METADATA_DISABLED": "true"}) as plugin:
        with pytest.raises(Refusal, match="no valid credential sources found"):
            plugin.configure(region=REGION)
        plugin.configure(region=REGION, accessKey="testing", secretKey=Secret("testing"))
        plugin.create(VPC, {"cidrBlock": "10.0.0.0/16"})


def test_another_account_is_refused(fresh: PluginClient):
    with pytest.raises(Refusal, match="AWS account ID not allowed: 123456789012"):
        fresh.configure(region=REGION, allowedAccountIds=["000000000000"])


def test_settings_of_the_provider_that_would_be_ignored_are_refused(fresh: PluginClient):
    answer = fresh.ask("CheckConfig", news=encode({"region": REGION, "assumeRoles": '[{"roleArn": "x"}]'}))
    assert [failure.property for failure in answer.failures] == ["assumeRoles"]
    answer = fresh.ask("CheckConfig", news=encode({"region": REGION, "regoin": "x"}))
    assert [failure.property for failure in answer.failures] == ["regoin"]


def test_settings_may_come_as_json_as_the_sdk_sends_them(fresh: PluginClient):
    tags = '{"tags": {"a": "b"}}'
    assert not fresh.ask("CheckConfig", news=encode({"region": REGION, "defaultTags": tags})).failures
    fresh.configure(region=REGION, defaultTags=tags, ignoreTags='{"keyPrefixes": ["kubernetes.io/"]}')
    assert fresh.create(VPC, {"cidrBlock": "10.0.0.0/16"})["tagsAll"] == {"a": "b"}


def test_endpoints_of_services_may_be_given(cloud: Cloud):
    environment = render_environment(cloud)
    url = environment.pop("AWS_ENDPOINT_URL")
    with PluginClient("aws", environment) as plugin:
        plugin.configure(region=REGION, endpoints=[{"ec2": url, "sts": url}])
        plugin.create(VPC, {"cidrBlock": "10.0.0.0/16"})
        with pytest.raises(Refusal, match="does not know the services s3"):
            plugin.configure(region=REGION, endpoints=[{"s3": url}])


def test_ignored_tags_are_nobodys(fresh: PluginClient, cloud: Cloud):
    fresh.configure(region=REGION, ignoreTags={"keys": ["owner"]})
    made = fresh.create(VPC, {"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}})
    cloud.ec2.create_tags(Resources=[made.id], Tags=[{"Key": "owner", "Value": "somebody"}])
    refreshed = fresh.refresh(made)
    assert refreshed is not None
    assert refreshed["tagsAll"] == {"a": "b"}


def test_a_resource_may_be_in_another_region_than_its_provider(aws: PluginClient, cloud: Cloud):
    made = aws.create(VPC, {"cidrBlock": "10.0.0.0/16", "region": "eu-north-1"})
    assert ":eu-north-1:" in made["arn"]
    assert aws.refresh(made) is not None
    assert made.id not in {vpc["VpcId"] for vpc in cloud.ec2.describe_vpcs()["Vpcs"]}
    aws.delete(made)


def test_secrets_stay_secret(aws: PluginClient, world: World):
    made = aws.create(SECRET_VERSION, {"secretId": world.secret.id, "secretString": Secret("s3cr3t")})
    assert isinstance(made.inputs["secretString"], Secret)
    assert made.state["secretString"] == Secret("s3cr3t")
    assert aws.create(SECRET_VERSION, {"secretId": world.secret.id, "secretString": "0pen"}).state[
        "secretString"
    ] == Secret("0pen"), "this output is secret whatever it was made from"
    refreshed = aws.refresh(made)
    assert refreshed is not None
    assert refreshed.inputs["secretString"] == refreshed.state["secretString"] == Secret("s3cr3t")


def test_an_output_that_was_made_from_a_secret_is_one(aws: PluginClient):
    made = aws.create(VPC, {"cidrBlock": "10.0.0.0/16", "tags": {"a": Secret("b")}})
    assert isinstance(made.state["tags"], Secret)
    assert isinstance(made.state["tagsAll"], Secret)
    assert plain(made.state["tagsAll"])["a"] == "b"


def test_a_preview_passes_on_what_is_not_known(aws: PluginClient):
    planned = aws.preview(SUBNET, {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24", "tags": {"a": UNKNOWN}})
    assert (planned["vpcId"], planned["arn"], planned["tagsAll"]) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert planned["cidrBlock"] == "10.0.0.0/24"


@pytest.mark.parametrize("answer", [THROTTLED, BROKEN, Answer("RequestLimitExceeded", "Request limit exceeded.", 503)])
def test_what_passes_is_tried_again(aws: PluginClient, cloud: Cloud, answer: Answer):
    cloud.calls.interfere = lambda call: (
        answer if call.action == "CreateVpc" and cloud.calls.count(action="CreateVpc") < 3 else None
    )
    aws.create(VPC, {"cidrBlock": "10.0.0.0/16"})
    assert cloud.calls.count(action="CreateVpc") == 3


@pytest.mark.parametrize(
    ("status", "body", "parsed"),
    [
        (500, b"<!doctype html>\n<title>500 Internal Server Error</title>", b""),
        (500, b"<Response><Errors/></Response>", b"<Response><Errors/></Response>"),
        (200, b"<!doctype html>", b"<!doctype html>"),
    ],
)
def test_a_failure_that_is_no_answer_counts_as_one_that_passes(status: int, body: bytes, parsed: bytes):
    response = {"status_code": status, "body": body}
    empty_failure(response)
    assert response["body"] == parsed


def test_what_is_not_allowed_is_told_at_once_in_awss_words(aws: PluginClient, cloud: Cloud):
    cloud.calls.interfere = lambda call: denied(call) if call.action == "CreateVpc" else None
    with pytest.raises(Refusal, match=r"creating EC2 VPC: .*api error UnauthorizedOperation: User: .*ec2:CreateVpc"):
        aws.create(VPC, {"cidrBlock": "10.0.0.0/16"})
    assert cloud.calls.count(action="CreateVpc") == 1


def test_what_aws_refuses_is_told_in_its_words(aws: PluginClient, world: World):
    aws.create(SUBNET, {"vpcId": world.vpc.id, "cidrBlock": "10.77.0.0/24"})
    with pytest.raises(Refusal, match=r"creating EC2 Subnet: .*api error InvalidSubnet\.Conflict: The CIDR"):
        aws.create(SUBNET, {"vpcId": world.vpc.id, "cidrBlock": "10.77.0.0/24"}, "other")


def test_what_exists_but_is_not_finished_is_remembered(aws: PluginClient, cloud: Cloud):
    cloud.calls.interfere = lambda call: denied(call) if call.action == "ModifyVpcAttribute" else None
    with pytest.raises(Refusal, match="UnauthorizedOperation") as refused:
        aws.create(VPC, {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True})
    remembered = refused.value.remembered
    assert remembered.id.startswith("vpc-")
    assert "UnauthorizedOperation" in remembered.reasons[0]
    aws.delete(Made(VPC, remembered.id, {}, decode(remembered.properties)))
    assert remembered.id not in {vpc["VpcId"] for vpc in cloud.ec2.describe_vpcs()["Vpcs"]}


def test_a_wait_ends_when_its_time_is_up(aws: PluginClient, cloud: Cloud, world: World):
    inputs = INPUTS[SUBNET](world)
    made = aws.create(SUBNET, inputs)
    aws.create("aws:ec2/networkInterface:NetworkInterface", {"subnetId": made.id})
    began = time.monotonic()
    with pytest.raises(Refusal, match="DependencyViolation"):
        aws.delete(made, timeout=0.5)
    assert time.monotonic() - began < 20


def test_a_cancellation_ends_what_waits(cloud: Cloud, world: World):
    made = world.subnet
    assert world.interface
    with PluginClient("aws", render_environment(cloud)) as plugin:
        plugin.configure(region=REGION)
        failed: list[Refusal] = []

        def delete() -> None:
            try:
                plugin.delete(made, timeout=600)
            except Refusal as error:
                failed.append(error)

        thread = threading.Thread(target=delete)
        thread.start()
        await_true(lambda: cloud.calls.count(action="DescribeNetworkInterfaces") > 1, "it waits")
        plugin.cancel()
        thread.join(10)
        assert not thread.is_alive()
        assert "the operation was cancelled" in str(failed[0])


def test_an_instance_that_was_cancelled_while_it_started_is_remembered(cloud: Cloud, world: World):
    inputs = INPUTS[INSTANCE](world)
    with PluginClient("aws", render_environment(cloud)) as plugin:
        plugin.configure(region=REGION)
        cloud.calls.after = lambda call: plugin.cancel() if call.action == "RunInstances" else None
        with pytest.raises(Refusal, match="the operation was cancelled") as refused:
            plugin.create(INSTANCE, inputs)
    assert refused.value.remembered.id.startswith("i-")


def test_a_plugin_ends_with_the_engine_that_started_it(cloud: Cloud):
    program = (
        "import subprocess, sys, time\n"
        f"plugin = subprocess.Popen([{str(BIN / 'pulumi-resource-aws')!r}], stdout=subprocess.PIPE)\n"
        "plugin.stdout.readline()\n"
        "print(plugin.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=render_environment(cloud)
    )
    try:
        assert parent.stdout is not None
        plugin = psutil.Process(int(parent.stdout.readline()))
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()
    await_true(lambda: not alive(plugin), "the plugin has ended")


def test_a_plugin_whose_engine_died_while_it_started_ends(cloud: Cloud):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    command = [str(BIN / "pulumi-resource-tls"), address]
    plugin = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=render_environment(cloud))
    try:
        assert plugin.wait(30) == 1
    finally:
        plugin.kill()
        plugin.wait()


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_plugin_ends_at_once_when_it_is_told_to(cloud: Cloud, ending: int):
    with PluginClient("aws", render_environment(cloud)) as plugin:
        os.kill(plugin.process.pid, ending)
        plugin.process.wait(5)


def test_a_plugin_starts_without_the_sdk_and_without_botocore():
    program = (
        f"import sys; sys.path.insert(0, {str(BIN.parents[1])!r}); import stand_ins.aws.plugin; "
        "print(*{'pulumi', 'pulumi_aws', 'boto3', 'botocore', 'pytest', 'moto'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
