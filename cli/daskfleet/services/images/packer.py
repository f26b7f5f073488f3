"""Packer: which one, and its command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import daskfleet_images
from daskfleet.errors import FleetError

FOLDER = Path(daskfleet_images.__file__).parent / "packer"
BUILD_FILE = "daskfleet.pkr.hcl"

SOURCES = {
    "aws": "amazon-ebs.daskfleet",
    "azure": "azure-arm.daskfleet",
    "gcp": "googlecompute.daskfleet",
    "local": "qemu.daskfleet",
}
"""What packer calls the source of each provider."""

OLDEST = (1, 6, 6)
WITH_PLUGINS = (1, 7, 0)
"""From here on packer knows `init` and the plugins that a folder names."""

HOW_TO_GET_IT = (
    "daskfleet ships none, since packer's licence from 1.10 on (BUSL) does not allow everybody to: get it from "
    "HashiCorp "
    "(developer.hashicorp.com/packer), or on Debian with `apt-get install packer`. Name it with --packer or $PACKER, "
    "or put it on "
    "PATH."
)

Version = tuple[int, int, int]


def find_packer(given: str | None, environment: Mapping[str, str]) -> str:
    """The program packer: what is given, else `$PACKER`, else the one on PATH.

    Raises:
        FleetError: there is none.
    """
    for origin, name in (("--packer", given), ("$PACKER", environment.get("PACKER"))):
        if name:
            found = shutil.which(name)
            if found is None:
                raise FleetError(f"{origin}: there is no program {name}; give packer's path.")
            return found
    found = shutil.which("packer", path=environment.get("PATH"))
    if found is None:
        raise FleetError(f"packer builds the image, and is not on PATH. {HOW_TO_GET_IT}")
    return found


def read_version(packer: str) -> Version:
    """The version of a packer.

    Raises:
        FleetError: it is too old, or something else of the same name.
    """
    try:
        done = subprocess.run(
            [packer, "version"],
            env=render_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FleetError(f"{packer} cannot be run: {error}. {HOW_TO_GET_IT}") from None
    return parse_version(packer, done.stdout)


def parse_version(packer: str, output: str) -> Version:
    """The version in what `packer version` prints.

    Raises:
        FleetError: it is too old, or no packer's.
    """
    match = re.search(r"^Packer v(\d+)\.(\d+)\.(\d+)", output, re.MULTILINE)
    if match is None:
        raise FleetError(f"{packer} is not HashiCorp's packer (`{packer} version` does not say so). {HOW_TO_GET_IT}")
    version = (int(match[1]), int(match[2]), int(match[3]))
    if version < OLDEST:
        shown = ".".join(str(part) for part in version)
        raise FleetError(f"{packer} is packer {shown}, and at least 1.6.6 is needed. {HOW_TO_GET_IT}")
    return version


def render_target(version: Version, folder: Path = FOLDER) -> str:
    """What packer is to build: the single file where it knows no plugins, else the folder that names them too."""
    return str(folder / BUILD_FILE) if version < WITH_PLUGINS else str(folder)


def render_arguments(provider: str, target: str, variables: Mapping[str, str]) -> list[str]:
    """The arguments that build the image of one provider. They hold no secret; the environment does."""
    settings = [word for name, value in variables.items() for word in ("-var", f"{name}={value}")]
    return ["build", "-color=false", f"-only={SOURCES[provider]}", *settings, target]


def render_environment(environment: Mapping[str, str], cache: Path | None = None) -> dict[str, str]:
    """The environment of packer: this one, its cache with the images, and no look for a newer version."""
    given = {**environment, "CHECKPOINT_DISABLE": "1", "PACKER_NO_COLOR": "1"}
    if cache is not None:
        given.setdefault("PACKER_CACHE_DIR", str(cache))
    return given
