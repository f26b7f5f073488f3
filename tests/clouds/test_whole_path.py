"""The whole path of a fleet in a cloud: up, compute, scale, change, down, and nothing left."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from clouds.fleets import render_groups
from clouds.lab import Lab

FLIGHTS = str(Path(__file__).parents[2] / "examples/flights.py")


@pytest.mark.slow
def test_a_fleet_comes_up_computes_the_flights_grows_changes_and_leaves_nothing(lab: Lab) -> None:
    cli = lab.cli
    told = cli.ok("up", cli.write(lab.render_fleet()), "--yes", timeout=300)
    assert f"fleet 'research' is up at tls://{lab.network.gateway[:6]}" in told
    flights = cli.ok("connect", "research", "--", "python", FLIGHTS, "--ship", "--check", timeout=180)
    assert "336,776 flights" in flights
    assert count_workers(lab) == {"cpu": 2}
    assert "phase: registered" in cli.ok("logs", "research", "scheduler")
    cli.ok("scale", "research", "cpu", "3", timeout=180)
    assert count_workers(lab) == {"cpu": 3}
    scheduler = lab.find_scheduler()
    changed = render_groups(
        {"name": "cpu", "instance_types": [lab.small], "count": 1}, {"name": "big", "instance_types": [lab.other]}
    )
    cli.ok("up", cli.write(lab.render_fleet(workers=changed)), "--yes", timeout=300)
    assert count_workers(lab) == {"cpu": 1, "big": 1}
    assert lab.find_scheduler() == scheduler
    assert "nothing left" in cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []
    assert lab.cloud.running() == []
    tools = subprocess.run(["pgrep", "--list-full", "pulumi"], capture_output=True, text=True, check=False).stdout
    assert str(cli.home) not in tools


def count_workers(lab: Lab) -> dict[str, int]:
    """Workers that the scheduler knows, by group."""
    status: dict[str, Any] = lab.cli.status("research")
    assert status["state"] == "running", status
    return {group["name"]: len(group["workers"]) for group in status["groups"]}
