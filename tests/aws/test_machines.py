"""Fleets in AWS whose machines really boot: how they are reached, and what is told when some do not come."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from aws.lab import CLIENT, Lab, render_fleet, render_variables
from engine.engine import Engine
from harness import await_true
from machines.metadata import REGION

ROOT = Path(__file__).parents[2]
SCRIPT = """\
from distributed import Client

with Client() as client:
    print(sum(client.gather(client.map(lambda x: x * x, range(100)))), len(client.scheduler_info()["workers"]))
"""
SQUARES = 328350


def compute(lab: Lab, *connect: str) -> str:
    """Squares, by a script that says nothing about where."""
    script = lab.cli.cwd / "squares.py"
    script.write_text(SCRIPT)
    return lab.cli.ok("connect", *connect, "--", "python", str(script), timeout=120).strip()


def read_state(lab: Lab, name: str = "research") -> dict[str, Any]:
    state: dict[str, Any] = lab.cli.status(name)
    return state


@pytest.mark.slow
def test_with_access_by_ssh_everything_goes_through_one_tunnel_that_down_closes(lab: Lab) -> None:
    cli = lab.cli
    cli.ok("up", cli.write(render_fleet(access=f"{{mode: ssh, allowed_cidrs: [{CLIENT}]}}")), "--yes", timeout=300)
    assert compute(lab, "research") == f"{SQUARES} 2"
    assert cli.ok("run", "research", str(cli.cwd / "squares.py"), timeout=120).strip() == f"{SQUARES} 2"
    assert cli.ok("ssh", "research", "--", "systemctl", "is-active", "daskfleet-node").strip() == "active"
    assert cli.run("ssh", "research", "--", "exit", "7").returncode == 7
    connection = cli.connection("research")
    assert re.fullmatch(r"tls://127\.0\.0\.1:\d+", connection["scheduler_address"])
    assert "PRIVATE KEY" not in json.dumps(connection)
    page = lab.network.call_inside(
        lambda: urllib.request.urlopen(cli.ok("dashboard", "research", "--no-browser").strip(), timeout=30).read()
    )
    assert b"Dask" in page
    tunnel = json.loads((cli.home / "fleets/research/tunnel.json").read_text())
    process = psutil.Process(tunnel["pid"])
    assert "PRIVATE KEY" not in " ".join(process.cmdline())
    cli.ok("down", "research", "--yes", timeout=300)
    await_true(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the tunnel ends")
    assert lab.find_tagged("research") == []


@pytest.mark.slow
def test_a_fleet_that_the_platform_team_made_is_used_with_credentials_or_with_a_file(
    lab: Lab, engine: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "platform"
    folder.mkdir()
    for name in ("Pulumi.yaml", "stacks"):
        (folder / name).symlink_to(ROOT / name)
    variables = render_variables(engine, tmp_path, lab.cloud.aws.services.endpoint_url)
    environment = {**engine.environment(tmp_path / "platform-home"), **variables}
    environment["PULUMI_BACKEND_URL"] = f"file://{tmp_path}/platform-home/state"

    def pulumi(*arguments: str) -> str:
        return lab.network.run_inside(["pulumi", *arguments], env=environment, cwd=folder, timeout=300).stdout

    spec = yaml.safe_load(render_fleet())
    pulumi("stack", "init", "research", "--non-interactive")
    pulumi("config", "set", "daskfleet:fleet", json.dumps(spec), "--non-interactive")
    pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    for instance in lab.cloud.running():
        lab.cloud.await_machine(instance).await_console("phase: registered", 90)
    assert compute(lab, "research", "--provider", "aws", "--region", REGION) == f"{SQUARES} 2"
    outputs = tmp_path / "outputs.json"
    outputs.write_text(pulumi("stack", "output", "--json", "--show-secrets"))
    lab.cli.home = tmp_path / "another"
    assert compute(lab, "research", "--from", str(outputs)) == f"{SQUARES} 2"
    pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert lab.find_tagged("research") == []


@pytest.mark.slow
def test_healthy_workers_serve_while_others_never_boot_and_these_are_told(lab: Lab) -> None:
    cli = lab.cli
    lab.cloud.never_boot.add("m6i.large")
    groups = "[{name: cpu, instance_types: [m7i.large]}, {name: dead, instance_types: [m6i.large]}]"
    file = cli.write(render_fleet(workers=groups))
    done = cli.run("up", file, "--yes", "--timeout", "25", timeout=300)
    assert done.returncode == 1
    assert re.search(r"node ip-\S+ \(dead, i-\S+\): it never booted", done.stderr), done.stderr
    assert "what to do:" in done.stderr
    assert compute(lab, "research") == f"{SQUARES} 1"
    told = cli.ok("up", file, "--yes", "--share", "0.5", "--timeout", "60", timeout=300)
    assert "fleet 'research' is up" in told
    cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []


@pytest.mark.slow
def test_a_machine_that_aws_takes_away_is_replaced_and_its_logs_stay(lab: Lab) -> None:
    cli = lab.cli
    workers = "[{name: cpu, instance_types: [m7i.large], count: 2, spot: only}]"
    cli.ok("up", cli.write(render_fleet(workers=workers)), "--yes", timeout=300)
    group = read_state(lab)["groups"][0]
    before = {each["name"] for each in group["workers"]}
    by_name = {f"{lab.cloud.machine(each).name}-0": each for each in lab.cloud.running()}
    name, lost = next((worker, instance) for worker, instance in by_name.items() if worker in before)
    lab.cloud.announce_interruption(lost, seconds=15)
    lab.cloud.await_gone(lost, timeout=90)

    def is_replaced() -> bool:
        now = {each["name"] for each in read_state(lab)["groups"][0]["workers"]}
        return len(now) == 2 and name not in now

    await_true(is_replaced, "another worker in its place", timeout=120)
    assert "AWS takes this machine away" in cli.ok("logs", "research", "cpu", "--lines", "500")
    cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []


def test_nothing_listens_to_whom_nobody_let_in(lab: Lab) -> None:
    cli = lab.cli
    cli.ok(
        "up",
        cli.write(
            render_fleet(access="{mode: private}", workers="[{name: cpu, instance_types: [m7i.large], count: 0}]")
        ),
        "--yes",
        timeout=300,
    )
    done = cli.run("connect", "research")
    assert done.returncode == 1
    assert "access.mode is private: nobody was let in" in done.stderr
    with pytest.raises(OSError, match=r"timed out|unreachable|refused"):
        lab.network.connect(cli_address(lab), 8786, timeout=3)
    cli.ok("down", "research", "--yes", timeout=300)


def cli_address(lab: Lab) -> str:
    file = lab.cli.home / "fleets/research/connection.json"
    address: str = json.loads(file.read_text())["scheduler_address"]
    return address.removeprefix("tls://").rpartition(":")[0]
