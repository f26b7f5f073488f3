"""A cloud without machines, behind a proxy, and the command line of somebody who has its credentials."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import signal
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from cloud_calls import CallProxy
from clouds.landmarks import Component, Landmarks, Refusals
from engine.engine import Engine
from harness import CommandLine, await_true, make_command_line
from sshd import find_free_port

TESTS = Path(__file__).parents[1]
PLUGINS = TESTS / "stand_ins/bin"
PACKAGES = ("dask", "distributed", "cloudpickle")


@dataclass(frozen=True)
class Pretended:
    """A machine that a region without machines has."""

    id: str
    fleet: str
    group: str
    """`scheduler` or the worker group."""
    node: str

    @property
    def stream(self) -> str:
        return f"{self.group}/{self.node}"


@dataclass
class Region(ABC):
    """The cloud, and the command line."""

    url: str
    """The stand-in's own address: calls to it are not written down."""
    proxy: CallProxy
    cli: CommandLine
    engine: Engine
    folder: Path

    provider: ClassVar[str]
    """As fleet files call the cloud."""
    place: ClassVar[str]
    """Name of the region."""
    small: ClassVar[str]
    """A type of machines."""
    other: ClassVar[str]
    """Another one."""
    landmarks: ClassVar[Landmarks]
    refusals: ClassVar[Refusals]
    component: ClassVar[Component]

    @classmethod
    @abstractmethod
    def render_command(cls, port: int) -> Sequence[str]:
        """The command that serves the cloud's stand-in at a port of this machine."""

    @classmethod
    @abstractmethod
    def make_proxy(cls, url: str) -> CallProxy:
        """A proxy that knows how the cloud is spoken to."""

    @classmethod
    @abstractmethod
    def render_fleet(cls, name: str = "research", **changes: str) -> str:
        """A fleet file; clients on the network's gateway are let in. Each change is a line of YAML, by its key."""

    @classmethod
    @abstractmethod
    def render_settings(cls, folder: Path, url: str) -> dict[str, str]:
        """Where the cloud is and who asks it, as variables of a command; files for it go into the folder."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the stand-in does; until it has begun, this may fail."""

    @abstractmethod
    def register_image(self, name: str, facts: Mapping[str, str]) -> None:
        """Make an image of the account's own."""

    @abstractmethod
    def copy_server(self) -> str:
        """Have the stand-in go on as another one, too; returns its address."""

    @abstractmethod
    def find_tagged(self, fleet: str) -> list[str]:
        """Everything that the cloud still has of a fleet, found by another way than that of the command line."""

    def find_things(self, fleet: str) -> list[str]:
        """Of these, what goes by itself and has a name of its own: all, but for what others are allowed."""
        return self.find_tagged(fleet)

    def find_resources(self, fleet: str) -> list[str]:
        """The same as `find_tagged`, without what a program of Pulumi's neither makes nor removes."""
        return self.find_tagged(fleet)

    @abstractmethod
    def take_stock(self, fleet: str) -> Counter[str]:
        """How many things of each kind a fleet has; and rules, routes and grants."""

    @abstractmethod
    def meddle(self, fleet: str) -> set[tuple[str, str]]:
        """Change and delete some of a fleet's things, as somebody does who knows nothing of it.

        Returns:
            Their types, and `update` or `delete`, as plans tell of them.
        """

    @abstractmethod
    def open_to_all(self, fleet: str) -> str:
        """Let everybody reach a fleet's scheduler; returns how that is told."""

    @abstractmethod
    def list_machines(self) -> Iterator[Pretended]:
        """Those of fleets that run."""

    @abstractmethod
    def write_log(self, machine: Pretended, marks: Iterable[dict[str, object]], line: str) -> bool:
        """Write marks and a line to its fleet's log; returns whether there is one."""

    @abstractmethod
    def sell_out_spot(self, *types: str) -> None:
        """Have the spot market have none of these types, of which `*` is all of them, and of others some."""

    @abstractmethod
    def count_machines(self, fleet: str) -> Counter[tuple[str, str, str]]:
        """How many run of each group and type, `spot` or `on-demand`; the scheduler's group is `scheduler`."""

    @abstractmethod
    def find_images(self, fleet: str) -> dict[str, str]:
        """Names of the images that machines of each group, and the scheduler's, were made from."""

    @abstractmethod
    def read_connection(self, fleet: str) -> str:
        """The connection in the fleet's secret for clients."""

    @abstractmethod
    def add_connection(self, fleet: str, text: str) -> str:
        """Another secret that is marked as the fleet's for clients; returns its name."""

    @abstractmethod
    def remove_secret(self, name: str) -> None: ...

    @abstractmethod
    def render_network(self, fleet: str) -> str:
        """The `network` of a fleet file that is to be in the network of another fleet."""

    @classmethod
    def here(cls) -> tuple[str, ...]:
        """The options that say where a fleet is, for somebody who has nothing of it."""
        return ("--provider", cls.provider, "--region", cls.place)

    def environment(self, backend: Path | None = None) -> dict[str, str]:
        """For `pulumi` itself, with a state of its own, or the one in `backend`."""
        own = self.engine.environment(self.folder / "pulumi")
        variables = render_variables(type(self), self.engine, self.folder, self.proxy.url)
        return {**own, **variables, **({"PULUMI_BACKEND_URL": f"file://{backend}"} if backend else {})}


R = TypeVar("R", bound=Region)


@contextmanager
def open_region(kind: type[R], folder: Path, engine: Engine) -> Iterator[R]:
    """Open one; everything in it ends with the block."""
    port = find_free_port()
    with (folder / "cloud.log").open("wb") as log:
        server = subprocess.Popen(
            kind.render_command(port), cwd=TESTS, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    cli = make_command_line(folder)
    try:
        with kind.make_proxy(url) as proxy:
            region = kind(url, proxy, cli, engine, folder)
            await_true(lambda: _answers(region, server), "the cloud's stand-in answers", timeout=60)
            region.register_image("daskfleet", own_facts())
            cli.variables = render_variables(kind, engine, folder, proxy.url)
            yield region
    finally:
        cli.cleanup()
        os.killpg(server.pid, signal.SIGKILL)  # With its copies.
        server.wait()


def _answers(region: Region, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "the cloud's stand-in ended"
    try:
        return region.answers()
    except Exception:  # Whatever a server says that is not there yet.
        return False


def render_variables(kind: type[Region], engine: Engine, folder: Path, url: str) -> dict[str, str]:
    """The engine, the stand-in plugins and the cloud, for a command's environment."""
    environment = engine.environment(folder / "pulumi")
    names = [name for name in environment if name.startswith("PULUMI_") and name != "PULUMI_BACKEND_URL"]
    return {
        **{name: environment[name] for name in names},
        **kind.render_settings(folder, url),
        "PATH": f"{PLUGINS}{os.pathsep}{environment['PATH']}",
    }


def own_facts(**changes: str) -> dict[str, str]:
    """The facts of an image that holds what this Python does."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    facts = {"family": "daskfleet", "version": "202611240000", "arch": "x86_64", "gpu": "false", "lock": "0" * 16}
    return {**facts, "python": platform.python_version(), **versions, **changes}
