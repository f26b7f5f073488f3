"""Programs that neither Debian nor Python's packages hold: built from their Go modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD_SECONDS = 30 * 60
"""For one program, on a machine with other work."""


def require_go(least: tuple[int, int, int], programs: str) -> None:
    """Skip the test, with the reason, where Go is missing or too old to build the programs."""
    wanted = ".".join(map(str, least))
    if shutil.which("go") is None:
        pytest.skip(f"go is not installed; {wanted} or newer builds {programs}")
    told = run("go", "env", "GOVERSION", environment={**os.environ, "GOTOOLCHAIN": "local"}).strip()
    version = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", told)  # A version of its own, as `devel`, is somebody's newest.
    if version and tuple(int(number or 0) for number in version.groups()) < least:
        pytest.skip(f"{told} is too old to build {programs}; install {wanted} or newer")


def render_go_environment(work: Path) -> dict[str, str]:
    """For a build that keeps everything in `work`, and nothing that could not be removed."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -buildvcs=false -modcacherw".strip(),
        "GOMODCACHE": str(work / "modules"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def run(*command: str | Path, environment: dict[str, str], folder: Path | None = None) -> str:
    """What it writes to its standard output; what else it writes, where it fails."""
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{said}"
    return done.stdout
