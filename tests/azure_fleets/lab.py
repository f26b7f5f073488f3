"""A subscription of Azure on this machine, with an image, and the command line as somebody in its network has it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_fleets.audit import DELETED_VAULTS, FLEET, ROLE, audit, find_tagged, last_part
from azure_fleets.region import CIDR, CLIENT, SECRETS_VERSION, Region
from clouds import lab as clouds
from engine.engine import Engine
from image.built import BuiltImage
from machines import Network
from machines.azure import AzureCloud, start_azure
from machines.azure.azure import LOCATION, SCOPE
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
        return Network(CIDR, addresses=[METADATA_ADDRESS])

    @classmethod
    def start_cloud(cls, network: Network) -> tuple[Any, str]:
        cloud = AzureCloud(network, start_azure(network))
        return cloud, cloud.azure.services.url

    def register_image(self, name: str, **changes: str) -> None:
        facts = {**render_facts(self.image.manifest), "family": name, **changes}
        self.cloud.register_image(name, self.image.root, facts)

    def find_tagged(self, fleet: str) -> list[str]:
        return find_tagged(self.cloud.client, SCOPE, LOCATION, fleet)

    def find_resources(self, fleet: str) -> list[str]:
        """A vault that is deleted can be had back for some days: Pulumi purges none."""
        found = audit(self.cloud.client, SCOPE, LOCATION, fleet)
        return [each.name for each in found if each.kind != DELETED_VAULTS]

    def find_scheduler(self, fleet: str = "research") -> str:
        living = self.cloud.list_instances().values()
        wanted = {FLEET: fleet, ROLE: "scheduler"}
        (running,) = (each for each in living if each.runs and wanted.items() <= each.tags.items())
        identity: str = running.id
        return identity

    def take_away(self, instance: str, seconds: float) -> None:
        self.cloud.announce_preemption(instance, seconds=seconds)

    def lose_secret(self, role: str) -> None:
        vaults = list(self.cloud.client.list(f"{SCOPE}/providers/Microsoft.KeyVault/vaults"))
        found = [
            (vault["name"], last_part(secret["id"]))
            for vault in vaults
            for secret in self.cloud.client.list(f"{vault['id']}/secrets")
        ]
        ((vault, name),) = (each for each in found if each[1] == role)
        path = f"/vault/{vault}/secrets/{name}?api-version={SECRETS_VERSION}"
        self.cloud.client.ask("DELETE", path).check()


def open_lab(folder: Path, engine: Engine, image: BuiltImage) -> AbstractContextManager[Lab]:
    """Open one; everything in it ends with the block."""
    return clouds.open_lab(Lab, folder, engine, image)
