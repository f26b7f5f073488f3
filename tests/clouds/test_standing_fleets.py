"""A fleet that stands: others change it, its state is lost, its neighbour goes, its removal is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator

import pytest

from cloud_calls import Call, Refusal
from clouds.fleets import SECONDS, bring_up, take_down, write_fleet
from clouds.moments import watched_copy
from clouds.region import Region

NAME, OTHER = "team", "team-b"
"""The one's name begins the other's."""

FILE = "team.yaml"

NETWORKS = {"network", "networks", "subnet", "subnets", "subnetworks", "virtualNetworks", "vpc"}
"""What clouds call networks and their parts."""


@pytest.fixture(scope="module")
def standing(realm: Region) -> Region:
    """A region with two fleets, of which tests change copies only."""
    for name in (NAME, OTHER):
        bring_up(realm, write_fleet(realm, name, f"{name}.yaml"))
    return realm


@pytest.fixture
def region(standing: Region, request: pytest.FixtureRequest) -> Iterator[Region]:
    with watched_copy(standing, request.node.name) as copy:
        yield copy


@pytest.mark.slow
def test_the_removal_of_one_fleet_leaves_the_other_whole(region: Region) -> None:
    other = region.take_stock(OTHER)
    take_down(region, NAME)
    assert region.take_stock(OTHER) == other
    assert "nothing to change" in region.cli.ok("preview", f"{OTHER}.yaml", "--refresh", timeout=SECONDS)


@pytest.mark.slow
def test_a_fleet_in_a_network_that_exists_leaves_it_as_it_was(region: Region) -> None:
    before = region.take_stock(OTHER)
    file = region.cli.write(region.render_fleet("guest", network=region.render_network(OTHER)), "guest.yaml")
    bring_up(region, file)
    assert set(region.take_stock("guest")) & NETWORKS == set()
    take_down(region, "guest")
    assert region.take_stock(OTHER) == before


@pytest.mark.slow
def test_what_others_deleted_and_opened_is_shown_by_preview_and_mended_by_up(region: Region) -> None:
    whole = region.take_stock(NAME)
    changed = region.meddle(NAME)
    opening = region.open_to_all(NAME)
    region.proxy.clear()
    plan = json.loads(region.cli.ok("preview", FILE, "--refresh", "--json", timeout=SECONDS))
    assert {(each["type"], each["change"]) for each in plan["drift"]} == changed
    assert [each["what"].partition(" into ")[0] for each in plan["openings"]] == [opening]
    for change, words in (("create", "delete"), ("update", "update")):
        wanted = {kind for kind, what in changed if what == words}
        assert {each["type"] for each in plan["changes"][change]} == wanted
    assert [call.name for call in region.proxy.calls if call.changes] == []

    bring_up(region, FILE)
    assert region.take_stock(NAME) == whole
    assert "nothing to change" in region.cli.ok("preview", FILE, "--refresh", timeout=SECONDS)


@pytest.mark.slow
def test_a_fleet_that_others_have_opened_is_removed_all_the_same(region: Region) -> None:
    other = region.take_stock(OTHER)
    region.open_to_all(NAME)
    assert "closing what others have opened" in take_down(region, NAME)
    assert region.take_stock(OTHER) == other


@pytest.mark.slow
def test_a_fleet_whose_state_is_lost_is_listed_and_removed_on_a_word_alone(region: Region) -> None:
    other, before = region.take_stock(OTHER), region.find_tagged(NAME)
    shutil.rmtree(region.cli.home)
    region.proxy.clear()
    asked = region.cli.run("down", NAME, *region.here(), timeout=SECONDS)
    assert asked.returncode == 1
    assert re.search(rf"this carries the \w+ of fleet '{NAME}' in .*{region.place}", asked.stderr), asked.stderr
    for thing in region.find_things(NAME):
        assert thing in asked.stderr, f"{thing} is not listed"
    assert f"nothing of fleet '{NAME}' was removed" in asked.stderr
    assert [call.name for call in region.proxy.calls if call.changes] == []
    assert region.find_tagged(NAME) == before

    done = region.cli.run("down", NAME, *region.here(), "--yes", timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert region.find_tagged(NAME) == []
    assert region.take_stock(OTHER) == other


@pytest.mark.slow
@pytest.mark.parametrize("why", ["denied", "expired"])
def test_a_refused_removal_is_told_and_the_next_goes_on(region: Region, why: str) -> None:
    gone, marks = False, region.landmarks

    def refuse(call: Call) -> Refusal | None:
        nonlocal gone
        if why == "denied":
            return region.refusals.denied(call) if call.action == marks.hindered else None
        gone = gone or call.action == marks.removing[1]
        return region.refusals.expired if gone else None

    region.proxy.interfere = refuse
    done = region.cli.run("down", NAME, "--yes", timeout=SECONDS)
    assert done.returncode == 1, done.stderr
    assert re.search(re.escape(marks.hindered) if why == "denied" else region.refusals.expired_words, done.stderr)
    assert "Traceback" not in done.stderr
    assert region.find_tagged(NAME)
    region.proxy.clear()
    take_down(region, NAME)
