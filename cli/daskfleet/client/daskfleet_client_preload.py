"""Runs inside every `distributed.Client` that daskfleet connects: it compares versions, and shares the script's folder.

Dask loads it by its path (`distributed.client.preload`), so the script's own Python need not have daskfleet
installed: this file may import the standard library and what a Dask client has, nothing else.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client


class VersionMismatch(RuntimeError):
    """The client's versions do not fit the fleet's."""


def find_mismatch(fleet: str, versions: dict[str, str]) -> str | None:
    """What differs between this interpreter and the fleet, and what to do; `None` when nothing does.

    Of Python the minor version counts: cloudpickle ships byte code, which only that decides. Of the packages every
    digit counts: Dask promises no compatibility between releases on the wire.
    """
    differences, packages = [], []
    for what, theirs in versions.items():
        if what == "python":
            own, theirs = (".".join(each.split(".")[:2]) for each in (platform.python_version(), theirs))
        else:
            own = importlib.metadata.version(what)
        if own != theirs:
            differences.append(f"{what} is {own} here and {theirs} on the fleet")
            if what != "python":
                packages.append(f"'{what}=={theirs}'")
    if not differences:
        return None
    remedies = [f"pip install {' '.join(packages)}"] if packages else []
    if len(differences) > len(packages):
        remedies.insert(0, "run this with the fleet's Python")
    return (
        f"this Python ({sys.executable}) and fleet '{fleet}' do not fit together: {'; '.join(differences)}.\n"
        f"To fix: {' and '.join(remedies)}, or start the fleet from this environment (daskfleet down, then up).\n"
        "To go on all the same, at the risk of tasks that fail to unpickle: set DASKFLEET_VERSION_CHECK=off."
    )


def _check_versions() -> None:
    if os.environ.get("DASKFLEET_VERSION_CHECK") == "off" or "DASKFLEET_VERSIONS" not in os.environ:
        return
    message = find_mismatch(os.environ["DASKFLEET_FLEET"], json.loads(os.environ["DASKFLEET_VERSIONS"]))
    if message is None:
        return
    if hasattr(sys, "ps1") or "IPython" in sys.modules:
        raise VersionMismatch(message)
    # In a script, the message alone: nothing in the user's code is at fault, so a traceback would mislead.
    raise SystemExit(message)


def find_script_folder() -> str | None:
    """The folder that Python looks in first: the script's, or the current one."""
    folder = Path(sys.path[0]).absolute()
    return str(folder) if folder.is_dir() else None


def share_folder(folder: str) -> None:
    """On the fleet: make the modules in `folder` importable, and forget them if any has changed since the last client.

    The folder goes behind everything else, so that it hides no module of the fleet's own. Installed packages below it
    (an environment in the project's folder) are left alone.
    """
    if not Path(folder).is_dir():
        return  # The fleet is on another machine.
    if folder not in sys.path:
        sys.path.append(folder)
    shared_at: dict[str, float] = sys.__dict__.setdefault("_daskfleet_shared_at", {})
    since, shared_at[folder] = shared_at.get(folder), time.time()
    installed = (sys.prefix, sys.base_prefix)
    modules = {
        name: Path(file)
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None))
        and file.startswith(folder + os.sep)
        and not file.startswith(installed)
        and not {"site-packages", "dist-packages"} & set(Path(file).parts)
    }
    if since is not None and any(not file.exists() or file.stat().st_mtime >= since for file in modules.values()):
        for name in modules:
            del sys.modules[name]
    importlib.invalidate_caches()


async def dask_setup(client: Client) -> None:
    """Let a fleet that sees the script's folder import the modules in it, as a `LocalCluster` can."""
    import cloudpickle
    from distributed import WorkerPlugin

    folder = find_script_folder()
    if folder is None:
        return

    class ScriptFolder(WorkerPlugin):
        """Shares the folder with a worker: now, and with each that comes later."""

        def __init__(self, folder: str) -> None:
            self.folder = folder
            self.name = f"daskfleet-script-folder-{folder}"

        def setup(self, worker: Any) -> None:
            share_folder(self.folder)

    # The fleet cannot import this file: what it needs of it travels whole.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    # The scheduler unpickles task graphs, which may name functions of those modules.
    await client.run_on_scheduler(share_folder, folder)
    await client.register_plugin(ScriptFolder(folder))


if __name__ == "daskfleet_client_preload":  # Loaded by Dask, not imported for `find_mismatch`.
    _check_versions()
