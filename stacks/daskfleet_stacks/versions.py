"""What a client must fit: the versions that tasks and results depend on. Light: it reads metadata and imports none."""

from __future__ import annotations

import dataclasses

from daskfleet_images.node.versions import read_version
from daskfleet_stacks.connection import Versions


def read_own_versions() -> Versions:
    """The versions of the Python that runs this."""
    return Versions(**{field.name: read_version(field.name) for field in dataclasses.fields(Versions)})
