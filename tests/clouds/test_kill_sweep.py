"""Whenever an `up` or a `down` is killed: the next `down` leaves nothing, and the next `up` makes everything once.

At each moment, some calls were done and not heard of: by default those that are made at the same time together, so that
each call of the command is in one of a few moments; with DASKFLEET_FULL_SWEEP=1 each call alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil
import pytest

from cloud_calls import Call
from clouds.fleets import FILE, NAME, SECONDS, assert_nothing_is_left, bring_up, take_down, write_fleet
from clouds.moments import Moment, copy_region, record_moments, watched_copy
from clouds.pretend import pretend_nodes
from clouds.region import Region
from clouds.sweeps import Case, sweep
from harness import await_true
from patience import FULL


@pytest.fixture(scope="module")
def empty(realm: Region) -> Region:
    """A region without fleets, with a file for one."""
    write_fleet(realm)
    return realm


def choose(moments: list[Moment], *actions: str) -> list[Moment]:
    """Those after calls of these kinds; in a full sweep, all."""
    return [moment for moment in moments if FULL or any(map(moment.has, actions))]


@pytest.mark.slow
def test_a_fleet_whose_up_or_down_was_killed_is_removed_or_finished(empty: Region) -> None:
    cases: dict[str, Case] = {}
    with watched_copy(empty, "up") as region:
        with pretend_nodes(region):
            moments = record_moments(region, "up", FILE, "--yes", apart=FULL)
        whole = region.take_stock(NAME)
        removing = record_moments(region, "down", NAME, "--yes", apart=FULL)
    assert whole.total() > 20, whole

    def finish(killed: Region) -> None:
        told = bring_up(killed)
        assert killed.take_stock(NAME) == whole, told
        if FULL:  # By now it is a fleet like any other.
            take_down(killed)

    for moment in choose(moments, *empty.landmarks.once):
        again = copy_region(moment.region, "again")
        cases[f"up, up: {moment}"] = lambda region=again: finish(region)  # type: ignore[misc]
    for moment in moments:
        cases[f"up, down: {moment}"] = lambda region=moment.region: take_down(region)  # type: ignore[misc]
    for moment in choose(removing, *empty.landmarks.removing):
        cases[f"down, down: {moment}"] = lambda region=moment.region: take_down(region)  # type: ignore[misc]
    sweep(cases)


def interrupt(region: Region, action: str, hit: Callable[[psutil.Process], object]) -> tuple[int, str]:
    """Start `up`, and do something to its process once the cloud has done such a call; returns how that ends."""
    reached: list[Call] = []
    region.proxy.after = lambda call: reached.append(call) if call.action == action else None
    process = region.cli.start("up", FILE, "--yes")
    await_true(lambda: reached or process.poll() is not None, f"{action}", timeout=100)
    hit(psutil.Process(process.pid))
    _, err = process.communicate(timeout=SECONDS)
    region.proxy.clear()
    return process.returncode, err


def kill_engine(command: psutil.Process) -> None:
    for each in command.children():
        if each.name() == "pulumi":
            each.kill()


@pytest.mark.slow
def test_ctrl_c_or_the_death_of_the_engine_or_of_the_command_alone_leaves_nothing(empty: Region) -> None:
    def press_ctrl_c(action: str) -> None:
        with watched_copy(empty, f"ctrl-c-{action}") as region:
            code, told = interrupt(region, action, lambda command: command.send_signal(signal.SIGINT))
            assert code == 130, told
            assert_nothing_is_left(region, told=told)

    def lose_engine(action: str) -> None:
        with watched_copy(empty, f"engine-{action}") as region:
            code, told = interrupt(region, action, kill_engine)
            assert code == 1, told
            assert "the engine was killed (signal 9)" in told
            assert_nothing_is_left(region, told=told)

    def lose_command(action: str) -> None:
        with watched_copy(empty, f"command-{action}") as region:
            code, told = interrupt(region, action, lambda command: command.kill())
            assert code == -signal.SIGKILL, told
            take_down(region)

    cases: dict[str, Case] = {}
    marks = empty.landmarks
    every = (marks.network, *marks.middle, marks.machine, marks.group)
    for kind, one in (
        (press_ctrl_c, (marks.network, marks.group)),
        (lose_engine, (marks.machine,)),
        (lose_command, (marks.subnet,)),
    ):
        for action in dict.fromkeys((*one, *every) if FULL else one):
            cases[f"{kind.__name__}: {action}"] = lambda kind=kind, action=action: kind(action)  # type: ignore[misc]
    sweep(cases)
