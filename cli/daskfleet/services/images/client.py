"""The versions of this client. Light: it reads metadata and imports none of them."""

from __future__ import annotations

import importlib.metadata
import platform

from daskfleet_stacks.connection import Versions


def read_client_versions() -> Versions:
    """What tasks are pickled with here."""
    packages = {name: importlib.metadata.version(name) for name in ("dask", "distributed", "cloudpickle")}
    return Versions(python=platform.python_version(), **packages)
