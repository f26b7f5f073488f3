"""The lab of six hosts, for the tests of one file after another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ssh.fleet_lab import FleetLab, open_six


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetLab]:
    """Six hosts, shared by the tests of a file."""
    with open_six(tmp_path_factory.mktemp("six")) as lab:
        yield lab


@pytest.fixture
def lab(six: FleetLab) -> Iterator[FleetLab]:
    """Six hosts with nothing on them, before and after: that is looked at after each test."""
    yield six
    six.clean()
