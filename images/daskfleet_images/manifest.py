"""The image manifest: what an image holds, written into it when it is built.

`python -m daskfleet_images.manifest …` prints the manifest for the environment that it runs in.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from daskfleet_images import VERSION
from daskfleet_images.problems import describe_problems

MANIFEST_PATH = "/etc/daskfleet/image.json"

Arch = Literal["x86_64", "aarch64"]


class ManifestError(ValueError):
    """An image manifest cannot be read, made, or is not valid; one line for a person."""


def _check_time(text: str) -> str:
    if datetime.datetime.fromisoformat(text).utcoffset() != datetime.timedelta(0):
        raise ValueError("a time is ISO 8601 in UTC, such as 2026-11-24T08:30:00+00:00")
    return text


class ImageManifest(BaseModel):
    """What an image holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str = Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Name that the versions of one image share; a name by the rules of every cloud."""
    version: str = Field(pattern=r"^\d{12}$")
    """When its building was started, UTC, `YYYYMMDDHHMM`: later versions sort behind."""
    arch: Arch
    """Architecture, as `uname -m` names it."""
    gpu: bool
    """Whether it holds a driver for NVIDIA GPUs."""
    python: str
    """Version of Python."""
    dask: str
    """Version of Dask."""
    distributed: str
    """Version of distributed."""
    cloudpickle: str
    """Version of cloudpickle."""
    daskfleet: str
    """Version of daskfleet, whose node runtime it holds."""
    lock_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the requirements file that the environment was made from."""
    base: str = Field(min_length=1)
    """What it was made from: a name of the distribution's image."""
    built: Annotated[str, AfterValidator(_check_time)]
    """When this manifest was made, ISO 8601 in UTC."""
    packages: dict[str, str]
    """Version of every Python distribution, by its normalized name."""


def build_manifest(
    *, family: str, version: str, arch: str, gpu: bool, base: str, lock: Path, built: datetime.datetime | None = None
) -> ImageManifest:
    """The manifest of an image that holds the environment this runs in.

    Raises:
        ManifestError: a value is wrong, the requirements file cannot be read, or the environment lacks Dask.
    """
    packages = collect_packages(importlib.metadata.distributions())
    lacking = [name for name in ("dask", "distributed", "cloudpickle") if name not in packages]
    if lacking:
        raise ManifestError(
            f"the environment of {sys.executable} lacks {', '.join(lacking)}; install {lock} there first"
        )
    try:
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    except OSError as error:
        raise ManifestError(f"the requirements file {lock} cannot be read: {error.strerror}") from None
    values = {
        "family": family,
        "version": version,
        "arch": arch,
        "gpu": gpu,
        "python": platform.python_version(),
        "dask": packages["dask"],
        "distributed": packages["distributed"],
        "cloudpickle": packages["cloudpickle"],
        "daskfleet": VERSION,
        "lock_sha256": digest,
        "base": base,
        "built": (built or datetime.datetime.now(datetime.UTC)).isoformat(timespec="seconds"),
        "packages": packages,
    }
    try:
        return ImageManifest.model_validate(values)
    except ValidationError as error:
        raise ManifestError(f"the image manifest would not be valid: {describe_problems(error)}") from None


def collect_packages(distributions: Iterable[importlib.metadata.Distribution]) -> dict[str, str]:
    """Version by normalized name, sorted; of what is there twice the first counts, as when importing."""
    found: dict[str, str] = {}
    for distribution in distributions:
        name = distribution.metadata["Name"]
        if name:  # A folder that an uninstallation left half may have none.
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))


def parse_manifest(text: str | bytes) -> ImageManifest:
    """Validate an image manifest.

    Raises:
        ManifestError: it is no JSON, or a field is missing, unknown or wrong; all problems in one line.
    """
    try:
        return ImageManifest.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"the image manifest is not valid: {describe_problems(error)}") from None


def read_manifest(path: Path) -> ImageManifest:
    """Read and validate the image manifest at `path`.

    Raises:
        ManifestError: it cannot be read, or is not valid.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"the image manifest {path} cannot be read: {error.strerror}") from None
    return parse_manifest(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the manifest of an image that holds the environment this runs in; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daskfleet_images.manifest", description=main.__doc__)
    parser.add_argument("--family", required=True, help="name that the versions of one image share")
    parser.add_argument("--version", required=True, help="when its building was started, UTC, YYYYMMDDHHMM")
    parser.add_argument("--arch", required=True, choices=get_args(Arch))
    parser.add_argument("--gpu", required=True, choices=("true", "false"), help="whether it holds NVIDIA's driver")
    parser.add_argument("--base", required=True, help="what the image was made from")
    parser.add_argument("--lock", required=True, type=Path, help="the requirements file of its environment")
    given = vars(parser.parse_args(arguments))
    try:
        manifest = build_manifest(**{**given, "gpu": given["gpu"] == "true"})
    except ManifestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(manifest.model_dump_json(indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
