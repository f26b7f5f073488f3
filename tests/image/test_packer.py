"""The one packer build is valid for all four sources: with packer 1.6, and with current packer and its plugins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import find_cache
from image.built import SOURCES
from image.current_packer import CurrentPacker, require_current_packer

FOLDER = SOURCES / "packer"
BUILD = FOLDER / "daskfleet.pkr.hcl"
SOURCE_NAMES = ("amazon-ebs", "azure-arm", "googlecompute", "qemu")
# Accounts are looked up when a build starts; to judge the file, any will do.
ACCOUNTS = ("-var", "gcp_project=example", "-var", "azure_subscription_id=00000000-0000-0000-0000-000000000000")

every_source = pytest.mark.parametrize("source", SOURCE_NAMES)
every_variant = pytest.mark.parametrize(
    "options", [(), ("-var", "arch=aarch64"), ("-var", "gpu=true")], ids=["plain", "arm", "gpu"]
)


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    folder = tmp_path / "seed"
    subprocess.run([str(FOLDER / "make-seed"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def current_packer() -> CurrentPacker:
    return require_current_packer(find_cache())


def validate(
    seed: Path, *options: str, build: Path = BUILD, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """By packer 1.6, which takes the one file: in a folder it would refuse the list of plugins."""
    if shutil.which("packer") is None:
        pytest.skip("packer is not installed; tests/install-system-packages installs it")
    return run_validate("packer", dict(os.environ), seed, *options, str(build), cwd=cwd)


def validate_currently(
    packer: CurrentPacker, seed: Path, *options: str, folder: Path = FOLDER
) -> subprocess.CompletedProcess[str]:
    """By current packer, which takes the folder."""
    return run_validate(str(packer.program), packer.environment, seed, *options, str(folder))


def run_validate(
    program: str, environment: dict[str, str], seed: Path, *options: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "validate", *ACCOUNTS, "-var", f"seed={seed}", *options],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@every_source
@every_variant
def test_the_build_is_valid_for_a_source(seed: Path, source: str, options: tuple[str, ...]):
    done = validate(seed, f"-only={source}.daskfleet", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_build_finds_its_files_from_wherever_it_is_started(seed: Path):
    done = validate(seed, "-only=amazon-ebs.daskfleet", build=BUILD.relative_to(SOURCES), cwd=SOURCES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_image_is_tagged_with_the_versions_of_its_lock(seed: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(SOURCES, copy)
    build = copy / FOLDER.name / BUILD.name
    # Packer tells a value in the error of a function that it is given to.
    told = "".join(f'-${{local.tags["daskfleet:{name}"]}}' for name in ("dask", "distributed", "cloudpickle"))
    text, count = re.subn(r"ami_description *= .*", f'ami_description = file("/none{told}")', build.read_text())
    assert count == 1
    build.write_text(text)
    done = validate(seed, "-only=amazon-ebs.daskfleet", build=build)
    lock = (SOURCES / "environment" / "requirements.txt").read_text()
    found = [re.search(rf"^{name}==(\S+)", lock, re.M) for name in ("dask", "distributed", "cloudpickle")]
    versions = [each[1] for each in found if each]
    assert len(versions) == 3
    assert f"/none-{'-'.join(versions)}" in done.stdout + done.stderr


@every_source
@every_variant
def test_the_build_is_valid_for_a_source_of_current_packer(
    current_packer: CurrentPacker, seed: Path, source: str, options: tuple[str, ...]
):
    """With the plugins that current_packer.py names. It proves nothing of later ones: azure 2.x, qemu 1.1."""
    done = validate_currently(current_packer, seed, f"-only={source}.daskfleet", *options)
    assert done.returncode == 0, done.stdout + done.stderr


@every_source
def test_current_packer_refuses_an_attribute_that_a_source_does_not_have(
    current_packer: CurrentPacker, seed: Path, tmp_path: Path, source: str
):
    copy = tmp_path / "copy"
    shutil.copytree(SOURCES, copy)
    build = copy / FOLDER.name / BUILD.name
    opening = f'source "{source}" "daskfleet" {{\n'
    assert build.read_text().count(opening) == 1
    build.write_text(build.read_text().replace(opening, f"{opening}  zebra = 1\n"))
    done = validate_currently(current_packer, seed, f"-only={source}.daskfleet", folder=build.parent)
    assert done.returncode != 0
    assert 'An argument named "zebra" is not expected here' in done.stdout + done.stderr


def test_a_variable_that_there_is_not_is_refused(seed: Path):
    assert validate(seed, "-var", "zebra=1").returncode != 0


def test_the_seed_lets_in_one_key_and_no_password(seed: Path):
    user_data = (seed / "user-data").read_text()
    assert (seed / "id.pub").read_text().strip() in user_data
    assert "lock_passwd: true" in user_data
    assert "passwd:" not in user_data.replace("lock_passwd:", "")
    assert (seed / "id").stat().st_mode & 0o077 == 0
    assert seed.stat().st_mode & 0o077 == 0
