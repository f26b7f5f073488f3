"""A fleet that stands: others change it, its state is lost, its neighbour goes, its removal is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from aws.fleets import SECONDS, bring_up, take_down, take_stock, write_fleet
from aws.moments import watched_copy
from aws.region import Region, open_region
from aws_calls import Call, Refusal, denied
from engine.engine import Engine
from machines.metadata import REGION

NAME, OTHER = "team", "team-b"
"""The one's name begins the other's."""

FILE = "team.yaml"
PLACE = ("--provider", "aws", "--region", REGION)
OPEN = {"IpProtocol": "tcp", "FromPort": 8786, "ToPort": 8786, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
EXPIRED = Refusal("ExpiredToken", "The security token included in the request is expired", 403)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Region]:
    """A region with two fleets, of which tests change copies only."""
    with open_region(tmp_path_factory.mktemp("standing"), engine) as region:
        for name in (NAME, OTHER):
            bring_up(region, write_fleet(region, name, f"{name}.yaml"))
        yield region


@pytest.fixture
def region(standing: Region, request: pytest.FixtureRequest) -> Iterator[Region]:
    with watched_copy(standing, request.node.name) as copy:
        yield copy


def find(region: Region, operation: str, key: str, role: str | None = None) -> list[dict[str, object]]:
    tags = {"daskfleet:fleet": NAME, **({"daskfleet:role": role} if role else {})}
    wanted = [{"Name": f"tag:{tag}", "Values": [value]} for tag, value in tags.items()]
    found: list[dict[str, object]] = region.call("ec2", operation, Filters=wanted)[key]
    return found


@pytest.mark.slow
def test_what_others_deleted_and_opened_is_shown_by_preview_and_mended_by_up(region: Region) -> None:
    whole = take_stock(region, NAME)
    group = find(region, "describe_security_groups", "SecurityGroups", "scheduler")[0]["GroupId"]
    narrow = [{"Name": "group-id", "Values": [group]}]
    rules = region.call("ec2", "describe_security_group_rules", Filters=narrow)["SecurityGroupRules"]
    rule = next(each["SecurityGroupRuleId"] for each in rules if not each["IsEgress"])
    region.call("ec2", "revoke_security_group_ingress", GroupId=group, SecurityGroupRuleIds=[rule])
    table = next(
        each["RouteTableId"]
        for each in find(region, "describe_route_tables", "RouteTables")
        if any(route.get("NatGatewayId") for route in each["Routes"])  # type: ignore[attr-defined]
    )
    region.call("ec2", "delete_route", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    region.call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[OPEN])
    vpc = find(region, "describe_vpcs", "Vpcs")[0]["VpcId"]
    region.call("ec2", "create_tags", Resources=[vpc], Tags=[{"Key": "daskfleet:role", "Value": "mine"}])
    region.proxy.clear()

    plan = json.loads(region.cli.ok("preview", FILE, "--refresh", "--json", timeout=SECONDS))
    assert {(each["type"], each["change"]) for each in plan["drift"]} == {
        ("vpc.SecurityGroupIngressRule", "delete"),
        ("ec2.Route", "delete"),
        ("ec2.Vpc", "update"),
    }
    assert [each["what"].partition(" into ")[0] for each in plan["openings"]] == ["tcp 8786 from 0.0.0.0/0"]
    assert {each["type"] for each in plan["changes"]["create"]} == {"vpc.SecurityGroupIngressRule", "ec2.Route"}
    assert [each["type"] for each in plan["changes"]["update"]] == ["ec2.Vpc"]
    assert not any(call.changes for call in region.proxy.calls)

    bring_up(region, FILE)
    assert take_stock(region, NAME) == whole
    groups = region.call("ec2", "describe_security_groups", GroupIds=[group])["SecurityGroups"]
    assert "0.0.0.0/0" not in json.dumps(groups[0]["IpPermissions"])
    assert "nothing to change" in region.cli.ok("preview", FILE, "--refresh", timeout=SECONDS)


@pytest.mark.slow
def test_a_fleet_that_others_have_opened_is_removed_all_the_same(region: Region) -> None:
    scheduler, worker = (
        find(region, "describe_security_groups", "SecurityGroups", role)[0]["GroupId"]
        for role in ("scheduler", "worker")
    )
    for group, source in ((scheduler, worker), (worker, scheduler)):
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": source}]}
        region.call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[rule])
    assert "closing what others have opened" in take_down(region, NAME)


@pytest.mark.slow
def test_the_removal_of_one_fleet_leaves_the_other_whole(region: Region) -> None:
    other = take_stock(region, OTHER)
    take_down(region, NAME)
    assert take_stock(region, OTHER) == other
    assert "nothing to change" in region.cli.ok("preview", f"{OTHER}.yaml", "--refresh", timeout=SECONDS)


@pytest.mark.slow
def test_a_fleet_whose_state_is_lost_is_listed_and_removed_on_a_word_alone(region: Region) -> None:
    other, before = take_stock(region, OTHER), region.find_tagged(NAME)
    shutil.rmtree(region.cli.home)
    region.proxy.clear()
    asked = region.cli.run("down", NAME, *PLACE, timeout=SECONDS)
    assert asked.returncode == 1
    assert f"this carries the tag of fleet '{NAME}' in {REGION}" in asked.stderr
    for thing in before:
        assert thing in asked.stderr, f"{thing} is not listed"
    assert f"nothing of fleet '{NAME}' was removed" in asked.stderr
    assert not any(call.changes for call in region.proxy.calls)
    assert region.find_tagged(NAME) == before

    done = region.cli.run("down", NAME, *PLACE, "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert region.find_tagged(NAME) == []
    assert take_stock(region, OTHER) == other


@pytest.mark.slow
@pytest.mark.parametrize("why", ["denied", "expired"])
def test_a_refused_removal_is_told_and_the_next_goes_on(region: Region, why: str) -> None:
    gone = False

    def refuse(call: Call) -> Refusal | None:
        nonlocal gone
        if why == "denied":
            return denied(call) if call.action == "DeleteInternetGateway" else None
        gone = gone or call.action == "DeleteNatGateway"
        return EXPIRED if gone else None

    region.proxy.interfere = refuse
    done = region.cli.run("down", NAME, "--yes", timeout=SECONDS)
    assert done.returncode == 1, done.stderr
    assert ("ec2:DeleteInternetGateway" if why == "denied" else "Renew them") in done.stderr
    assert "Traceback" not in done.stderr
    assert region.find_tagged(NAME)
    region.proxy.clear()
    take_down(region, NAME)
