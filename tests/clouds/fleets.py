"""A fleet with a resource of every type, and what is asked of it in sweeps."""

from __future__ import annotations

import json
from typing import Any

from clouds.pretend import pretend_nodes
from clouds.region import Region

NAME = "research"
FILE = "fleet.yaml"
SECONDS = 300.0


def render_groups(*groups: dict[str, Any]) -> str:
    """Worker groups, for a change of a fleet file."""
    return json.dumps(groups)


def write_fleet(region: Region, name: str = NAME, file: str = FILE) -> str:
    """With a key, an address and a placement group, beside what a private network needs."""
    group = {"name": "cpu", "instance_types": [region.small], "count": 2, "placement": "cluster"}
    access = "{mode: ssh, allowed_cidrs: [198.51.100.7/32]}"
    return region.cli.write(region.render_fleet(name, access=access, workers=render_groups(group)), file)


def bring_up(region: Region, file: str = FILE) -> str:
    """Have it come up; returns what was told."""
    with pretend_nodes(region):
        done = region.cli.run("up", file, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stderr


def take_down(region: Region, name: str = NAME) -> str:
    """Have it go, after which nothing may be left; returns what was told."""
    done = region.cli.run("down", name, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert_nothing_is_left(region, name, done.stderr)
    return done.stderr


def assert_nothing_is_left(region: Region, name: str = NAME, told: str = "") -> None:
    assert region.find_tagged(name) == [], told
    assert not (region.cli.home / "fleets" / name).exists(), told
