"""The whole path of a fleet in AWS: up, compute, scale, change, down, and nothing left."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from aws.lab import Lab, render_fleet

FLIGHTS = str(Path(__file__).parents[2] / "examples/flights.py")
CHANGED = "[{name: cpu, instance_types: [m7i.large], count: 1}, {name: big, instance_types: [m6i.large]}]"


@pytest.mark.slow
def test_a_fleet_comes_up_computes_the_flights_grows_changes_and_leaves_nothing(lab: Lab) -> None:
    cli = lab.cli
    told = cli.ok("up", cli.write(render_fleet()), "--yes", timeout=300)
    assert "fleet 'research' is up at tls://10.77." in told
    flights = cli.ok("connect", "research", "--", "python", FLIGHTS, "--ship", "--check", timeout=180)
    assert "336,776 flights" in flights
    assert count_workers(lab) == {"cpu": 2}
    assert "phase: registered" in cli.ok("logs", "research", "scheduler")
    cli.ok("scale", "research", "cpu", "3", timeout=180)
    assert count_workers(lab) == {"cpu": 3}
    scheduler = find_scheduler(lab)
    cli.ok("up", cli.write(render_fleet(workers=CHANGED)), "--yes", timeout=300)
    assert count_workers(lab) == {"cpu": 1, "big": 1}
    assert find_scheduler(lab) == scheduler
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


def find_scheduler(lab: Lab) -> str:
    """The scheduler's instance."""
    wanted = [{"Name": "tag:daskfleet:role", "Values": ["scheduler"]}]
    found = lab.cloud.call("ec2", "describe_instances", Filters=wanted)["Reservations"]
    (running,) = (each for one in found for each in one["Instances"] if each["State"]["Name"] == "running")
    identity: str = running["InstanceId"]
    return identity
