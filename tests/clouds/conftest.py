"""The clouds, the image and the engine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aws.lab import Lab as AwsLab
from aws.region import Region as AwsRegion
from azure_fleets.lab import Lab as AzureLab
from azure_fleets.region import Region as AzureRegion
from clouds.lab import Lab, open_lab
from clouds.region import Region, open_region
from engine.engine import Engine
from gcp.lab import Lab as GcpLab
from gcp.region import Region as GcpRegion
from image.built import BuiltImage
from image.conftest import FIRST_SECONDS, image
from machines import require_machines
from machines.requirements import CLOUD_TOOLS
from patience import FULL, STRICT

__all__ = ["image"]


@dataclass(frozen=True)
class Cloud:
    """One of them."""

    region: type[Region]
    lab: type[Lab]


CLOUDS = {
    "aws": Cloud(AwsRegion, AwsLab),
    "azure": Cloud(AzureRegion, AzureLab),
    "gcp": Cloud(GcpRegion, GcpLab),
}

EVERYWHERE = "test_whole_path.py"
"""What a strict run, too, asks of every cloud."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in own:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_SECONDS))
    if STRICT and not FULL:
        others = find_others(own, read_turn())
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=list(others))


def find_others(items: Iterable[pytest.Item], turn: int) -> set[pytest.Item]:
    """What is not asked this time: each file's sentences are asked of one cloud, and of another one the next time.

    Those of a file share fleets, which are made once.
    """
    asked = [item for item in items if item.path.name != EVERYWHERE]
    files, clouds = sorted({item.path.name for item in asked}), list(CLOUDS)
    chosen = {file: clouds[(place + turn) % len(clouds)] for place, file in enumerate(files)}
    return {item for item in asked if chosen[item.path.name] != find_cloud(item)}


def find_cloud(item: pytest.Item) -> str:
    assert isinstance(item, pytest.Function)
    return str(item.callspec.params["cloud"])


def read_turn() -> int:
    """A number that is another one with every commit."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout[:8], 16) if done.returncode == 0 else 0


@pytest.fixture(scope="session", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """Each cloud in turn."""
    return CLOUDS[request.param]


@pytest.fixture
def lab(tmp_path: Path, cloud: Cloud, engine: Engine, image: BuiltImage) -> Iterator[Lab]:
    """The cloud, with machines."""
    require_machines(*CLOUD_TOOLS)
    with open_lab(cloud.lab, tmp_path, engine, image) as lab:
        yield lab


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud, engine: Engine) -> Iterator[Region]:
    """The cloud, without machines, for a whole module, whose tests have copies of it."""
    with open_region(cloud.region, tmp_path_factory.mktemp("realm"), engine) as region:
        yield region
