"""A fleet with a resource of every type, and what is asked of it in sweeps."""

from __future__ import annotations

import json
from typing import Any

from clouds.pretend import pretend_nodes
from clouds.region import Region

NAME = "research"
FILE = "fleet.yaml"
SECONDS = 300.0
ACCESS = "{mode: ssh, allowed_cidrs: [198.51.100.7/32]}"


def render_groups(*groups: dict[str, Any]) -> str:
    """Worker groups, for a change of a fleet file."""
    return json.dumps(groups)


def write_fleet(region: Region, name: str = NAME, file: str = FILE) -> str:
    """With a key, an address and a placement group, beside what a private network needs."""
    group = {"name": "cpu", "instance_types": [region.small], "count": 2, "placement": "cluster"}
    return region.cli.write(region.render_fleet(name, access=ACCESS, workers=render_groups(group)), file)


def bring_up(region: Region, file: str = FILE) -> str:
    """Have it come up; returns what was told."""
    with pretend_nodes(region):
        done = region.cli.run("up", file, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stderr


def live_through(region: Region, **changes: str) -> None:
    """A fleet's whole life: every command that asks the cloud for something, of a fleet with all that it may have.

    Args:
        changes: of its file, as `Region.render_fleet` takes them.
    """
    group = {"name": "cpu", "instance_types": [region.small], "count": 1, "spot": "fallback", "placement": "cluster"}
    rendered = region.render_fleet(NAME, **{"access": ACCESS, "workers": render_groups(group), **changes})
    file = region.cli.write(rendered, FILE)
    region.cli.ok("doctor", file, timeout=SECONDS)
    bring_up(region)
    with pretend_nodes(region):
        region.cli.ok("scale", NAME, "cpu", "2", timeout=SECONDS)
    for command in (("status", NAME), ("logs", NAME), ("preview", file, "--refresh")):
        region.cli.ok(*command, timeout=SECONDS)
    region.cli.run("connect", NAME, *region.here(), timeout=60)
    take_down(region)


def take_down(region: Region, name: str = NAME) -> str:
    """Have it go, after which nothing may be left; returns what was told."""
    done = region.cli.run("down", name, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert_nothing_is_left(region, name, done.stderr)
    return done.stderr


def assert_nothing_is_left(region: Region, name: str = NAME, told: str = "") -> None:
    assert region.find_tagged(name) == [], told
    assert not (region.cli.home / "fleets" / name).exists(), told
