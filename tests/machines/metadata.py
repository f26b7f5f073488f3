"""AWS as a machine in a `Network` sees it: its metadata service, and the other services (moto) on the gateway.

with Network(addresses=[METADATA_ADDRESS]) as network:
    aws = start_aws(network)
    aws.services.create_secret("fleet/scheduler", text)
    machine = start_container(…)
    aws.metadata.add(Instance(machine.address, role="scheduler"))
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machines.inside import make_client
from machines.metadata_service import START_SECONDS, MetadataService
from machines.network import Network

MOTO_PORT = 5000
REGION = "eu-west-1"
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Credentials:
    """What a role's session signs requests with; these are accepted nowhere but here."""

    access_key: str = "ASIATESTING0000000000"
    secret_key: str = "testing"
    token: str = "testing"
    lifetime: datetime.timedelta = datetime.timedelta(hours=6)

    def render(self, now: datetime.datetime) -> str:
        """As the metadata service tells them."""
        return json.dumps(
            {
                "Code": "Success",
                "LastUpdated": _render_time(now),
                "Type": "AWS-HMAC",
                "AccessKeyId": self.access_key,
                "SecretAccessKey": self.secret_key,
                "Token": self.token,
                "Expiration": _render_time(now + self.lifetime),
            }
        )


@dataclass(frozen=True)
class Instance:
    """One machine, as AWS knows it."""

    address: str
    """The address by which the metadata service knows it."""
    instance_id: str = "i-0123456789abcdef0"
    role: str | None = None
    """Name of its role; `None` has no credentials."""
    credentials: Credentials = field(default_factory=Credentials)
    region: str = REGION
    availability_zone: str | None = None
    """`None` is the region's first."""
    instance_type: str = "m7i.large"
    image_id: str = "ami-0123456789abcdef0"
    hostname: str | None = None
    """`None` is the name that AWS makes of the address."""
    tags: Mapping[str, str] = field(default_factory=dict)
    user_data: str | None = None
    public_key: str | None = None
    """The key of SSH that it was launched with."""
    http_tokens: str = "required"
    """`optional` answers without a token, too. cloud-init asks for none where the hardware is not AWS's."""
    notices: Mapping[str, str] = field(default_factory=dict)
    """What AWS announces to it: texts by their paths below `meta-data`, `spot/instance-action`."""

    def render(self, now: datetime.datetime) -> dict[str, str]:
        """The metadata service's texts by path."""
        zone = self.availability_zone or f"{self.region}a"
        hostname = self.hostname or f"ip-{self.address.replace('.', '-')}.{self.region}.compute.internal"
        document = {
            "accountId": ACCOUNT,
            "architecture": "x86_64",
            "availabilityZone": zone,
            "imageId": self.image_id,
            "instanceId": self.instance_id,
            "instanceType": self.instance_type,
            "pendingTime": _render_time(now),
            "privateIp": self.address,
            "region": self.region,
            "version": "2017-09-30",
        }
        paths = {
            "http-tokens": self.http_tokens,
            "dynamic/instance-identity/document": json.dumps(document, indent=2),
            "meta-data/ami-id": self.image_id,
            "meta-data/hostname": hostname,
            "meta-data/instance-id": self.instance_id,
            "meta-data/instance-type": self.instance_type,
            "meta-data/local-hostname": hostname,
            "meta-data/local-ipv4": self.address,
            "meta-data/placement/availability-zone": zone,
            "meta-data/placement/region": self.region,
            "meta-data/services/domain": "amazonaws.com",
            **{f"meta-data/tags/instance/{key}": value for key, value in self.tags.items()},
            **{f"meta-data/{path}": text for path, text in self.notices.items()},
        }
        if self.user_data is not None:
            paths["user-data"] = self.user_data
        if self.public_key is not None:
            paths |= {"meta-data/public-keys": "0=key", "meta-data/public-keys/0/openssh-key": self.public_key}
        if self.role is not None:
            paths[f"meta-data/iam/security-credentials/{self.role}"] = self.credentials.render(now)
        return paths


class AwsMetadataService(MetadataService):
    """The metadata service in a network, for all of its machines."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, "aws.py")

    def add(self, instance: Instance) -> None:
        """Answer the machine with the instance's address, from now on and anew."""
        self.tell(instance.address, instance.render(datetime.datetime.now(datetime.UTC)))


class MotoServer:
    """AWS's other services, on the network's gateway."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self.endpoint_url = f"http://{network.gateway}:{MOTO_PORT}"
        program = Path(__file__).with_name("moto_server.py")
        command = [sys.executable, "-P", str(program), network.gateway, str(MOTO_PORT)]
        with (network.folder / "moto.log").open("wb") as log:
            self.process = network.popen_inside(command, stdout=log, stderr=subprocess.STDOUT)
        network.await_port(network.gateway, MOTO_PORT, START_SECONDS, self.process)

    def client(self, service: str, *, region: str = REGION) -> Any:
        """boto3's client of a service, for this process: every thread may use it. It is made once."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = make_client(self._network, service, region, self.endpoint_url)
            return self._clients[service, region]

    def call(self, service: str, operation: str, *, region: str = REGION, **arguments: Any) -> dict[str, Any]:
        """Call an operation of a service, `call("secretsmanager", "create_secret", Name=…)`, and return its answer."""
        answer: dict[str, Any] = getattr(self.client(service, region=region), operation)(**arguments)
        return answer

    def create_secret(self, name: str, value: str, *, region: str = REGION) -> str:
        """Create a secret; returns its ARN."""
        arn: str = self.call("secretsmanager", "create_secret", region=region, Name=name, SecretString=value)["ARN"]
        return arn

    def create_fleet_secrets(self, fleet: str, files: Mapping[str, str], *, region: str = REGION) -> dict[str, str]:
        """A fleet's certificates, by file name, as its nodes find them; returns the secrets' ARNs by role."""
        return {
            role: self.create_secret(f"daskfleet/{fleet}/{role}", render_tls_secret(files, role), region=region)
            for role in ("scheduler", "worker")
        }

    def stop(self) -> None:
        """Answer nobody any more; all that was created is lost."""
        self.process.kill()
        self.process.wait()


def render_tls_secret(files: Mapping[str, str], role: str) -> str:
    """One role's certificates as the value of a secret."""
    return json.dumps({"ca": files["ca.pem"], "cert": files[f"{role}.pem"], "key": files[f"{role}-key.pem"]})


@dataclass(frozen=True)
class AWS:
    """All of it."""

    metadata: AwsMetadataService
    services: MotoServer


def start_aws(network: Network) -> AWS:
    """Start both services in a network that has the address `METADATA_ADDRESS`; they end with it."""
    return AWS(AwsMetadataService(network), MotoServer(network))


def _render_time(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
