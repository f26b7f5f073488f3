"""The whole path of a fleet in AWS: up, compute, scale, down, and nothing left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aws.lab import Lab, render_fleet

FLIGHTS = str(Path(__file__).parents[2] / "examples/flights.py")


@pytest.mark.slow
def test_a_fleet_comes_up_computes_the_flights_grows_and_leaves_nothing(lab: Lab) -> None:
    cli = lab.cli
    told = cli.ok("up", cli.write(render_fleet()), "--yes", timeout=300)
    assert "fleet 'research' is up at tls://10.77." in told
    flights = cli.ok("connect", "research", "--", "python", FLIGHTS, "--ship", "--check", timeout=180)
    assert "336,776 flights" in flights
    status = json.loads(cli.ok("status", "research", "--json"))
    assert status["state"] == "running"
    assert len(status["groups"][0]["workers"]) == 2
    cli.ok("scale", "research", "cpu", "3", timeout=180)
    assert len(json.loads(cli.ok("status", "research", "--json"))["groups"][0]["workers"]) == 3
    cli.ok("scale", "research", "cpu", "1", timeout=180)
    assert len(json.loads(cli.ok("status", "research", "--json"))["groups"][0]["workers"]) == 1
    assert "nothing left" in cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []
    assert lab.cloud.running() == []
