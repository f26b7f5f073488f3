"""A region of AWS on this machine, with an image in it, and the command line as somebody in its network has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aws.audit import find_tagged
from engine.engine import Engine
from harness import CommandLine, make_command_line
from image.built import BuiltImage
from machines import Network
from machines.aws import AwsCloud, MachineImage, render_facts
from machines.metadata import METADATA_ADDRESS, REGION, start_aws

CIDR = "10.77.0.0/16"
CLIENT = "10.77.0.1/32"
"""Where clients are: on the network's gateway."""

PLUGINS = Path(__file__).parents[1] / "stand_ins/bin"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass
class Lab:
    """All of it."""

    network: Network
    cloud: AwsCloud
    cli: CommandLine
    image_id: str
    image: BuiltImage

    def find_tagged(self, fleet: str) -> list[str]:
        """Everything that AWS still has of a fleet."""
        return find_tagged(self.cloud.call, fleet)


@contextmanager
def open_lab(folder: Path, engine: Engine, image: BuiltImage) -> Iterator[Lab]:
    """Open one; everything in it ends with the block."""
    with Network(CIDR, addresses=[METADATA_ADDRESS]) as network:
        cloud = AwsCloud(network, start_aws(network))
        ami = cloud.register_image("daskfleet", MachineImage(root=image.root), render_facts(image.manifest))
        cli = make_command_line(folder)
        cli.before = tuple(network.inside([]))
        cli.variables = render_variables(engine, folder, cloud.aws.services.endpoint_url)
        try:
            yield Lab(network, cloud, cli, ami, image)
        finally:
            cli.cleanup()


def render_variables(engine: Engine, folder: Path, endpoint_url: str) -> dict[str, str]:
    """The engine, the stand-in plugins and the cloud, for a command's environment."""
    environment = engine.environment(folder / "pulumi")
    names = [name for name in environment if name.startswith("PULUMI_") and name != "PULUMI_BACKEND_URL"]
    return {
        **{name: environment[name] for name in names},
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{PLUGINS}{os.pathsep}{environment['PATH']}",
    }


def render_fleet(name: str = "research", **changes: str) -> str:
    """A fleet file for the lab: its clients are let in. Each change is a line of YAML, by its key."""
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
