"""A region of AWS without machines: moto's server on the loopback interface, with an image in it, behind a proxy.

For what is about the resources of fleets. What is about their machines needs a `lab`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from aws import meddling
from aws.audit import find_tagged, take_stock
from aws.landmarks import COMPONENT, LANDMARKS, REFUSALS
from aws_calls import CallProxy
from clouds import region as clouds
from clouds.region import Pretended
from engine.engine import Engine
from machines.aws.images import register_image
from machines.aws.instances import parse_tags
from machines.copied_moto_server import COPY
from machines.metadata import REGION
from machines.moto_market import SOLD_OUT

SERVER = Path(__file__).parents[1] / "machines/copied_moto_server.py"
CIDR = "10.77.0.0/16"
CLIENT = "10.77.0.1/32"
"""Where clients are: on the network's gateway."""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass
class Region(clouds.Region):
    """The region, and the command line of somebody who has its credentials."""

    image_id: str = ""
    """Of the newest."""

    provider = "aws"
    place = REGION
    small = "m7i.large"
    other = "m6i.large"
    landmarks = LANDMARKS
    refusals = REFUSALS
    component = COMPONENT

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(proxies={}),
        )

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.client(service), operation)(**arguments)
        return answer

    @classmethod
    def render_command(cls, port: int) -> Sequence[str]:
        return [sys.executable, str(SERVER), str(port)]

    @classmethod
    def make_proxy(cls, url: str) -> CallProxy:
        return CallProxy(url)

    @classmethod
    def render_fleet(cls, name: str = "research", **changes: str) -> str:
        return render_fleet(name, **changes)

    @classmethod
    def render_settings(cls, folder: Path, url: str) -> dict[str, str]:
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def answers(self) -> bool:
        self.call("sts", "get_caller_identity")
        return True

    def register_image(self, name: str, facts: Mapping[str, str]) -> None:
        self.image_id = register_image(self.client("ec2"), name, facts)

    def copy_server(self) -> str:
        with urllib.request.urlopen(f"{self.url}{COPY}", timeout=60) as answer:
            return f"http://127.0.0.1:{json.loads(answer.read())['port']}"

    def find_tagged(self, fleet: str) -> list[str]:
        return find_tagged(self.call, fleet)

    def take_stock(self, fleet: str) -> Counter[str]:
        return take_stock(self.call, fleet)

    def meddle(self, fleet: str) -> set[tuple[str, str]]:
        return meddling.meddle(self.call, fleet)

    def open_to_all(self, fleet: str) -> str:
        return meddling.open_to_all(self.call, fleet)

    def list_machines(self) -> Iterator[Pretended]:
        wanted = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        for reservation in self.call("ec2", "describe_instances", Filters=wanted)["Reservations"]:
            for each in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])}
                if "daskfleet:fleet" in tags:
                    node = f"ip-{each['PrivateIpAddress'].replace('.', '-')}"
                    group = tags.get("daskfleet:group", "scheduler")
                    yield Pretended(each["InstanceId"], tags["daskfleet:fleet"], group, node)

    def write_log(self, machine: Pretended, marks: Iterable[dict[str, object]], line: str) -> bool:
        logs = self.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/daskfleet/{machine.fleet}/")["logGroups"]
        if not groups:
            return False
        where = {"logGroupName": groups[0]["logGroupName"], "logStreamName": machine.stream}
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(**where)
        moments = [mark["time"] for mark in marks]
        lines = [*(json.dumps(mark) for mark in marks), line]
        moment = int(float(str(moments[0])) * 1000)
        logs.put_log_events(**where, logEvents=[{"timestamp": moment, "message": text} for text in lines])
        return True

    def render_network(self, fleet: str) -> str:
        wanted = [{"Name": "tag:daskfleet:fleet", "Values": [fleet]}]
        (vpc,) = self.call("ec2", "describe_vpcs", Filters=wanted)["Vpcs"]
        subnets = self.call("ec2", "describe_subnets", Filters=wanted)["Subnets"]
        return json.dumps({"vpc": vpc["VpcId"], "subnets": sorted(each["SubnetId"] for each in subnets)[:2]})

    def sell_out_spot(self, *types: str) -> None:
        value = json.dumps({"spot": types})
        self.call("ssm", "put_parameter", Name=SOLD_OUT, Value=value, Type="String", Overwrite=True)

    def count_machines(self, fleet: str) -> Counter[tuple[str, str, str]]:
        wanted = [{"Name": "instance-state-name", "Values": ["running"]}]
        found = self.call("ec2", "describe_instances", Filters=wanted)["Reservations"]
        living = [(parse_tags(each), each) for one in found for each in one["Instances"]]
        return Counter(
            (
                tags.get("daskfleet:group", "scheduler"),
                each["InstanceType"],
                each.get("InstanceLifecycle") or "on-demand",
            )
            for tags, each in living
            if tags.get("daskfleet:fleet") == fleet
        )

    def find_images(self, fleet: str) -> dict[str, str]:
        names = {each["ImageId"]: each["Name"] for each in self.call("ec2", "describe_images")["Images"]}
        found = self.call("ec2", "describe_instances")["Reservations"]
        living = [(parse_tags(each), each) for one in found for each in one["Instances"]]
        return {
            tags.get("daskfleet:group", "scheduler"): names[each["ImageId"]]
            for tags, each in living
            if tags.get("daskfleet:fleet") == fleet
        }

    def read_connection(self, fleet: str) -> str:
        secrets = self.call("secretsmanager", "list_secrets")["SecretList"]
        name = next(each["Name"] for each in secrets if each["Name"].startswith(f"daskfleet/{fleet}/client"))
        text: str = self.call("secretsmanager", "get_secret_value", SecretId=name)["SecretString"]
        return text

    def add_connection(self, fleet: str, text: str) -> str:
        name = f"daskfleet/{fleet}/client-other"
        tags = {"daskfleet:fleet": fleet, "daskfleet:role": "client"}
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.call("secretsmanager", "create_secret", Name=name, SecretString=text, Tags=listed)
        return name

    def remove_secret(self, name: str) -> None:
        self.call("secretsmanager", "delete_secret", SecretId=name, ForceDeleteWithoutRecovery=True)


def open_region(folder: Path, engine: Engine) -> AbstractContextManager[Region]:
    """Open one; everything in it ends with the block."""
    return clouds.open_region(Region, folder, engine)


def render_fleet(name: str = "research", **changes: str) -> str:
    """A fleet file for the region and the lab. Each change is a line of YAML, by its key."""
    lines = {
        "name": name,
        "provider": "aws",
        "region": REGION,
        "workers": "[{name: cpu, instance_types: [m7i.large], count: 2}]",
        "network": f"{{cidr: {CIDR}}}",
        "access": f"{{mode: direct, allowed_cidrs: [{CLIENT}]}}",
        **changes,
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())
