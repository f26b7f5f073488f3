"""The engine of the tests really deploys: what goes in comes out, a secret stays one, and nothing remains."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.engine import PROGRAMS, PULUMI, Engine

PROJECTS = Path(__file__).parent / "projects"
PASSWORD = "an0ther-h0rse"
VALUES = {"whom": "world", "password": PASSWORD}
OUTPUTS = {"greeting": "hello, world", "password": PASSWORD}


class Project:
    """A program as a person has it: a folder, with `pulumi` in it."""

    def __init__(self, engine: Engine, folder: Path, language: str) -> None:
        self.home = folder / "home"
        self.folder = folder / "project"
        self.environment = engine.environment(self.home)
        shutil.copytree(PROJECTS / language, self.folder)

    def up(self) -> dict[str, str]:
        """Returns the stack's outputs, secrets too."""
        self.run("pulumi", "stack", "init", "dev")
        self.run("pulumi", "config", "set", "whom", VALUES["whom"])
        self.run("pulumi", "config", "set", "--secret", "password", VALUES["password"])
        self.run("pulumi", "up", "--yes", "--skip-preview")
        outputs: dict[str, str] = json.loads(self.run("pulumi", "stack", "output", "--json", "--show-secrets"))
        return outputs

    def down(self) -> None:
        self.run("pulumi", "destroy", "--yes", "--skip-preview")

    def run(self, *command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.home / "state/.pulumi/stacks/greeting/dev.json").read_text())
        return state

    def resources(self) -> list[str]:
        return [each["type"] for each in self.state()["checkpoint"]["latest"].get("resources") or ()]


class Inline(Project):
    """The program without a project or a language host, through the Automation API."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__(engine, folder, "python")

    def up(self) -> dict[str, str]:
        outputs: dict[str, str] = json.loads(self.run(sys.executable, PROJECTS / "inline.py", "up", json.dumps(VALUES)))
        return outputs

    def down(self) -> None:
        self.run(sys.executable, PROJECTS / "inline.py", "down")


@pytest.fixture(params=["inline", "python", "yaml"])
def project(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Project:
    return Inline(engine, tmp_path) if request.param == "inline" else Project(engine, tmp_path, request.param)


def test_what_goes_in_comes_out_and_nothing_remains(project: Project):
    assert project.up() == OUTPUTS
    assert project.resources()[0] == "pulumi:pulumi:Stack"
    project.down()
    assert project.resources() == []


def test_a_secret_is_nowhere_in_clear(project: Project):
    project.up()
    texts = {file: file.read_bytes() for file in project.home.parent.rglob("*") if file.is_file()}
    assert any(OUTPUTS["greeting"].encode() in text for text in texts.values())
    for clear in (PASSWORD.encode(), base64.b64encode(PASSWORD.encode())):
        assert [file for file, text in texts.items() if clear in text] == []
    outputs = project.state()["checkpoint"]["latest"]["resources"][0]["outputs"]
    assert outputs["password"]["ciphertext"]


def test_a_preview_after_up_has_nothing_to_do(engine: Engine, tmp_path: Path):
    project = Project(engine, tmp_path, "python")
    project.up()
    project.run("pulumi", "preview", "--expect-no-changes")


def test_the_programs_are_the_built_ones_in_the_versions_that_are_pinned(engine: Engine, tmp_path: Path):
    environment = engine.environment(tmp_path)
    for program in PROGRAMS:
        assert shutil.which(program.name, path=environment["PATH"]) == str(engine.bin / program.name)
    told = subprocess.run(["pulumi", "version"], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == f"v{PULUMI.version}"


def test_python_is_the_one_that_runs_the_tests(engine: Engine, tmp_path: Path):
    found = shutil.which("python", path=engine.environment(tmp_path)["PATH"])
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent


def test_a_run_sees_nobodys_own_settings(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = ("AWS_PROFILE", "DASKFLEET_HOME", "DASK_SCHEDULER_ADDRESS", "PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL")
    for name in own:
        monkeypatch.setenv(name, "somebody's")
    environment = engine.environment(tmp_path)
    assert "somebody's" not in environment.values()
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
