"""The engine and the region."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_fleets.region import Region, open_region
from engine.engine import Engine


@pytest.fixture
def region(tmp_path: Path, engine: Engine) -> Iterator[Region]:
    with open_region(tmp_path, engine) as region:
        yield region
