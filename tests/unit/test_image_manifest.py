"""The image manifest: what an image holds."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import distributed
import pytest

from daskfleet_images import VERSION
from daskfleet_images.manifest import ImageManifest, ManifestError, build_manifest, parse_manifest, read_manifest

ROOT = Path(__file__).parents[2]
BUILT = datetime.datetime(2026, 11, 24, 8, 30, tzinfo=datetime.UTC)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text("dask==1\n")
    return file


def build(lock: Path, **changes: Any) -> ImageManifest:
    values = {"family": "daskfleet", "version": "202611240830", "arch": "x86_64", "gpu": False, "base": "debian-12"}
    return build_manifest(**{**values, "lock": lock, "built": BUILT, **changes})


def test_a_manifest_tells_the_environment_that_it_is_made_in(lock: Path):
    manifest = build(lock)
    assert manifest.python == platform.python_version()
    assert (manifest.dask, manifest.distributed) == (dask.__version__, distributed.__version__)
    assert manifest.cloudpickle == cloudpickle.__version__
    assert manifest.lock_sha256 == hashlib.sha256(b"dask==1\n").hexdigest()
    assert manifest.built == "2026-11-24T08:30:00+00:00"
    assert manifest.packages["dask"] == dask.__version__
    assert manifest.packages["typing-extensions"] == importlib.metadata.version("typing_extensions")
    assert list(manifest.packages) == sorted(manifest.packages)


def test_the_version_in_the_package_is_the_distributions(lock: Path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert build(lock).daskfleet == VERSION == project["version"]


def test_a_manifest_survives_being_written_and_read(lock: Path, tmp_path: Path):
    manifest = build(lock)
    file = tmp_path / "image.json"
    file.write_text(manifest.model_dump_json(indent=2))
    assert read_manifest(file) == manifest


@pytest.mark.parametrize(
    "change",
    [{"family": "No"}, {"family": "a_b"}, {"family": "a" * 64}, {"version": "2026"}, {"version": "2026-11-24"},
     {"arch": "riscv64"}, {"base": ""}],
    ids=repr,
)  # fmt: skip
def test_a_wrong_value_is_named_when_the_manifest_is_made(lock: Path, change: dict[str, Any]):
    with pytest.raises(ManifestError, match=f"^the image manifest would not be valid: {next(iter(change))}: "):
        build(lock, **change)


@pytest.mark.parametrize(
    ("change", "place"),
    [({"zebra": 1}, "zebra"), ({"gpu": "perhaps"}, "gpu"), ({"lock_sha256": "x"}, "lock_sha256"),
     ({"built": "yesterday"}, "built"), ({"built": "2026-11-24T08:30:00"}, "built"),
     ({"built": "2026-11-24T08:30:00+01:00"}, "built"), ({"packages": {"a": 1}}, "packages.a"),
     ({"dask": None}, "dask")],
)  # fmt: skip
def test_a_wrong_field_is_named_when_the_manifest_is_read(lock: Path, change: dict[str, Any], place: str):
    text = json.dumps({**build(lock).model_dump(), **change})
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text)
    assert str(caught.value).startswith(f"the image manifest is not valid: {place}: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["", "{", "[]", b"\xff", "{}"])
def test_what_is_no_manifest_is_refused_in_one_line(text: str | bytes):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text)
    assert str(caught.value).isprintable()


def test_files_that_are_not_there_are_named(lock: Path, tmp_path: Path):
    with pytest.raises(ManifestError, match=r"the image manifest .*none cannot be read: No such file"):
        read_manifest(tmp_path / "none")
    with pytest.raises(ManifestError, match=r"the requirements file .*none cannot be read: No such file"):
        build(tmp_path / "none")


def test_an_environment_without_dask_is_refused(lock: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.metadata, "distributions", list)
    with pytest.raises(ManifestError, match=r"lacks dask, distributed, cloudpickle; install .* there first"):
        build(lock)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "daskfleet_images.manifest", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_prints_the_manifest_and_imports_no_dask(lock: Path):
    given = ("--family", "daskfleet", "--version", "202611240830", "--arch", "aarch64", "--gpu", "true")
    done = run(*given, "--base", "debian-12", "--lock", str(lock))
    assert done.returncode == 0, done.stderr
    manifest = parse_manifest(done.stdout)
    assert (manifest.family, manifest.arch, manifest.gpu) == ("daskfleet", "aarch64", True)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "pydantic" in imported
    assert not imported & {"dask", "distributed", "daskfleet", "yaml"}


def test_the_command_refuses_in_one_line(tmp_path: Path):
    given = ("--family", "daskfleet", "--version", "now", "--arch", "x86_64", "--gpu", "false", "--base", "x")
    (tmp_path / "lock").write_text("")
    done = run(*given, "--lock", str(tmp_path / "lock"))
    told = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert (done.returncode, done.stdout, len(told)) == (1, "", 1)
    assert told[0].startswith("error: the image manifest would not be valid: version: ")
