"""Whatever AWS refuses: `up` recovers, or says what was refused and what to do, and leaves nothing unseen.

By default the refusals that stop it are tried on some calls; with DASKFLEET_FULL_SWEEP=1 on every kind of call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from aws.fleets import FILE, NAME, SECONDS, assert_nothing_is_left, bring_up, take_down, write_fleet
from aws.moments import watched_copy
from aws.region import Region, open_region
from aws.sweeps import FULL, Case, sweep
from aws_calls import BROKEN, THROTTLED, Call, Refusal, denied
from engine.engine import Engine

EXPIRED = Refusal("ExpiredToken", "The security token included in the request is expired", 403)
SHORTAGES = {
    "capacity": (
        Refusal("InsufficientInstanceCapacity", "We currently do not have sufficient m7i.large capacity", 400),
        "the cloud has no such machine free now",
    ),
    "quota": (
        Refusal("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of 1", 400),
        "a quota of the account is used up",
    ),
}

DENIED = (
    "iam:AddRoleToInstanceProfile",
    "secretsmanager:PutSecretValue",
    "logs:PutRetentionPolicy",
    "ec2:AttachInternetGateway",
    "autoscaling:SuspendProcesses",
)
"""One of each service; each in the middle of making something."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Region]:
    """A region without fleets, with a file for one."""
    with open_region(tmp_path_factory.mktemp("faults"), engine) as region:
        write_fleet(region)
        yield region


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
    seen: Counter[str] = Counter()

    def disturb(call: Call) -> Refusal | None:
        seen[call.name] += 1
        return {1: THROTTLED, 2: BROKEN}.get(seen[call.name])

    with watched_copy(empty, "disturbed") as region:
        region.proxy.interfere = disturb
        bring_up(region)
        take_down(region)
    assert {"ec2:RunInstances", "iam:CreateRole", "logs:CreateLogGroup", "secretsmanager:PutSecretValue"} <= set(seen)
    assert {name for name, count in seen.items() if count == 1} == set(), "a refusal was taken for an answer"


@pytest.mark.slow
def test_a_denied_call_is_named_and_nothing_is_left(empty: Region, request: pytest.FixtureRequest) -> None:
    def deny(name: str) -> None:
        with watched_copy(empty, name.replace(":", "-")) as region:
            region.proxy.interfere = lambda call: denied(call) if call.name == name else None
            told = fail_up(region)
            assert f"is not authorized to perform: {name}" in told
            assert "what to do: this identity may not do that" in told
            assert_nothing_is_left(region, told=told)

    names = request.getfixturevalue("changing") if FULL else DENIED
    cases: dict[str, Case] = {name: lambda name=name: deny(name) for name in names}  # type: ignore[misc]
    sweep(cases)


@pytest.mark.slow
def test_without_capacity_or_quota_for_the_scheduler_the_remedy_is_told_and_nothing_is_left(empty: Region) -> None:
    def refuse(kind: str) -> None:
        refusal, remedy = SHORTAGES[kind]
        with watched_copy(empty, kind) as region:
            region.proxy.interfere = lambda call: refusal if call.action == "RunInstances" else None
            told = fail_up(region)
            assert refusal.message in told
            assert f"what to do: {remedy}" in told
            assert_nothing_is_left(region, told=told)

    cases: dict[str, Case] = {kind: lambda kind=kind: refuse(kind) for kind in SHORTAGES}  # type: ignore[misc]
    sweep(cases)


@pytest.mark.slow
def test_credentials_that_expire_stop_it_and_the_same_command_goes_on(empty: Region) -> None:
    def expire(action: str) -> None:
        expired = False

        def interfere(call: Call) -> Refusal | None:
            nonlocal expired
            expired = expired or call.action == action
            return EXPIRED if expired else None

        with watched_copy(empty, f"expired-{action}") as region:
            region.proxy.interfere = interfere
            told = fail_up(region)
            assert "Renew them" in told
            if action != "GetCallerIdentity":
                assert f"`daskfleet up` goes on with it, `daskfleet down {NAME}` removes it" in told
            region.proxy.clear()
            bring_up(region)
            take_down(region)

    # In the middle of making a security group: AWS gives it a rule, which is to go.
    few = ("GetCallerIdentity", "RevokeSecurityGroupEgress", "CreateVpcEndpoint")
    names = (*few, "CreateVpc", "CreateSecret", "CreateLaunchTemplate", "RunInstances") if FULL else few
    cases: dict[str, Case] = {name: lambda name=name: expire(name) for name in names}  # type: ignore[misc]
    sweep(cases)
