"""One change at a time to a fleet, between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daskfleet.errors import FleetError
from daskfleet.lock import lock_fleet
from harness import await_true

HOLD = """\
import sys
from daskfleet.lock import lock_fleet
with lock_fleet("x", timeout=30):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def hold(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that holds the lock of fleet `x` until its standard input closes."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def wait_until_held(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"


def test_another_process_waits_and_is_told_for_whom(hold: Callable[[], subprocess.Popen[str]]):
    holder = hold()
    wait_until_held(holder)
    told: list[str] = []
    with pytest.raises(FleetError) as caught, lock_fleet("x", timeout=0.2, on_wait=told.append):
        pytest.fail("two hold the lock")
    assert told == [f"another daskfleet command (process {holder.pid}) is changing fleet 'x'; waiting for it"]
    assert f"process {holder.pid}" in str(caught.value)
    assert "over 0.2 s" in str(caught.value)
    with lock_fleet("y", timeout=0):
        pass


def test_the_lock_is_had_when_the_other_process_is_done_and_the_file_goes(
    home: Path, hold: Callable[[], subprocess.Popen[str]]
):
    holder = hold()
    wait_until_held(holder)
    assert (home / "locks" / "x").read_text() == str(holder.pid)

    def release(_text: str) -> None:
        assert holder.stdin is not None
        holder.stdin.close()

    with lock_fleet("x", timeout=30, on_wait=release):
        assert (home / "locks" / "x").read_text() == str(os.getpid())
    assert holder.wait(30) == 0
    assert list((home / "locks").iterdir()) == []


def test_a_holder_that_is_killed_holds_no_longer(home: Path, hold: Callable[[], subprocess.Popen[str]]):
    holder = hold()
    wait_until_held(holder)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(30)
    assert (home / "locks" / "x").exists()
    with lock_fleet("x", timeout=0.5, on_wait=pytest.fail):
        assert (home / "locks" / "x").read_text() == str(os.getpid())
    assert not (home / "locks" / "x").exists()


def test_of_many_processes_one_holds_the_lock_at_a_time(home: Path, tmp_path: Path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    code = (
        "import pathlib, sys\n"
        "from daskfleet.lock import lock_fleet\n"
        f"path = pathlib.Path({str(counter)!r})\n"
        "for _ in range(40):\n"
        "    with lock_fleet('x', timeout=30):\n"
        "        path.write_text(str(int(path.read_text()) + 1))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    try:
        assert [process.wait(60) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert counter.read_text() == "120"


def test_the_lock_is_freed_when_the_work_fails(home: Path):
    with pytest.raises(ZeroDivisionError), lock_fleet("x", timeout=0):
        raise ZeroDivisionError
    assert not (home / "locks" / "x").exists()
    with lock_fleet("x", timeout=0):
        assert (home / "locks" / "x").exists()


def test_a_leftover_file_of_nobody_is_no_lock(home: Path):
    (home / "locks").mkdir()
    (home / "locks" / "x").write_text("99999999")
    with lock_fleet("x", timeout=0, on_wait=pytest.fail):
        assert (home / "locks" / "x").read_text() == str(os.getpid())


def test_the_lock_is_private(home: Path):
    before = os.umask(0)
    try:
        with lock_fleet("x", timeout=0):
            assert (home / "locks").stat().st_mode & 0o777 == 0o700
            assert (home / "locks" / "x").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["../x", "", "a b", "x" * 300])
def test_a_name_that_is_none_locks_nothing(home: Path, name: str):
    with pytest.raises(FleetError, match="no name of a fleet"), lock_fleet(name):
        pytest.fail("locked")
    assert list(home.iterdir()) == []


def test_a_lock_that_cannot_be_made_is_told(home: Path):
    (home / "locks" / "x").mkdir(parents=True)
    with pytest.raises(FleetError, match="cannot be written: Is a directory"), lock_fleet("x", timeout=0):
        pytest.fail("locked")


def test_a_command_that_waits_goes_on_after_the_file_was_removed_under_it(
    home: Path, hold: Callable[[], subprocess.Popen[str]]
):
    first, second = hold(), hold()
    holders = {first.pid: first, second.pid: second}
    pid = await_true(
        lambda: (home / "locks" / "x").exists() and (home / "locks" / "x").read_text(), "one of two holds the lock"
    )
    holder = holders.pop(int(pid))
    (waiter,) = holders.values()
    wait_until_held(holder)
    assert holder.stdin is not None
    holder.stdin.close()
    wait_until_held(waiter)
    with pytest.raises(FleetError, match=f"process {waiter.pid}"), lock_fleet("x", timeout=0.1):
        pytest.fail("two hold the lock")
