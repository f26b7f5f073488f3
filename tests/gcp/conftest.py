"""The engine and the region."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.engine import Engine
from gcp.region import Region, open_region


@pytest.fixture
def region(tmp_path: Path, engine: Engine) -> Iterator[Region]:
    with open_region(tmp_path, engine) as region:
        yield region
