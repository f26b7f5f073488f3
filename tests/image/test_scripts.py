"""The shell scripts and the packer build, as their own tools judge them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from image.built import ROOT, SOURCES

SHEBANGS = (b"#!/usr/bin/env bash", b"#!/bin/sh", b"#!/usr/bin/env sh")


def find_scripts() -> list[Path]:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    files = [ROOT / name for name in tracked if (ROOT / name).is_file()]
    return [file for file in files if file.read_bytes().startswith(SHEBANGS)]


@pytest.mark.parametrize("script", find_scripts(), ids=lambda script: str(script.relative_to(ROOT)))
def test_shellcheck_has_no_complaint(script: Path):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed; tests/install-system-packages installs it")
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", sorted((SOURCES / "provision").iterdir()), ids=lambda script: script.name)
def test_a_provisioning_script_stops_at_the_first_failure(script: Path):
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -o errexit -o nounset -o pipefail" in lines
