"""A fleet in Google Cloud that others change behind its back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clouds.fleets import bring_up, take_down, write_fleet
from engine.engine import Engine
from gcp.region import Region, open_region
from machines.gcp.google import PROJECT

NAME = "team"
FILE = "team.yaml"


@pytest.fixture
def region(tmp_path: Path, engine: Engine) -> Iterator[Region]:
    """A region with a fleet."""
    with open_region(tmp_path, engine) as region:
        bring_up(region, write_fleet(region, NAME, FILE))
        yield region


@pytest.mark.slow
def test_grants_of_identities_that_are_gone_go_with_the_fleet(region: Region) -> None:
    accounts = list(region.client.list(f"/v1/projects/{PROJECT}/serviceAccounts", "accounts"))
    email = next(each["email"] for each in accounts if each["email"].startswith("df-worker-"))
    region.client.call("DELETE", f"/v1/projects/{PROJECT}/serviceAccounts/{email}")
    policy = region.client.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    assert f"deleted:serviceAccount:{email}" in json.dumps(policy)
    take_down(region, NAME)
    policy = region.client.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    assert email not in json.dumps(policy)
