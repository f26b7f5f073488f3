"""A cloud on this machine whose machines boot, with an image, and the command line of somebody in its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from clouds.region import Region, render_variables
from engine.engine import Engine
from harness import CommandLine, make_command_line
from image.built import BuiltImage
from machines import Network
from machines.launching import MachineCloud


@dataclass
class Lab(ABC):
    """All of it."""

    network: Network
    cloud: Any
    """A `MachineCloud`, with what else this cloud's can do."""
    url: str
    """Where the cloud is, seen from inside of the network."""
    cli: CommandLine
    engine: Engine
    image: BuiltImage
    folder: Path

    region: ClassVar[type[Region]]
    """The same cloud without machines: for what is the same in both."""
    cidr: ClassVar[str]
    """Addresses of the network."""

    @property
    def machines(self) -> MachineCloud:
        """The cloud, as all of them are."""
        cloud: MachineCloud = self.cloud
        return cloud

    @classmethod
    @abstractmethod
    def open_network(cls) -> Network:
        """The network, empty."""

    @classmethod
    @abstractmethod
    def start_cloud(cls, network: Network) -> tuple[Any, str]:
        """The cloud in it, and where that is."""

    @abstractmethod
    def register_image(self, name: str, **changes: str) -> None:
        """Have the cloud know the image, whose facts are said to be others than they are."""

    @abstractmethod
    def find_tagged(self, fleet: str) -> list[str]:
        """Everything that the cloud still has of a fleet."""

    def find_resources(self, fleet: str) -> list[str]:
        """The same, without what a program of Pulumi's neither makes nor removes."""
        return self.find_tagged(fleet)

    @abstractmethod
    def find_scheduler(self, fleet: str = "research") -> str:
        """Id of the scheduler's machine, which runs."""

    @abstractmethod
    def take_away(self, instance: str, seconds: float) -> None:
        """Have the cloud take a spot machine away, and give it so long."""

    @abstractmethod
    def lose_secret(self, role: str) -> None:
        """Remove the secret of a role, so that no machine can read it any more."""

    @property
    def small(self) -> str:
        """A type of machines."""
        return self.region.small

    @property
    def other(self) -> str:
        """Another one."""
        return self.region.other

    @property
    def client(self) -> str:
        """Where clients are: on the network's gateway."""
        return f"{self.network.gateway}/32"

    def render_fleet(self, name: str = "research", **changes: str) -> str:
        """A fleet file for the lab: its clients are let in. Each change is a line of YAML, by its key."""
        return self.region.render_fleet(name, **changes)

    def render_variables(self, folder: Path) -> dict[str, str]:
        """The engine, the stand-in plugins and the cloud, for a command's environment."""
        return render_variables(self.region, self.engine, folder, self.url)


@contextmanager
def open_lab(kind: type[Lab], folder: Path, engine: Engine, image: BuiltImage) -> Iterator[Lab]:
    """Open one; everything in it ends with the block."""
    with kind.open_network() as network:
        cloud, url = kind.start_cloud(network)
        cli = make_command_line(folder)
        cli.before = tuple(network.inside([]))
        lab = kind(network, cloud, url, cli, engine, image, folder)
        cli.variables = lab.render_variables(folder)
        try:
            lab.register_image("daskfleet")
            yield lab
        finally:
            cli.cleanup()
