"""The proxy that writes down what is said to AWS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from aws_calls import BROKEN, THROTTLED, CallProxy, denied
from harness import await_true
from sshd import find_free_port


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    port = find_free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def proxy(moto: str) -> Iterator[CallProxy]:
    with CallProxy(moto) as proxy:
        await_true(lambda: answers(proxy), "moto's server answers", timeout=60)
        proxy.clear()
        yield proxy


def answers(proxy: CallProxy) -> bool:
    try:
        client(proxy, "sts").get_caller_identity()
    except Exception:  # Whatever a server says that is not there yet.
        return False
    return True


def client(proxy: CallProxy, service: str, attempts: int = 1) -> Any:
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=proxy.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


def test_every_call_is_written_down_as_policies_call_it(proxy: CallProxy) -> None:
    vpc = client(proxy, "ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    client(proxy, "secretsmanager").create_secret(Name="x", SecretString="y")
    client(proxy, "iam").list_roles(PathPrefix="/daskfleet/")
    client(proxy, "logs").describe_log_groups()
    client(proxy, "autoscaling").describe_auto_scaling_groups()
    assert [(call.name, call.changes) for call in proxy.calls] == [
        ("ec2:CreateVpc", True),
        ("secretsmanager:CreateSecret", True),
        ("iam:ListRoles", False),
        ("logs:DescribeLogGroups", False),
        ("autoscaling:DescribeAutoScalingGroups", False),
    ]
    assert proxy.calls[0].caller == "testing"
    assert vpc.startswith("vpc-")


@pytest.mark.parametrize("service", ["ec2", "iam", "autoscaling", "secretsmanager", "logs"])
def test_a_refusal_is_understood_in_the_protocol_of_each_service(proxy: CallProxy, service: str) -> None:
    proxy.interfere = denied
    operation = {
        "ec2": lambda ec2: ec2.describe_vpcs(),
        "iam": lambda iam: iam.list_roles(),
        "autoscaling": lambda groups: groups.describe_auto_scaling_groups(),
        "secretsmanager": lambda secrets: secrets.list_secrets(),
        "logs": lambda logs: logs.describe_log_groups(),
    }[service]
    with pytest.raises(ClientError, match="is not authorized to perform") as caught:
        operation(client(proxy, service))
    assert caught.value.response["Error"]["Code"] in ("UnauthorizedOperation", "AccessDenied")


@pytest.mark.parametrize("refusal", [THROTTLED, BROKEN])
def test_a_refusal_that_passes_is_tried_again(proxy: CallProxy, refusal: Any) -> None:
    proxy.interfere = lambda call: refusal if call.number == 1 else None
    client(proxy, "ec2", attempts=3).describe_vpcs()
    assert proxy.count(name="ec2:DescribeVpcs") == 2


def test_what_is_done_is_known_before_the_caller_hears_of_it(proxy: CallProxy) -> None:
    seen = []
    proxy.after = lambda call: seen.append(call.name)
    client(proxy, "ec2").create_vpc(CidrBlock="10.0.0.0/16")
    assert seen == ["ec2:CreateVpc"]
