"""A fleet in Google Cloud that others change behind its back."""

from __future__ import annotations

import json

import pytest

from clouds.fleets import bring_up, take_down, write_fleet
from gcp.region import Region
from machines.gcp.google import PROJECT


@pytest.mark.slow
def test_grants_of_identities_that_are_gone_go_with_the_fleet(region: Region) -> None:
    bring_up(region, write_fleet(region))
    accounts = list(region.client.list(f"/v1/projects/{PROJECT}/serviceAccounts", "accounts"))
    email = next(each["email"] for each in accounts if each["email"].startswith("df-worker-"))
    region.client.call("DELETE", f"/v1/projects/{PROJECT}/serviceAccounts/{email}")
    policy = region.client.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    assert f"deleted:serviceAccount:{email}" in json.dumps(policy)
    take_down(region)
    policy = region.client.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    assert email not in json.dumps(policy)
