"""The wheel, alone: what a user gets from an index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import CommandLine

ROOT = Path(__file__).parents[2]
IMAGES = "images/daskfleet_images"
COPIED = ("pyproject.toml", "README.md", "LICENSE", "images", "components", "stacks", "cli")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what it is built from."""
    source = tmp_path_factory.mktemp("source")
    for name in COPIED:
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, source / name)
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line of an environment that holds the wheel, what it requires, and nothing of this checkout."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    # What the wheel requires is linked from this environment; not this checkout, and not what only tests need.
    required = required_distributions()
    for name in required:
        for top in top_levels(name):
            target = site / top.name
            if not target.exists():
                target.symlink_to(top)
    line = InstalledCommandLine(tmp_path / "home", tmp_path, folder / "bin")
    try:
        yield line
    finally:
        line.cleanup()


class InstalledCommandLine(CommandLine):
    def __init__(self, home: Path, cwd: Path, bin_folder: Path) -> None:
        super().__init__(home, cwd)
        self.bin = bin_folder

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        env = {"DASKFLEET_HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.cwd)}
        return subprocess.Popen(
            [self.bin / "python", "-P", "-m", "daskfleet", *arguments],
            cwd=self.cwd,
            env=env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def required_distributions() -> set[str]:
    """The distributions that daskfleet requires, and those that they require, without extras."""
    import importlib.metadata

    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = ["daskfleet"]
    while waiting:
        name = waiting.pop()
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            if requirement.name.lower() not in found:
                found.add(requirement.name.lower())
                waiting.append(requirement.name)
    return found


def top_levels(name: str) -> set[Path]:
    """The files and folders in site-packages that a distribution owns."""
    import importlib.metadata

    distribution = importlib.metadata.distribution(name)
    base = Path(str(distribution.locate_file("")))
    return {base / file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}


def test_the_wheel_holds_the_packages_with_their_data_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"daskfleet", "daskfleet_components", "daskfleet_images", "daskfleet_stacks"}
    assert "daskfleet/client/daskfleet_client_preload.py" in names
    assert "daskfleet/py.typed" in names
    for folder in ("base", "environment", "packer", "provision", "rootfs", "rootfs-gpu"):
        # An installed daskfleet builds images.
        paths = [path for path in (ROOT / IMAGES / folder).rglob("*") if path.is_file()]
        files = {str(path.relative_to(ROOT / "images")) for path in paths}
        assert files
        assert files <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_alone_brings_up_a_fleet(installed: CommandLine):
    code = "from distributed import Client; print(Client().submit(sum, [1, 2]).result())"
    installed.ok("up")
    assert installed.ok("connect", "local", "--", "python", "-c", code) == "3\n"
    where = installed.ok("connect", "local", "--", "python", "-c", "import daskfleet; print(daskfleet.__file__)")
    assert str(ROOT) not in where
    assert "nothing left" in installed.ok("down")
    assert installed.processes() == []


def test_the_commands_are_installed(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        text = archive.read(name).decode()
    assert "daskfleet = daskfleet.commands.app:main" in text
    assert "daskfleet-node = daskfleet_images.node.main:main" in text
    assert "fleet = daskfleet.commands.dask_cli:fleet" in text
    assert os.access(Path(sys.executable).parent / "daskfleet-node", os.X_OK)
