"""Every process of a fleet is found by the mark in its environment, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from daskfleet.providers.local.processes import await_end, end_processes, find_processes
from daskfleet.providers.supervision import MARK
from harness import await_true

STUBBORN = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(root: Path | None, *command: str) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        if root is not None:
            environment[MARK] = str(root)
        process = subprocess.Popen(
            command or ("sleep", "300"), env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def pids(root: Path) -> set[int]:
    return {process.pid for process in find_processes(root)}


def test_the_processes_with_the_mark_are_found_and_no_others(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    first, second = start(tmp_path / "x"), start(tmp_path / "x")
    start(tmp_path / "y")
    start(tmp_path / "x-longer")
    start(tmp_path / "x" / "below")
    start(None)
    await_true(lambda: pids(tmp_path / "x") == {first.pid, second.pid}, "both processes")
    assert pids(tmp_path / "none") == set()


def test_what_a_marked_process_starts_carries_the_mark(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]):
    shell = start(tmp_path, "/bin/sh", "-c", "sleep 300 & sleep 300; true")
    await_true(lambda: len(pids(tmp_path)) == 3, "the shell and its two children")
    assert end_processes(tmp_path, grace=10) == []
    assert shell.wait(30) != 0


def test_this_process_is_not_found_also_where_it_carries_the_mark(tmp_path: Path):
    code = (
        "import os, pathlib, sys\n"
        "from daskfleet.providers.local.processes import find_processes\n"
        f"print(find_processes(pathlib.Path({str(tmp_path)!r})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, MARK: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_marked_processes_are_ended_in_order_and_others_live_on(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    ours, other = start(tmp_path / "x"), start(tmp_path / "y")
    await_true(lambda: pids(tmp_path / "x") == {ours.pid}, "our process")
    before = time.monotonic()
    assert end_processes(tmp_path / "x", grace=30) == []
    assert time.monotonic() - before < 10
    assert ours.wait(30) == -15
    assert other.poll() is None


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    stubborn, docile = start(tmp_path, sys.executable, "-c", STUBBORN), start(tmp_path)
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == "ready\n"
    before = time.monotonic()
    assert end_processes(tmp_path, grace=0.5) == []
    assert 0.5 <= time.monotonic() - before < 5.5
    assert stubborn.wait(30) == -9
    assert docile.wait(30) == -15
    assert pids(tmp_path) == set()


def test_a_process_that_is_stopped_is_killed_after_the_grace(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    process = start(tmp_path)
    await_true(lambda: pids(tmp_path) == {process.pid}, "the process")
    psutil.Process(process.pid).suspend()
    assert end_processes(tmp_path, grace=0.2) == []
    assert process.wait(30) == -9


def test_a_process_that_has_ended_and_is_not_yet_waited_for_does_not_count(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    process = start(tmp_path, "/bin/true")
    await_true(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "a zombie")
    assert pids(tmp_path) == set()
    assert end_processes(tmp_path, grace=0.1) == []


def test_processes_that_multiply_while_they_are_ended_are_ended_too(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    # Each that is asked to end starts another first, three times over.
    code = (
        "import os, signal, subprocess, sys, time\n"
        "left = int(sys.argv[1])\n"
        "def again(*_):\n"
        "    if left:\n"
        "        command = [sys.executable, '-c', sys.argv[2], str(left - 1), sys.argv[2]]\n"
        "        subprocess.Popen(command, start_new_session=True)\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, again)\n"
        "print('ready', flush=True)\n"
        "time.sleep(300)\n"
    )
    process = start(tmp_path, sys.executable, "-c", code, "3", code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert end_processes(tmp_path, grace=5) == []
    assert pids(tmp_path) == set()


def test_nothing_to_end_takes_no_time(tmp_path: Path):
    before = time.monotonic()
    assert end_processes(tmp_path, grace=30) == []
    await_end(tmp_path, 30)
    assert time.monotonic() - before < 5


def test_waiting_for_the_end_ends_when_the_last_has_or_the_time_is_over(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
):
    process = start(tmp_path)
    await_true(lambda: pids(tmp_path) == {process.pid}, "the process")
    before = time.monotonic()
    await_end(tmp_path, 0.3)
    assert 0.3 <= time.monotonic() - before < 5
    assert process.poll() is None
    process.terminate()
    await_end(tmp_path, 30)
    assert process.wait(30) == -15
