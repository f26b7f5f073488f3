"""Whether the nodes of a fleet in a cloud have come up, and what is told of those that have not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from daskfleet.progress import Quiet
from daskfleet.providers.base import count_enough
from daskfleet.providers.stack.cloud import GroupResources, LogEvent, Machine, Resources, Shortage
from daskfleet.providers.stack.nodes import MarkBook, Outlook, find_trouble, judge
from daskfleet.providers.stack.waiting import Clock, SchedulerMissing, Waiter, WorkersMissing

LAUNCHED = 1000.0
SCHEDULER = Machine("i-0", None, "ip-10-0-0-1", "10.0.0.1", "running", LAUNCHED)
RESOURCES = Resources("eu-west-1", "/daskfleet/x/1", "i-0", (GroupResources("cpu", "asg-1", 1),))
_number = iter(range(10**6))


def worker(number: int, **changes: Any) -> Machine:
    address = f"10.0.1.{number}"
    machine = Machine(f"i-{number}", "cpu", f"ip-{address.replace('.', '-')}", address, "running", LAUNCHED)
    return dataclasses.replace(machine, **changes)


def marks(machine: Machine, *phases: str, at: float = LAUNCHED + 10, detail: str | None = None) -> list[LogEvent]:
    events = []
    for phase in phases:
        data: dict[str, Any] = {"phase": phase, "time": at}
        if phase == "registered" and machine.group:
            data["worker"] = f"{machine.node}-0"
        if phase == "failed" and detail:
            data["detail"] = detail
        group = machine.group or "scheduler"
        events.append(LogEvent(str(next(_number)), group, machine.node, json.dumps(data), at, at))
    return events


UP = ("booted", "document", "secrets", "daemon", "registered")


def book(*events: Sequence[LogEvent]) -> MarkBook:
    made = MarkBook()
    for each in events:
        made.add(each)
    return made


def look(machines: Sequence[Machine], marked: MarkBook, wanted: int, per_machine: int = 1, **more: Any) -> Outlook:
    return judge(machines, marked, {"cpu": wanted}, {"cpu": per_machine}, **more)


def test_a_fleet_is_up_when_the_scheduler_and_every_machine_have_registered():
    machines = [SCHEDULER, worker(1), worker(2)]
    outlook = look(machines, book(*(marks(each, *UP) for each in machines)), 2)
    assert outlook.scheduler_is_up
    assert (outlook.done, outlook.total) == (2, 2)
    assert not outlook.missing
    assert not outlook.not_launched


def test_machines_that_the_cloud_has_not_launched_are_counted():
    outlook = look([SCHEDULER, worker(1)], book(marks(worker(1), *UP)), 3)
    assert outlook.not_launched == {"cpu": 2}
    assert outlook.there == {"cpu": 1}


def test_a_machine_with_several_workers_is_there_when_all_of_them_are():
    machine = worker(1)
    first = marks(machine, *UP)
    assert look([machine], book(first), 1, per_machine=2).there == {"cpu": 0}
    second = [dataclasses.replace(first[-1], id="other", message=first[-1].message.replace("-0", "-1"))]
    assert look([machine], book(first, second), 1, per_machine=2).there == {"cpu": 1}


def test_marks_of_an_earlier_machine_with_the_same_address_do_not_count():
    old = marks(worker(1), *UP, at=LAUNCHED - 50)
    assert look([worker(1)], book(old), 1).missing[0].trouble == "silent"


def test_a_worker_that_left_is_missing():
    machine = worker(1)
    left = [
        dataclasses.replace(each, message=each.message.replace("registered", "left"))
        for each in marks(machine, *UP)[-1:]
    ]
    assert look([machine], book(marks(machine, *UP), left), 1).there == {"cpu": 0}


def test_a_machine_from_long_ago_without_a_bad_word_counts_as_registered():
    assert look([SCHEDULER, worker(1)], book(), 1, settled_before=LAUNCHED + 1).done == 1
    failed = book(marks(worker(1), "booted", "failed", detail="no"))
    assert look([SCHEDULER, worker(1)], failed, 1, settled_before=LAUNCHED + 1).done == 0


@pytest.mark.parametrize(
    ("phases", "detail", "trouble"),
    [
        ((), None, "silent"),
        (("kernel", "booted", "document"), None, "secrets"),
        (("booted", "document", "failed"), "no TLS material could be read from arn in 300 s: AccessDenied", "secrets"),
        (("booted", "document", "secrets", "daemon"), None, "scheduler"),
        (
            ("booted", "document", "secrets", "daemon", "failed"),
            "no scheduler answered at tls://x for 300 s",
            "scheduler",
        ),
        (("booted", "document", "secrets", "failed"), "Mismatched versions found: distributed", "versions"),
        (("booted", "document", "secrets", "failed"), "the disk is full", "failed"),
        (("booted",), None, "slow"),
    ],
)
def test_each_trouble_is_told_apart(phases: tuple[str, ...], detail: str | None, trouble: str):
    machine = worker(1)
    assert find_trouble(machine, book(marks(machine, *phases, detail=detail)).read(machine)) == trouble


def test_a_node_has_given_up_until_it_is_started_again():
    machine = worker(1)
    failed = marks(machine, "booted", "failed", detail="no")
    assert book(failed).has_given_up(machine)
    assert not book(failed, marks(machine, "booted")).has_given_up(machine)
    assert not book().has_given_up(machine)


def test_events_that_come_twice_count_once_and_lines_of_the_log_do_not_count():
    machine = worker(1)
    events = marks(machine, *UP)
    line = LogEvent("line", "cpu", machine.node, "INFO daskfleet.node: hello", LAUNCHED, LAUNCHED)
    made = book(events, events, [line])
    assert list(made.read(machine).registered) == [f"{machine.node}-0"]


class FakeCloud:
    """A cloud in which time passes with each look."""

    poll_seconds = 2.0

    def __init__(self, machines: Sequence[Machine], log: Callable[[float], list[LogEvent]]) -> None:
        self.machines = list(machines)
        self.log = log
        self.now = LAUNCHED
        self.calls: list[str] = []

    def list_machines(self, fleet: str) -> list[Machine]:
        self.calls.append("machines")
        return self.machines

    def read_marks(self, log_group: str, since: float) -> list[LogEvent]:
        self.calls.append("marks")
        return self.log(self.now)

    def explain_shortages(self, groups: Any) -> dict[str, Shortage]:
        return {"cpu": Shortage("InsufficientInstanceCapacity: no m7i.large in eu-west-1a")}

    def read_tail(self, log_group: str, group: str, node: str, lines: int) -> list[LogEvent]:
        return [LogEvent("1", group, node, "ERROR node: the end", 0, 0), *marks(worker(1), "failed")]

    def read_console(self, machine: Machine) -> list[str]:
        return ["Kernel panic"]

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take_on_demand(self, group: GroupResources) -> None:
        self.calls.append(f"on-demand in {group.id}")

    def wait(
        self,
        wanted: int,
        *,
        timeout: float = 60,
        share: float = 1.0,
        progress: Any = None,
        fallback: Sequence[str] = (),
    ) -> None:
        clock = Clock(lambda: self.now, self.sleep)
        Waiter(self, "x", RESOURCES, {"cpu": wanted}, progress or Quiet(), clock, fallback=fallback).wait(
            timeout, share
        )  # type: ignore[arg-type]


def test_waiting_ends_when_the_wanted_share_is_there():
    machines = [worker(number) for number in range(1, 5)]
    cloud = FakeCloud(
        [SCHEDULER, *machines], lambda now: [*marks(SCHEDULER, *UP), *(e for m in machines[:3] for e in marks(m, *UP))]
    )
    cloud.wait(4, share=0.75)
    with pytest.raises(WorkersMissing):
        cloud.wait(4)


def test_each_look_asks_twice_whatever_the_number_of_machines():
    machines = [worker(number) for number in range(1, 200)]
    cloud = FakeCloud([SCHEDULER, *machines], lambda now: [e for m in (SCHEDULER, *machines) for e in marks(m, *UP)])
    cloud.wait(199)
    assert cloud.calls == ["machines", "marks"]


def test_workers_that_do_not_come_are_told_with_their_class_their_log_and_a_remedy():
    lost, silent = worker(1), worker(2)
    events = [*marks(SCHEDULER, *UP), *marks(lost, "booted", "document", "secrets", "daemon")]
    cloud = FakeCloud([SCHEDULER, lost, silent], lambda now: events)
    with pytest.raises(WorkersMissing) as caught:
        cloud.wait(4)
    text = str(caught.value)
    assert "not every machine of fleet 'x' registered within 60 s: 0 of 4 in cpu" in text
    assert "node ip-10-0-1-1 (cpu, i-1): it cannot reach the scheduler" in text
    assert "reached: booted, document, secrets, daemon" in text
    assert "| ERROR node: the end" in text
    assert "node ip-10-0-1-2 (cpu, i-2): it never booted into a node" in text
    assert "| Kernel panic" in text
    assert "2 machines of group cpu not launched: InsufficientInstanceCapacity: no m7i.large in eu-west-1a" in text
    assert text.count("what to do:") == 3


def test_a_hundred_nodes_with_one_trouble_are_told_by_three_of_them():
    machines = [worker(number) for number in range(1, 101)]
    cloud = FakeCloud([SCHEDULER, *machines], lambda now: marks(SCHEDULER, *UP))
    with pytest.raises(WorkersMissing) as caught:
        cloud.wait(100)
    assert str(caught.value).count("it never booted into a node") == 3
    assert "and 97 more nodes of which the same holds" in str(caught.value)


def test_a_scheduler_that_never_comes_is_another_failure_than_workers_that_do_not():
    cloud = FakeCloud([SCHEDULER, worker(1)], lambda now: marks(worker(1), "booted"))
    with pytest.raises(SchedulerMissing, match="the scheduler of fleet 'x' did not come up within 60 s"):
        cloud.wait(1)


def test_waiting_ends_early_when_all_that_is_missing_has_given_up():
    events = [*marks(SCHEDULER, *UP), *marks(worker(1), "booted", "document", "failed", detail="no secret")]
    cloud = FakeCloud([SCHEDULER, worker(1)], lambda now: events)
    with pytest.raises(WorkersMissing, match="those that are missing have given up"):
        cloud.wait(1, timeout=10_000)
    assert cloud.now < LAUNCHED + 10


def test_waiting_goes_on_while_another_machine_still_tries():
    events = [*marks(SCHEDULER, *UP), *marks(worker(1), "booted", "failed", detail="no")]
    cloud = FakeCloud(
        [SCHEDULER, worker(1), worker(2)], lambda now: events + (marks(worker(2), *UP) if now > LAUNCHED + 30 else [])
    )
    cloud.wait(2, share=0.5)
    assert cloud.now > LAUNCHED + 30


def test_a_scheduler_that_gave_up_ends_the_waiting():
    cloud = FakeCloud([SCHEDULER], lambda now: marks(SCHEDULER, "booted", "failed", detail="no secret"))
    with pytest.raises(SchedulerMissing, match="no secret"):
        cloud.wait(1, timeout=10_000)


def test_a_schedulers_machine_that_was_replaced_does_not_count():
    old = dataclasses.replace(SCHEDULER, id="i-old", state="gone")
    cloud = FakeCloud([old, SCHEDULER, worker(1)], lambda now: [*marks(SCHEDULER, *UP), *marks(worker(1), *UP)])
    cloud.wait(1)


def test_failures_are_told_once_while_waiting():
    steps: list[str] = []

    class Steps(Quiet):
        def step(self, text: str) -> None:
            steps.append(text)

    events = [*marks(SCHEDULER, *UP), *marks(worker(1), "booted", "failed", detail="the disk is full")]
    cloud = FakeCloud([SCHEDULER, worker(1), worker(2)], lambda now: events)
    with pytest.raises(WorkersMissing):
        cloud.wait(2, progress=Steps())
    assert steps.count("ip-10-0-1-1: the disk is full") == 1


@pytest.mark.parametrize(
    ("share", "total", "enough"), [(1.0, 7, 7), (0.1, 30, 3), (0.5, 3, 2), (0.9, 1, 1), (0.01, 10, 1), (1, 0, 0)]
)
def test_a_share_is_rounded_up(share: float, total: int, enough: int):
    assert count_enough(share, total) == enough


@pytest.mark.parametrize(
    ("said", "fallback", "taken"),
    [
        ("There is no Spot capacity available that matches your request", ["cpu"], True),
        ("There is no Spot capacity available that matches your request", [], False),
        ("VcpuLimitExceeded: You have requested more vCPU capacity", ["cpu"], False),
    ],
)
def test_on_demand_machines_are_taken_for_what_the_spot_market_has_not(said: str, fallback: list[str], taken: bool):
    cloud = FakeCloud([SCHEDULER], lambda now: marks(SCHEDULER, *UP))
    cloud.explain_shortages = lambda groups: {"cpu": Shortage(said, on_spot="spot" in said.lower())}  # type: ignore[method-assign]
    with pytest.raises(WorkersMissing):
        cloud.wait(3, timeout=50, fallback=fallback)
    assert ("on-demand in asg-1" in cloud.calls) is taken
