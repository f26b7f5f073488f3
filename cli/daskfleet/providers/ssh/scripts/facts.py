"""What a host's own Python says of it; it runs there, so it imports nothing of ours. Prints one line of JSON."""

from __future__ import annotations

import importlib.metadata
import importlib.util
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
    """The cores that Dask would use; 0 where Dask cannot tell.

    Its module that counts them is loaded by itself: importing Dask takes four times as long as all of this.
    """
    dask = importlib.util.find_spec("dask")
    if dask is None or not dask.submodule_search_locations:
        return 0
    path = f"{dask.submodule_search_locations[0]}/system.py"
    spec = importlib.util.spec_from_file_location("dask_system", path)
    if spec is None or spec.loader is None:
        return 0
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return int(module.CPU_COUNT)
    except (AttributeError, ImportError, OSError, ValueError):
        return 0


versions = {"python": platform.python_version(), **{each: read_version(each) for each in NEEDED}}
print(json.dumps({"versions": versions, "cores": count_cores()}))
