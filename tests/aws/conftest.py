"""The image, the engine and the region."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aws.lab import Lab, open_lab
from aws.region import Region, open_region
from engine.engine import Engine
from image.built import BuiltImage
from image.conftest import FIRST_SECONDS, image

__all__ = ["image"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_SECONDS))


@pytest.fixture
def lab(tmp_path: Path, engine: Engine, image: BuiltImage) -> Iterator[Lab]:
    with open_lab(tmp_path, engine, image) as lab:
        yield lab


@pytest.fixture
def region(tmp_path: Path, engine: Engine) -> Iterator[Region]:
    with open_region(tmp_path, engine) as region:
        yield region
