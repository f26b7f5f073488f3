"""A region of AWS on this machine, with an image in it, and the command line as somebody in its network has it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws.audit import find_tagged
from aws.region import CIDR, CLIENT, Region, render_fleet
from clouds import lab as clouds
from clouds.region import render_variables as render_any_variables
from engine.engine import Engine
from image.built import BuiltImage
from machines import Network
from machines.aws import AwsCloud
from machines.launching import render_facts
from machines.metadata import start_aws
from machines.metadata_service import METADATA_ADDRESS

__all__ = ["CIDR", "CLIENT", "Lab", "open_lab", "render_fleet", "render_variables"]


@dataclass
class Lab(clouds.Lab):
    """All of it."""

    region = Region
    cidr = CIDR

    @classmethod
    def open_network(cls) -> Network:
        return Network(CIDR, addresses=[METADATA_ADDRESS])

    @classmethod
    def start_cloud(cls, network: Network) -> tuple[Any, str]:
        cloud = AwsCloud(network, start_aws(network))
        return cloud, cloud.aws.services.endpoint_url

    def register_image(self, name: str, **changes: str) -> None:
        facts = {**render_facts(self.image.manifest), "family": name, **changes}
        self.cloud.register_image(name, self.image.root, facts)

    def find_tagged(self, fleet: str) -> list[str]:
        return find_tagged(self.cloud.call, fleet)

    def find_scheduler(self, fleet: str = "research") -> str:
        tags = {"daskfleet:role": "scheduler", "daskfleet:fleet": fleet}
        wanted = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        found = self.cloud.call("ec2", "describe_instances", Filters=wanted)["Reservations"]
        (running,) = (each for one in found for each in one["Instances"] if each["State"]["Name"] == "running")
        identity: str = running["InstanceId"]
        return identity

    def take_away(self, instance: str, seconds: float) -> None:
        self.cloud.announce_interruption(instance, seconds=seconds)

    def lose_secret(self, role: str) -> None:
        secrets = self.cloud.call("secretsmanager", "list_secrets")["SecretList"]
        (secret,) = (each["ARN"] for each in secrets if role in each["Name"])
        self.cloud.call("secretsmanager", "delete_secret", SecretId=secret, ForceDeleteWithoutRecovery=True)


def open_lab(folder: Path, engine: Engine, image: BuiltImage) -> AbstractContextManager[Lab]:
    """Open one; everything in it ends with the block."""
    return clouds.open_lab(Lab, folder, engine, image)


def render_variables(engine: Engine, folder: Path, endpoint_url: str) -> dict[str, str]:
    """The engine, the stand-in plugins and the cloud, for a command's environment."""
    return render_any_variables(Region, engine, folder, endpoint_url)
