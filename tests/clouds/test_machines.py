"""Fleets in clouds whose machines really boot: how they are reached, and what is told when some do not come."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from clouds.fleets import render_groups
from clouds.lab import Lab
from harness import await_true

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


def read_workers(lab: Lab) -> set[str]:
    """Names of the workers of the first group."""
    return {each["name"] for each in read_state(lab)["groups"][0]["workers"]}


@pytest.mark.slow
def test_with_access_by_ssh_everything_goes_through_one_tunnel_that_down_closes(lab: Lab) -> None:
    cli = lab.cli
    cli.ok(
        "up", cli.write(lab.render_fleet(access=f"{{mode: ssh, allowed_cidrs: [{lab.client}]}}")), "--yes", timeout=300
    )
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
def test_a_fleet_that_the_platform_team_made_is_used_with_credentials_or_with_a_file(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "platform"
    folder.mkdir()
    for name in ("Pulumi.yaml", "stacks"):
        (folder / name).symlink_to(ROOT / name)
    variables = lab.render_variables(tmp_path)
    environment = {**lab.engine.environment(tmp_path / "platform-home"), **variables}
    environment["PULUMI_BACKEND_URL"] = f"file://{tmp_path}/platform-home/state"

    def pulumi(*arguments: str) -> str:
        return lab.network.run_inside(["pulumi", *arguments], env=environment, cwd=folder, timeout=300).stdout

    spec = yaml.safe_load(lab.render_fleet())
    pulumi("stack", "init", "research", "--non-interactive")
    pulumi("config", "set", "daskfleet:fleet", json.dumps(spec), "--non-interactive")
    pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    for instance in lab.machines.running():
        lab.machines.await_machine(instance).await_console("phase: registered", 90)
    assert compute(lab, "research", *lab.region.here()) == f"{SQUARES} 2"
    outputs = tmp_path / "outputs.json"
    outputs.write_text(pulumi("stack", "output", "--json", "--show-secrets"))
    lab.cli.home = tmp_path / "another"
    assert compute(lab, "research", "--from", str(outputs)) == f"{SQUARES} 2"
    pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert lab.find_resources("research") == []


@pytest.mark.slow
def test_healthy_workers_serve_while_others_never_boot_and_these_are_told(lab: Lab) -> None:
    cli = lab.cli
    lab.machines.never_boot.add(lab.other)
    groups = render_groups(
        {"name": "cpu", "instance_types": [lab.small]}, {"name": "dead", "instance_types": [lab.other]}
    )
    file = cli.write(lab.render_fleet(workers=groups))
    done = cli.run("up", file, "--yes", "--timeout", "25", timeout=300)
    assert done.returncode == 1
    assert re.search(r"node \S+ \(dead, \S+\): it never booted", done.stderr), done.stderr
    assert "what to do:" in done.stderr
    assert compute(lab, "research") == f"{SQUARES} 1"
    told = cli.ok("up", file, "--yes", "--share", "0.5", "--timeout", "60", timeout=300)
    assert "fleet 'research' is up" in told
    cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []


@pytest.mark.slow
def test_a_machine_that_is_taken_away_is_replaced_and_its_logs_stay(lab: Lab) -> None:
    cli = lab.cli
    group = {"name": "cpu", "instance_types": [lab.small], "count": 2, "spot": "only"}
    cli.ok("up", cli.write(lab.render_fleet(workers=render_groups(group))), "--yes", timeout=300)
    before = read_workers(lab)
    by_name = {f"{lab.machines.machine(each).name}-0": each for each in lab.machines.running()}
    name, lost = next((worker, instance) for worker, instance in by_name.items() if worker in before)
    known = set(lab.machines.running())
    lab.take_away(lost, seconds=15)
    lab.machines.await_gone(lost, timeout=90)
    # Some clouds give another the name of the one that went.
    (new,) = await_true(lambda: set(lab.machines.running()) - known, "another machine in its place", timeout=60)
    lab.machines.await_machine(new).await_console("phase: registered", 90)
    another = f"{lab.machines.machine(new).name}-0"
    expected = before - {name} | {another}
    await_true(lambda: read_workers(lab) == expected, "another worker in its place", timeout=60)
    told = cli.ok("logs", "research", "cpu", "--lines", "500")
    assert told.count(f"phase: registered {name}") > (name == another)
    assert "takes this machine away" in told
    cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []


def test_nothing_listens_to_whom_nobody_let_in(lab: Lab) -> None:
    cli = lab.cli
    group = {"name": "cpu", "instance_types": [lab.small], "count": 0}
    cli.ok(
        "up",
        cli.write(lab.render_fleet(access="{mode: private}", workers=render_groups(group))),
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
