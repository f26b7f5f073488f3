"""Fixtures of the tests of `machines`, on a small Debian."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import find_cache
from machines import Network, require_machines
from machines.base import require_base_root


@pytest.fixture(scope="session")
def root() -> Path:
    """A root file system."""
    require_machines()
    return require_base_root(find_cache())


@pytest.fixture
def network() -> Iterator[Network]:
    require_machines()
    with Network() as network:
        yield network
