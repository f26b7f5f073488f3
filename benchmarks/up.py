"""From `daskfleet up` to all workers registered, against `LocalCluster`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.measure import BenchmarkFailed, Case, Figure, Target, compare_times, take_turns
from benchmarks.workspace import Workspace

WORKERS = (2, 4)
TARGET = 1.25
PROGRAM = Path(__file__).parent / "programs" / "local_cluster.py"
FLEET = "daskfleet up"
PEER = "LocalCluster"
PLAIN = "LocalCluster without a dashboard"


def measure(workspace: Workspace, rounds: int) -> Figure:
    """Each in a fresh process, N workers of one thread; all is ended before the next begins."""
    cases = []
    for workers in WORKERS:
        subjects = {
            FLEET: lambda n=workers: [_time_fleet(workspace, n)],
            PEER: lambda n=workers: [_time_local(workspace, n)],
            PLAIN: lambda n=workers: [_time_local(workspace, n, "--no-dashboard")],
        }
        print(f"  {workers} workers")
        for sample in subjects.values():  # Fills the caches of files and of bytecode.
            sample()
        seconds = take_turns(subjects, rounds)
        comparisons = [
            compare_times(seconds, FLEET, PEER, Target(at_most=TARGET)),
            compare_times(seconds, FLEET, PLAIN),
        ]
        cases.append(Case(f"{workers} workers", seconds, comparisons))
    settings = {
        "rounds": rounds,
        "threads_per_worker": 1,
        "measured": f"{FLEET}: the whole process until it exits, all workers registered; "
        f"{PEER}: from the start of a fresh Python until all workers are registered",
        "dashboard": f"{PEER} has loaded its dashboard by then; the fleet loads it just after; {PLAIN} has none",
    }
    return Figure("From nothing to N registered workers", settings, cases)


def _time_fleet(workspace: Workspace, workers: int) -> float:
    name = f"bench-up-{workers}"
    seconds = workspace.up(workspace.write_spec(name, workers))
    found = workspace.count_workers(name)
    workspace.down(name)
    if found != workers:
        raise BenchmarkFailed(f"`daskfleet up` said that {workers} workers had registered, and there were {found}")
    return seconds


def _time_local(workspace: Workspace, workers: int, *options: str) -> float:
    command = [sys.executable, str(PROGRAM), str(workers), *options]
    begin = time.perf_counter()
    with workspace.start(command) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - begin
        if line.split() != ["ready", str(workers)]:
            raise workspace.fail(command, f"printed {line!r}")
    return seconds
