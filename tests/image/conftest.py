"""The image that `daskfleet image build` makes, built once, kept for later runs, and machines that boot from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import find_cache
from image.built import BuiltImage, build_image
from image.fleet import Cloud, open_cloud
from machines import require_machines
from machines.requirements import CONTAINER_TOOLS, VIRTUAL_TOOLS

FIRST_SECONDS = 90 * 60
"""For whichever test comes first: it builds the image, on an emulated machine where there is no other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_SECONDS))


@pytest.fixture(scope="session")
def image() -> BuiltImage:
    """The image for this checkout's `images/`."""
    require_machines(*CONTAINER_TOOLS, *VIRTUAL_TOOLS, "packer", "mmdebstrap", "qemu-img", "mount")
    return build_image(find_cache())


@pytest.fixture
def cloud(tmp_path: Path, image: BuiltImage) -> Iterator[Cloud]:
    """A network with a stand-in for AWS and a fleet's secrets; the machines in it end with the test."""
    with open_cloud(tmp_path, image) as cloud:
        yield cloud
