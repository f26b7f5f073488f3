"""What the repository promises about itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = "images/daskfleet_images/environment"


def test_the_pinned_requirements_have_hashes_and_name_no_index():
    names = {"requirements.txt": 50, "requirements-gpu.txt": 60, "build.txt": 1}
    peer = {"benchmarks/programs/ec2_cluster.txt": 20}
    files = {"requirements/dev.txt": 50, **peer, **{f"{ENVIRONMENT}/{name}": least for name, least in names.items()}}
    for file, least in files.items():
        text = (ROOT / file).read_text()
        assert "://" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        assert len(entries) >= least
        assert all("--hash=sha256:" in entry for entry in entries)


def test_every_dependency_is_pinned_and_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=\[]", entry)[0] for entry in project["dependencies"]]
    pinned = (ROOT / "requirements/dev.txt").read_text()
    reasons = (ROOT / "docs/_data/dependencies.yaml").read_text()  # The page on the architecture shows them.
    for name in names:
        assert re.search(rf"^{name}==", pinned, re.M), name
        assert re.search(rf"^{name}: \S", reasons, re.M), f"nothing says why {name} is there"


def test_the_readme_names_no_command_that_is_not_there():
    from daskfleet.commands.app import SECTIONS

    commands = {name for names in SECTIONS.values() for name in names}
    used = set(re.findall(r"^\s*daskfleet ([a-z]+)", (ROOT / "README.md").read_text(), re.M))
    assert used
    assert used <= commands


def test_the_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text())) <= targets
