"""What stands in for AWS, as machines see it."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daskfleet.providers.certificates import issue_certificates
from machines import Container, Network, require_machines, start_container
from machines.metadata import AWS, Credentials, Instance, start_aws
from machines.metadata_service import METADATA_ADDRESS

ASK = """
import json, sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
base = "http://169.254.169.254"

def ask(path, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with opener.open(urllib.request.Request(base + path, method=method, headers=headers), timeout=30) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code

token = ask("/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")
print(json.dumps({
    "no token": ask("/latest/meta-data/instance-id"),
    "wrong token": ask("/latest/meta-data/instance-id", X_aws_ec2_metadata_token="x"),
    "no lifetime": ask("/latest/api/token", "PUT"),
    "through a proxy": ask("/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60", X_Forwarded_For="x"),
    **{path: ask(path, X_aws_ec2_metadata_token=token) for path in sys.argv[1:]},
}))
"""

READ_SECRET = """
import json, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
headers = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "secretsmanager.GetSecretValue",
    "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/eu-west-1/secretsmanager/aws4_request",
}
body = json.dumps({"SecretId": sys.argv[2]}).encode()
with opener.open(urllib.request.Request(sys.argv[1], body, headers), timeout=30) as answer:
    print(json.load(answer)["SecretString"])
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    require_machines()
    with Network(addresses=[METADATA_ADDRESS]) as network:
        yield network


@pytest.fixture(scope="module")
def aws(network: Network) -> AWS:
    return start_aws(network)


@pytest.fixture(scope="module")
def machine(network: Network, root: Path) -> Container:
    machine = start_container(network, root, "one")
    machine.await_console("login:", 60)
    return machine


def ask(machine: Container, *paths: str) -> dict[str, str | int]:
    answers: dict[str, str | int] = json.loads(machine.exec(["python3", "-c", ASK, *paths]).stdout)
    return answers


def test_a_machine_learns_who_it_is_and_gets_its_roles_credentials(aws: AWS, machine: Container):
    tags = {"daskfleet:fleet": "research", "daskfleet:group": "cpu"}
    aws.metadata.add(Instance(machine.address, role="fleet-worker", tags=tags, instance_id="i-1"))
    answers = ask(
        machine,
        "/latest/meta-data/instance-id",
        "/latest/meta-data/local-ipv4",
        "/latest/meta-data/placement/region",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/fleet-worker",
        "/latest/dynamic/instance-identity/document",
        "/2021-03-23/meta-data/placement/",
        "/latest/meta-data/tags/instance/daskfleet:fleet",
        "/latest/user-data",
        "/nothing",
    )
    credentials = json.loads(str(answers.pop("/latest/meta-data/iam/security-credentials/fleet-worker")))
    assert credentials["Code"] == "Success"
    assert credentials["AccessKeyId"] == Credentials().access_key
    assert credentials["Expiration"] > credentials["LastUpdated"]
    document = json.loads(str(answers.pop("/latest/dynamic/instance-identity/document")))
    assert (document["region"], document["instanceId"], document["privateIp"]) == ("eu-west-1", "i-1", machine.address)
    assert answers == {
        "no token": 401,
        "wrong token": 401,
        "no lifetime": 400,
        "through a proxy": 403,
        "/latest/meta-data/instance-id": "i-1",
        "/latest/meta-data/local-ipv4": machine.address,
        "/latest/meta-data/placement/region": "eu-west-1",
        "/latest/meta-data/iam/security-credentials/": "fleet-worker",
        "/2021-03-23/meta-data/placement/": "availability-zone\nregion",
        "/latest/meta-data/tags/instance/daskfleet:fleet": "research",
        "/latest/user-data": 404,
        "/nothing": 404,
    }
    asked = {"address": machine.address, "method": "PUT", "path": "/latest/api/token", "status": 200}
    assert asked in aws.metadata.read_requests()


def test_a_machine_that_is_not_known_or_has_no_role_gets_no_credentials(aws: AWS, machine: Container):
    path = "/latest/meta-data/iam/security-credentials/"
    aws.metadata.add(Instance(machine.address))
    assert ask(machine, path, "/latest/meta-data/instance-id")[path] == 404
    aws.metadata.remove(machine.address)
    assert ask(machine, "/latest/meta-data/instance-id")["/latest/meta-data/instance-id"] == 404


def test_a_machine_reads_a_secret(aws: AWS, machine: Container):
    arn = aws.services.create_secret("plain", "the value")
    assert machine.exec(["python3", "-c", READ_SECRET, aws.services.endpoint_url, arn]).stdout == "the value\n"


def test_a_client_of_aws_inside_finds_credentials_and_the_fleets_certificates(network: Network, aws: AWS):
    files = issue_certificates("research", datetime.datetime.now(datetime.UTC))
    secrets = aws.services.create_fleet_secrets("research", files)
    aws.metadata.add(Instance(METADATA_ADDRESS, role="fleet-worker"))  # From here it is asked by itself.
    code = f"""
import json
import botocore.session
client = botocore.session.Session().create_client(
    "secretsmanager", region_name="eu-west-1", endpoint_url={aws.services.endpoint_url!r})
value = json.loads(client.get_secret_value(SecretId={secrets["worker"]!r})["SecretString"])
print(sorted(value), value["key"].splitlines()[0])
"""
    done = network.run_inside([sys.executable, "-c", code], env={"HOME": "/nonexistent", "PATH": "/usr/bin"})
    assert done.stdout == "['ca', 'cert', 'key'] -----BEGIN PRIVATE KEY-----\n"


def test_an_instance_gets_no_address_that_a_network_interface_has(aws: AWS):
    vpc = aws.services.call("ec2", "create_vpc", CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnet = aws.services.call("ec2", "create_subnet", VpcId=vpc, CidrBlock="10.78.1.0/24")["Subnet"]["SubnetId"]
    aws.services.call("ec2", "create_network_interface", SubnetId=subnet, PrivateIpAddress="10.78.1.5")
    options = {"ImageId": "ami-12345678", "MinCount": 3, "MaxCount": 3, "SubnetId": subnet}
    instances = aws.services.call("ec2", "run_instances", **options)["Instances"]
    assert [each["PrivateIpAddress"] for each in instances] == ["10.78.1.4", "10.78.1.6", "10.78.1.7"]


def test_services_that_stop_answer_nobody(root: Path):
    with Network(addresses=[METADATA_ADDRESS]) as network:
        aws = start_aws(network)
        aws.metadata.stop()
        aws.services.stop()
        with pytest.raises(ConnectionRefusedError):
            network.connect(METADATA_ADDRESS, 80)
        with pytest.raises(ConnectionRefusedError):
            network.connect(network.gateway, 5000)
