"""One fleet, made by `pulumi up` on the project and by a program in YAML."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from aws.region import Region

ROOT = Path(__file__).parents[2]
SPEC = """\
name: research
provider: aws
region: eu-west-1
workers: [{name: cpu, instance_types: [m7i.large, m6i.large], count: 2, spot: fallback}]
network: {zones: 3}
access: {mode: ssh, allowed_cidrs: [198.51.100.7/32]}
tags: {team: climate}
"""
YAML_PROGRAM = {
    "name": "daskfleet",
    "runtime": "yaml",
    "resources": {
        "research": {
            "type": "daskfleet:AwsFleet",
            "properties": {
                "fleet": "research",
                "schedulerInstanceType": "m7i.large",
                "groups": [
                    {"name": "cpu", "instanceTypes": ["m7i.large", "m6i.large"], "count": 2, "spot": "fallback"}
                ],
                "network": {"zones": 3},
                "access": "ssh",
                "allowedCidrs": ["198.51.100.7/32"],
                "tags": {"team": "climate"},
            },
        },
    },
    "outputs": {"scheduler_address": "${research.schedulerAddress}", "groups": "${research.autoScalingGroups}"},
}


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

    def up(self, **config: Any) -> dict[str, Any]:
        self.run("pulumi", "stack", "init", "research", "--non-interactive")
        for key, value in config.items():
            text = value if isinstance(value, str) else json.dumps(value)
            self.run("pulumi", "config", "set", key.replace("_", ":"), text, "--non-interactive")
        self.run("pulumi", "up", "--yes", "--skip-preview", "--non-interactive")
        outputs: dict[str, Any] = json.loads(self.run("pulumi", "stack", "output", "--json", "--show-secrets"))
        return outputs

    def resources(self) -> set[tuple[str, str]]:
        """Types and names."""
        state = json.loads(self.run("pulumi", "stack", "export"))
        urns = [each["urn"] for each in state["deployment"]["resources"]]
        return {(urn.split("::")[2].split("$")[-1], urn.split("::")[3]) for urn in urns}


@pytest.fixture
def project(region: Region) -> Program:
    """The project's own program, at the root of a copy: its configuration goes beside it."""
    folder = region.folder / "project"
    folder.mkdir()
    for name in ("Pulumi.yaml", "stacks"):
        (folder / name).symlink_to(ROOT / name)
    return Program(region, folder)


@pytest.fixture
def yaml_program(region: Region) -> Program:
    folder = region.folder / "yaml"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(YAML_PROGRAM))
    return Program(region, folder)


def own(resources: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without what says which program it was: the stack itself and the default providers."""
    return {each for each in resources if not each[0].startswith(("pulumi:pulumi:Stack", "pulumi:providers:"))}


def test_a_program_in_yaml_makes_the_same_as_the_projects_own(project: Program, yaml_program: Program) -> None:
    outputs = project.up(daskfleet_fleet=yaml.safe_load(SPEC))
    assert outputs["scheduler_address"].startswith("tls://10.0.")
    assert outputs["security"]["ssh_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    made = yaml_program.up(aws_region="eu-west-1")
    assert made["scheduler_address"].startswith("tls://10.0.")
    assert own(yaml_program.resources()) == own(project.resources())


def test_the_state_of_a_stack_holds_no_key_in_clear(project: Program) -> None:
    keys = project.up(daskfleet_fleet=yaml.safe_load(SPEC))["security"]
    # The end of the first is its public half, which is no secret and stands in the state.
    lines = [*keys["tls_client_key"].splitlines()[1:3], *keys["ssh_key"].splitlines()[1:-1]]
    assert len(lines) > 5
    for file in project.backend.rglob("*"):
        if file.is_file():
            text = file.read_text(errors="replace")
            assert "PRIVATE KEY" not in text, file
            assert [line for line in lines if line in text] == [], file


def test_a_stack_that_is_destroyed_leaves_nothing(region: Region, project: Program) -> None:
    project.up(daskfleet_fleet=yaml.safe_load(SPEC))
    assert len(region.find_tagged("research")) > 20
    project.run("pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive")
    assert region.find_tagged("research") == []
