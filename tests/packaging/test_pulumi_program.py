"""The program that `pulumi up` runs, for what this version can and cannot deploy."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from daskfleet_stacks.deploy import deploy

if TYPE_CHECKING:
    from engine.engine import Engine

ROOT = Path(__file__).parents[2]


def test_a_stack_without_a_spec_is_told_what_to_give():
    with pytest.raises(pulumi.RunError, match="no daskfleet:fleet"):
        deploy()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "x", "provider": "local"}, "daskfleet up FILE"),
        ({"name": "x", "provider": "azur"}, "did you mean 'azure'"),
        ({"name": "x", "provider": "local", "worker": []}, "did you mean 'workers'"),
    ],
)
def test_a_spec_that_needs_no_stack_or_is_wrong_is_refused_with_the_reason(spec: dict[str, object], words: str):
    pulumi.runtime.set_config("daskfleet:fleet", json.dumps(spec))
    try:
        with pytest.raises(pulumi.RunError, match=words):
            deploy()
    finally:
        pulumi.runtime.set_all_config({})


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({}, "no daskfleet:fleet"),
        ({"daskfleet:fleet": {"name": "x", "provider": "local"}}, "daskfleet up FILE"),
    ],
    ids=["no-spec", "local"],
)
def test_pulumi_up_at_the_root_runs_the_program_with_the_stacks_configuration(
    engine: Engine, tmp_path: Path, configuration: dict[str, Any], words: str
):
    folder = tmp_path / "checkout"  # A stack has a file beside the project's.
    folder.mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    (folder / "stacks").symlink_to(ROOT / "stacks")
    (folder / "Pulumi.x.yaml").write_text(yaml.safe_dump({"config": configuration}))
    environment = engine.environment(tmp_path / "home")
    subprocess.run(["pulumi", "stack", "init", "x"], cwd=folder, env=environment, check=True, timeout=60)
    done = subprocess.run(
        ["pulumi", "up", "--yes"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
