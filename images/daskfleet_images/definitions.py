"""What an image is called in a compute gallery of Azure's, for who builds it and for who looks for it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

GALLERY = "daskfleet"
"""The gallery in the resource group that images are built into."""

DEFAULT_GALLERY = f"daskfleet-images/{GALLERY}"
"""Where fleets look for images if nothing else is said: RESOURCE_GROUP/GALLERY."""

PACKAGES = ("dask", "distributed", "cloudpickle")

LONGEST_NAME = 80


def name_definition(family: str, architecture: str, versions: Mapping[str, str], *, gpu: bool) -> str:
    """The image definition for images that hold the same: `daskfleet-x86_64-py3.11-2026.8.0-2026.8.0-3.1.1`.

    What is not known of the versions is left out.

    Args:
        architecture: `x86_64` or `aarch64`.
        versions: of `python`, of which the minor version counts, `dask`, `distributed` and `cloudpickle`.
        gpu: whether they hold a driver for GPUs.
    """
    minor = find_minor(versions.get("python", ""))
    parts = [
        family,
        architecture,
        "gpu" if gpu else "",
        f"py{minor}" if minor else "",
        *(versions.get(package, "") for package in PACKAGES),
    ]
    name = "-".join(filter(None, parts))
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"


def find_minor(version: str) -> str:
    """`3.11` of `3.11.7`."""
    return ".".join(version.split(".")[:2])
