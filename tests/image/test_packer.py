"""The one packer build is valid for all four sources, with packer 1.6, which needs no plugins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from image.built import SOURCES

BUILD = SOURCES / "packer" / "daskfleet.pkr.hcl"
SOURCE_NAMES = ("amazon-ebs", "azure-arm", "googlecompute", "qemu")
# Accounts are looked up when a build starts; to judge the file, any will do.
ACCOUNTS = ("-var", "gcp_project=example", "-var", "azure_subscription_id=00000000-0000-0000-0000-000000000000")


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    folder = tmp_path / "seed"
    subprocess.run([str(SOURCES / "packer" / "make-seed"), str(folder)], check=True)
    return folder


def validate(seed: Path, *options: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("packer") is None:
        pytest.skip("packer is not installed; tests/install-system-packages installs it")
    return subprocess.run(
        ["packer", "validate", *ACCOUNTS, "-var", f"seed={seed}", *options, str(BUILD)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("source", SOURCE_NAMES)
@pytest.mark.parametrize("options", [(), ("-var", "arch=aarch64"), ("-var", "gpu=true")], ids=["plain", "arm", "gpu"])
def test_the_build_is_valid_for_a_source(seed: Path, source: str, options: tuple[str, ...]):
    done = validate(seed, f"-only={source}.daskfleet", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_variable_that_there_is_not_is_refused(seed: Path):
    assert validate(seed, "-var", "zebra=1").returncode != 0


def test_the_seed_lets_in_one_key_and_no_password(seed: Path):
    user_data = (seed / "user-data").read_text()
    assert (seed / "id.pub").read_text().strip() in user_data
    assert "lock_passwd: true" in user_data
    assert "passwd:" not in user_data.replace("lock_passwd:", "")
    assert (seed / "id").stat().st_mode & 0o077 == 0
    assert seed.stat().st_mode & 0o077 == 0
