"""What a client must fit: the versions that tasks and results depend on."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = ("dask", "distributed", "cloudpickle")


def read_own_versions() -> dict[str, str]:
    """The versions of the Python that runs this, by the names of `connection.Versions`."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}
