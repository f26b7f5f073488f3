"""What a client must fit: the versions that tasks and results depend on. Light: it reads metadata and imports none."""

from __future__ import annotations

import importlib.metadata
import platform

from daskfleet_stacks.connection import Versions


def read_own_versions() -> Versions:
    """The versions of the Python that runs this."""
    return Versions(
        python=platform.python_version(),
        dask=importlib.metadata.version("dask"),
        distributed=importlib.metadata.version("distributed"),
        cloudpickle=importlib.metadata.version("cloudpickle"),
    )
