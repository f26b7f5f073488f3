"""Whatever a cloud refuses: `up` recovers, or says what was refused and what to do, and leaves nothing unseen.

By default the refusals that stop it are tried on some calls; with DASKFLEET_FULL_SWEEP=1 on every kind of call.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from cloud_calls import Call, Refusal
from clouds.fleets import FILE, NAME, SECONDS, assert_nothing_is_left, bring_up, take_down, write_fleet
from clouds.moments import watched_copy
from clouds.region import Region
from clouds.sweeps import Case, sweep
from patience import FULL


@pytest.fixture(scope="module")
def empty(realm: Region) -> Region:
    """A region without fleets, with a file for one."""
    write_fleet(realm)
    return realm


@pytest.fixture(scope="module")
def changing(empty: Region) -> list[str]:
    """The names of all calls of an `up` that change something."""
    with watched_copy(empty, "names") as region:
        bring_up(region)
        return sorted({call.name for call in region.proxy.calls if call.changes})


def fail_up(region: Region) -> str:
    """Bring the fleet up, in vain; returns what was told."""
    done = region.cli.run("up", FILE, "--yes", timeout=SECONDS)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_each_kind_of_call_may_be_throttled_and_fail_once(empty: Region) -> None:
    refusals = empty.refusals
    seen: Counter[str] = Counter()

    def disturb(call: Call) -> Refusal | None:
        seen[call.name] += 1
        return {1: refusals.throttled, 2: refusals.broken}.get(seen[call.name])

    with watched_copy(empty, "disturbed") as region:
        region.proxy.interfere = disturb
        bring_up(region)
        take_down(region)
    assert set(empty.landmarks.seen) <= set(seen)
    assert {name for name, count in seen.items() if count == 1} == set(), "a refusal was taken for an answer"


@pytest.mark.slow
def test_a_denied_call_is_named_and_nothing_is_left(empty: Region, request: pytest.FixtureRequest) -> None:
    def deny(name: str) -> None:
        with watched_copy(empty, name) as region:
            region.proxy.interfere = lambda call: region.refusals.denied(call) if call.name == name else None
            told = fail_up(region)
            assert region.refusals.denied_words(name) in told
            assert "what to do: this identity may not do that" in told
            assert_nothing_is_left(region, told=told)

    names = request.getfixturevalue("changing") if FULL else empty.landmarks.denied
    cases: dict[str, Case] = {name: lambda name=name: deny(name) for name in names}  # type: ignore[misc]
    sweep(cases)


@pytest.mark.slow
def test_without_capacity_or_quota_for_the_scheduler_the_remedy_is_told_and_nothing_is_left(empty: Region) -> None:
    def refuse(kind: str) -> None:
        refusal, remedy = empty.refusals.shortages[kind]
        with watched_copy(empty, kind) as region:
            region.proxy.interfere = lambda call: refusal if call.action == empty.landmarks.machine else None
            told = fail_up(region)
            assert refusal.message in told
            assert f"what to do: {remedy}" in told
            assert_nothing_is_left(region, told=told)

    cases: dict[str, Case] = {kind: lambda kind=kind: refuse(kind) for kind in empty.refusals.shortages}  # type: ignore[misc]
    sweep(cases)


@pytest.mark.slow
def test_credentials_that_expire_stop_it_and_the_same_command_goes_on(empty: Region) -> None:
    def expire(action: str) -> None:
        expired = False

        def interfere(call: Call) -> Refusal | None:
            nonlocal expired
            expired = expired or call.action == action
            return empty.refusals.expired if expired else None

        with watched_copy(empty, f"expired-{action}") as region:
            region.proxy.interfere = interfere
            told = fail_up(region)
            assert re.search(region.refusals.expired_words, told), told
            if action != empty.landmarks.expiring[0]:
                assert f"`daskfleet up` goes on with it, `daskfleet down {NAME}` removes it" in told
            region.proxy.clear()
            bring_up(region)
            take_down(region)

    marks = empty.landmarks
    names = (*marks.expiring, marks.network, *marks.middle, marks.machine) if FULL else marks.expiring
    cases: dict[str, Case] = {name: lambda name=name: expire(name) for name in names}  # type: ignore[misc]
    sweep(cases)
