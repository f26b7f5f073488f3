"""One fleet, made by `pulumi up` on the project and by a program in YAML."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from clouds.region import Region

ROOT = Path(__file__).parents[2]
CLIENTS = "198.51.100.7/32"
TAGS = {"team": "climate"}


@dataclass(frozen=True)
class Written:
    """One fleet, as a spec and as the arguments of a component."""

    spec: dict[str, Any]
    properties: dict[str, Any]


def write_fleet(region: Region) -> Written:
    types = [region.small, region.other]
    group = {"name": "cpu", "count": 2, "spot": "fallback"}
    spec = {
        "name": "research",
        "provider": region.provider,
        "region": region.place,
        "workers": [{**group, "instance_types": types}],
        "access": {"mode": "ssh", "allowed_cidrs": [CLIENTS]},
        "tags": TAGS,
        **region.component.spec,
    }
    properties = {
        "fleet": "research",
        "groups": [{**group, "instanceTypes": types}],
        "access": "ssh",
        "allowedCidrs": [CLIENTS],
        region.component.tags: TAGS,
        **region.component.properties,
    }
    return Written(spec, properties)


class Program:
    """A Pulumi program, with a state of its own."""

    def __init__(self, region: Region, folder: Path) -> None:
        self.folder = folder
        self.backend = region.folder / f"state-{folder.name}"
        self.backend.mkdir()
        self.environment = region.environment(self.backend)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self, config: Mapping[str, str]) -> dict[str, Any]:
        self.run("pulumi", "stack", "init", "research", "--non-interactive")
        for key, value in config.items():
            self.run("pulumi", "config", "set", key, value, "--non-interactive")
        self.run("pulumi", "up", "--yes", "--skip-preview", "--non-interactive")
        outputs: dict[str, Any] = json.loads(self.run("pulumi", "stack", "output", "--json", "--show-secrets"))
        return outputs

    def destroy(self) -> None:
        self.run("pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive")

    def resources(self) -> set[tuple[str, str]]:
        """Types and names, without what says which program it was: the stack itself and the default providers."""
        state = json.loads(self.run("pulumi", "stack", "export"))
        urns = [each["urn"] for each in state["deployment"]["resources"]]
        found = {(urn.split("::")[2].split("$")[-1], urn.split("::")[3]) for urn in urns}
        return {each for each in found if not each[0].startswith(("pulumi:pulumi:Stack", "pulumi:providers:"))}


@dataclass(frozen=True)
class Life:
    """What a stack of the project's own program was, and what it left."""

    outputs: dict[str, Any]
    resources: set[tuple[str, str]]
    state: dict[str, str]
    """The text of each file of its backend, by name, while it was up."""
    there: list[str]
    """What the cloud had of it."""
    left: list[str]
    """What the cloud has of it since it was destroyed."""


@pytest.fixture(scope="module")
def lived(realm: Region) -> Life:
    """One life, for all who ask about it. The program is the project's own, at the root of a copy."""
    folder = realm.folder / "project"
    folder.mkdir()
    for name in ("Pulumi.yaml", "stacks"):
        (folder / name).symlink_to(ROOT / name)  # Its configuration goes beside it.
    program = Program(realm, folder)
    outputs = program.up({"daskfleet:fleet": json.dumps(write_fleet(realm).spec)})
    files = [file for file in program.backend.rglob("*") if file.is_file()]
    state = {file.name: file.read_text(errors="replace") for file in files}
    resources, there = program.resources(), realm.find_tagged("research")
    program.destroy()
    return Life(outputs, resources, state, there, realm.find_resources("research"))


@pytest.fixture
def yaml_program(realm: Region) -> Program:
    folder = realm.folder / "yaml"
    folder.mkdir()
    component = realm.component
    program = {
        "name": "daskfleet",
        "runtime": "yaml",
        "resources": {"research": {"type": component.kind, "properties": write_fleet(realm).properties}},
        "outputs": {
            "scheduler_address": "${research.schedulerAddress}",
            "groups": f"${{research.{component.groups}}}",
        },
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(program))
    return Program(realm, folder)


def test_a_program_in_yaml_makes_the_same_as_the_projects_own(
    realm: Region, lived: Life, yaml_program: Program
) -> None:
    assert lived.outputs["scheduler_address"].startswith("tls://10.0.")
    assert lived.outputs["security"]["ssh_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    made = yaml_program.up(realm.component.config)
    assert made["scheduler_address"].startswith("tls://10.0.")
    assert list(made["groups"]) == ["cpu"]
    assert yaml_program.resources() == lived.resources


def test_the_state_of_a_stack_holds_no_key_in_clear(lived: Life) -> None:
    keys = lived.outputs["security"]
    # The end of the first is its public half, which is no secret and stands in the state.
    lines = [*keys["tls_client_key"].splitlines()[1:3], *keys["ssh_key"].splitlines()[1:-1]]
    assert len(lines) > 5
    assert any("daskfleet:index:" in text for text in lived.state.values())
    for name, text in lived.state.items():
        assert "PRIVATE KEY" not in text, name
        assert [line for line in lines if line in text] == [], name


def test_a_stack_that_is_destroyed_leaves_nothing(lived: Life) -> None:
    assert len(lived.there) > 15
    assert lived.left == []
