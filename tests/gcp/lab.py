"""A project of Google Cloud on this machine, with an image, and the command line as somebody in its network has it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clouds import lab as clouds
from engine.engine import Engine
from gcp.audit import FLEET, audit, find_tagged
from gcp.region import CIDR, CLIENT, Region
from harness import await_true
from image.built import BuiltImage
from machines import Network
from machines.gcp import PROBER_ADDRESS, GcpCloud, start_google
from machines.gcp.google import PROJECT
from machines.gcp.google import REGION as PLACE
from machines.launching import render_facts
from machines.metadata_service import METADATA_ADDRESS

__all__ = ["CIDR", "CLIENT", "Lab", "open_lab"]


@dataclass
class Lab(clouds.Lab):
    """All of it."""

    region = Region
    cidr = CIDR

    @classmethod
    def open_network(cls) -> Network:
        return Network(CIDR, addresses=[METADATA_ADDRESS, PROBER_ADDRESS])

    @classmethod
    def start_cloud(cls, network: Network) -> tuple[Any, str]:
        cloud = GcpCloud(network, start_google(network))
        return cloud, cloud.google.services.url

    def register_image(self, name: str, **changes: str) -> None:
        facts = {**render_facts(self.image.manifest), "family": name, **changes}
        self.cloud.register_image(name, self.image.root, facts)

    def find_tagged(self, fleet: str) -> list[str]:
        return find_tagged(self.cloud.client, PROJECT, PLACE, fleet)

    def find_resources(self, fleet: str) -> list[str]:
        """A log begins with its first entry, and is no resource."""
        found = audit(self.cloud.client, PROJECT, PLACE, fleet)
        return [each.name for each in found if each.kind != "logs"]

    def find_scheduler(self, fleet: str = "research") -> str:
        living = self.cloud.list_instances().values()
        wanted = {FLEET: fleet, "daskfleet-role": "scheduler"}
        (running,) = (each for each in living if each.runs and wanted.items() <= each.labels.items())
        identity: str = running.id
        return identity

    def take_away(self, instance: str, seconds: float) -> None:
        def is_heard() -> bool:
            return "takes this machine away" in self.cli.ok("logs", "research", "--lines", "500")

        # A node asks each second, and a slow machine could be off before that.
        self.cloud.announce_preemption(instance, seconds, lambda: await_true(is_heard, "the node hears of it"))

    def lose_secret(self, role: str) -> None:
        path = f"/v1/projects/{PROJECT}/secrets"
        names = [each["name"] for each in self.cloud.client.list(path, "secrets")]
        (name,) = (each for each in names if each.endswith(f"-{role}"))
        self.cloud.call("DELETE", f"/v1/{name}")


def open_lab(folder: Path, engine: Engine, image: BuiltImage) -> AbstractContextManager[Lab]:
    """Open one; everything in it ends with the block."""
    return clouds.open_lab(Lab, folder, engine, image)
