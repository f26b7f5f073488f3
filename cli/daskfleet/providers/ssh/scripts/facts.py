"""What a host's own Python says of it; it runs there, so it imports nothing of ours. Prints one line of JSON."""

from __future__ import annotations

import importlib.metadata
import json
import platform

NEEDED = ("dask", "distributed", "cloudpickle", "pydantic", "psutil")


def read_version(package: str) -> str | None:
    """The version of a package; `None` where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def count_cores() -> int:
    """The cores that Dask would use; 0 where Dask cannot tell."""
    try:
        from dask.system import CPU_COUNT
    except ImportError:
        return 0
    return CPU_COUNT


versions = {"python": platform.python_version(), **{each: read_version(each) for each in NEEDED}}
print(json.dumps({"versions": versions, "cores": count_cores()}))
