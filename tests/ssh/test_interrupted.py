"""Commands that are stopped half-way: what they began is undone, finished or removed."""

from __future__ import annotations

import itertools
import json
import signal
from subprocess import Popen

import pytest

from harness import await_true
from ssh.fleet_lab import FleetLab

FLEET = "hosts: [desk-1, desk-2, rack01, rack03]"
STEPS = ("hosts asked: 2 of 4", "nodes started: 1 of", "workers registered: 0 of")


def await_line(process: Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"it ended without saying {words!r}")


@pytest.mark.parametrize(
    ("words", "number"), list(zip(STEPS, itertools.cycle([signal.SIGINT, signal.SIGTERM]), strict=False))
)
def test_an_up_that_is_told_to_stop_leaves_nothing(lab: FleetLab, words: str, number: signal.Signals) -> None:
    process = lab.start("up", lab.write(FLEET))
    await_line(process, words)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "error: interrupted" in err
    assert "Traceback" not in err
    assert json.loads(lab.ok("list", "--json")) == []
    # What only looks at a host is not waited for; it ends by itself.
    await_true(lambda: lab.look() == lab.before, "nothing is left on any host", timeout=10)


@pytest.mark.parametrize(("words", "then"), list(zip(STEPS, itertools.cycle(["up", "down"]), strict=False)))
def test_an_up_that_is_killed_is_finished_by_the_next_up_or_removed_by_down(
    lab: FleetLab, words: str, then: str
) -> None:
    file = lab.write(FLEET)
    process = lab.start("up", file)
    await_line(process, words)
    process.kill()
    process.communicate(timeout=60)
    if then == "up":
        lab.ok("up", file)
        assert len(lab.workers()) == 4
    assert "nothing left" in lab.ok("down", "lab")
    assert lab.look() == lab.before


def test_a_down_that_is_killed_is_finished_by_the_next(lab: FleetLab) -> None:
    lab.ok("up", lab.write(FLEET))
    process = lab.start("down", "lab")
    await_line(process, "stopping the nodes")
    process.kill()
    process.communicate(timeout=60)
    assert "nothing left" in lab.ok("down", "lab")


def test_a_host_that_is_off_at_down_is_remembered_until_it_answers(lab: FleetLab) -> None:
    lab.ok("up", lab.write(FLEET))
    lab.hosts["rack01"].power_off()
    done = lab.run("down", "lab")
    assert done.returncode == 1
    assert "fleet 'lab' is not wholly down" in done.stderr
    assert "  rack01: " in done.stderr
    assert "`daskfleet down lab` goes on when they answer" in done.stderr
    status = lab.status()
    assert (status["state"], status["problems"]) == ("dead", ["rack01: something of the fleet may be left there"])
    lab.hosts["rack01"].power_on()
    assert "nothing left" in lab.ok("down", "lab")
