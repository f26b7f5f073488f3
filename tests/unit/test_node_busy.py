"""When a node steps aside for others who use its machine."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from daskfleet_images.node.busy import BUSY_POLLS, QUIET_POLLS, Judge, Meter


def hear(judge: Judge, *shares: float) -> list[bool]:
    return [judge.hear(share) for share in shares]


def test_others_are_at_work_when_they_have_been_for_some_time():
    assert hear(Judge(), *[0.9] * BUSY_POLLS) == [False] * (BUSY_POLLS - 1) + [True]


def test_a_moment_of_work_is_not_work():
    assert not any(hear(Judge(), *[0.9, 0.0] * 10))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_an_idle_desktop_is_left_to_the_workers(share: float):
    assert not any(hear(Judge(), *[share] * 50))


def test_others_are_away_when_they_have_been_for_longer():
    judge = Judge(busy=True)
    assert hear(judge, *[0.05] * QUIET_POLLS) == [True] * (QUIET_POLLS - 1) + [False]


@pytest.mark.parametrize("share", [0.1, 0.2, 1.0])
def test_who_does_a_little_is_still_there(share: float):
    assert all(hear(Judge(busy=True), *[share] * 50))


def test_who_thinks_for_a_moment_is_not_gone():
    assert all(hear(Judge(busy=True), *([0.0] * (QUIET_POLLS - 1) + [0.5]) * 5))


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_what_the_node_and_its_children_use_does_not_count():
    meter = Meter()
    child = multiprocessing.get_context("fork").Process(target=burn, args=(10,))
    child.start()
    try:
        burn(0.5)
        meter_after = meter._read()[2] - meter._own
        share = meter.measure()
    finally:
        child.kill()
        child.join()
    assert meter_after >= 0.5
    assert 0.0 <= share <= 1.0
