"""Whether this node runs what its fleet runs. Light: it reads metadata and imports none of the packages."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping

from daskfleet_images.node.errors import WrongVersions


def check_versions(wanted: Mapping[str, str]) -> None:
    """Make sure that this machine has the wanted versions.

    Raises:
        WrongVersions: it has others; all are named.
    """
    wrong = []
    for package, version in wanted.items():
        own = read_version(package)
        if _cut(package, own) != _cut(package, version):
            wrong.append(f"{package} {own or '(none)'} instead of {version}")
    if wrong:
        raise WrongVersions(
            f"this machine has other versions than the fleet: {', '.join(wrong)}; the image holds what its tags do not "
            "say: build it anew"
        )


def read_version(package: str) -> str:
    """The version of a package, or of Python; empty where it is not installed."""
    if package == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cut(package: str, version: str) -> str:
    return ".".join(version.split(".")[:2]) if package == "python" else version
