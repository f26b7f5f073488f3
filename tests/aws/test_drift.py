"""A fleet in AWS that others change behind its back."""

from __future__ import annotations

import pytest

from aws.meddling import find_security_group
from aws.region import Region
from clouds.fleets import NAME, bring_up, take_down, write_fleet


@pytest.mark.slow
def test_groups_that_others_have_made_name_each_other_are_removed_all_the_same(region: Region) -> None:
    bring_up(region, write_fleet(region))
    scheduler, worker = (find_security_group(region.call, NAME, role) for role in ("scheduler", "worker"))
    for group, source in ((scheduler, worker), (worker, scheduler)):
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": source}]}
        region.call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[rule])
    assert "closing what others have opened" in take_down(region)
