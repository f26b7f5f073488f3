"""Runs inside every `distributed.Client` made under `daskfleet connect` or `daskfleet run`, before it connects.

Dask loads it by its path (`distributed.client.preload`), so the script's own Python need not have daskfleet
installed: this file may import the standard library and what a Dask client has, nothing else.
"""

import importlib.metadata
import json
import os
import platform
import sys


class VersionMismatch(RuntimeError):
    """The client's versions do not fit the fleet's."""


def find_mismatch(fleet: str, versions: dict[str, str]) -> str | None:
    """What differs between this interpreter and the fleet, and what to do; `None` when nothing does."""
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
    remedy = f"pip install {' '.join(packages)}" if packages else "run this with the fleet's Python"
    return (
        f"this Python ({sys.executable}) and fleet '{fleet}' do not fit together: {'; '.join(differences)}.\n"
        f"To fix: {remedy}, or start the fleet from this environment (daskfleet down, then up).\n"
        "To go on all the same, at the risk of tasks that fail to unpickle: set DASKFLEET_VERSION_CHECK=off."
    )


def _check() -> None:
    if os.environ.get("DASKFLEET_VERSION_CHECK") == "off" or "DASKFLEET_VERSIONS" not in os.environ:
        return
    message = find_mismatch(os.environ["DASKFLEET_FLEET"], json.loads(os.environ["DASKFLEET_VERSIONS"]))
    if message is None:
        return
    if hasattr(sys, "ps1") or "IPython" in sys.modules:
        raise VersionMismatch(message)
    # In a script, the message alone: nothing in the user's code is at fault, so a traceback would mislead.
    raise SystemExit(message)


if __name__ == "daskfleet_client_preload":  # Loaded by Dask, not imported for `find_mismatch`.
    _check()
