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
from patience import FULL, STRICT

FIRST_SECONDS = 90 * 60
"""For whichever test comes first: it builds the image, on an emulated machine where there is no other."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in own:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_SECONDS))
    if STRICT and not FULL:  # It takes long to build, and Debian's packer judges the same file.
        others = [item for item in own if "current_packer" in getattr(item, "fixturenames", ())]
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


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
