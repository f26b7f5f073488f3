"""When a machine is made anew."""

from __future__ import annotations

from machines.gcp.health import Check, Health, judge, parse_check

CHECK = Check(8788, "/health", 30, 10, 3, 900)


def judge_all(*answers: tuple[float, bool], pace: float = 1.0) -> list[bool]:
    """The judgements of answers at these seconds."""
    health = Health(0)
    return [judge(health, CHECK, is_well=is_well, now=now, pace=pace) for now, is_well in answers]


def test_a_check_is_what_compute_engine_describes():
    described = {"httpHealthCheck": {"port": 8788, "requestPath": "/health"}, "checkIntervalSec": 30, "timeoutSec": 10}
    policy = {"initialDelaySec": 900}
    assert parse_check({**described, "unhealthyThreshold": 3}, policy) == CHECK


def test_a_new_machine_has_time_to_become_well():
    assert judge_all((30, False), (60, False), (870, False), (899, False)) == [False] * 4
    assert judge_all((870, False), (900, False), (930, False), (960, False)) == [False, False, False, True]


def test_one_that_was_well_is_judged_at_once_and_one_good_answer_is_enough():
    assert judge_all((30, True), (60, False), (90, False), (120, False)) == [False, False, False, True]
    assert judge_all((30, True), (60, False), (90, False), (120, True), (150, False)) == [False] * 5


def test_time_may_go_faster():
    assert judge_all((9, False), (90, False), (91, False), (92, False), pace=0.1) == [False, False, False, True]
