"""Work through `daskfleet connect`, against the same program on `LocalCluster`, without TLS and with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import BenchmarkFailed, Case, Figure, Target, compare_throughput, take_turns
from benchmarks.workspace import Workspace

PROGRAM = Path(__file__).parent / "programs" / "work.py"
WORKERS = 2
FLEET = "daskfleet (TLS)"
PEER = "LocalCluster"
TLS_PEER = "LocalCluster with TLS"


def measure_work(
    workspace: Workspace, rounds: int, *, work: str, repeats: int, target: float, title: str, name: str, measured: str
) -> Figure:
    """In each round every subject starts afresh, warms up, and gives `repeats` samples from inside its client."""
    facts: dict[str, dict[str, list[float]]] = {}
    options = [work, "--workers", str(WORKERS), "--repeats", str(repeats)]
    program = [sys.executable, str(PROGRAM), *options]

    def sample_fleet() -> list[float]:
        fleet = f"bench-{work}"
        workspace.up(workspace.write_spec(fleet, WORKERS))
        command = [*workspace.daskfleet, "connect", fleet, "--", *program, "--cluster", "fleet"]
        seconds = _read_samples(workspace, command, repeats, facts.setdefault(FLEET, {}))
        workspace.down(fleet)
        return seconds

    def sample_local(subject: str, cluster: str) -> list[float]:
        command = [*program, "--cluster", cluster]
        return _read_samples(workspace, command, repeats, facts.setdefault(subject, {}))

    seconds = take_turns(
        {
            FLEET: sample_fleet,
            PEER: lambda: sample_local(PEER, "local"),
            TLS_PEER: lambda: sample_local(TLS_PEER, "local-tls"),
        },
        rounds,
    )
    comparisons = [
        compare_throughput(seconds, FLEET, PEER, Target(at_least=target)),
        compare_throughput(seconds, FLEET, TLS_PEER),
        compare_throughput(seconds, TLS_PEER, PEER),
    ]
    settings = {
        "rounds": rounds,
        "samples_per_round": repeats,
        "workers": WORKERS,
        "threads_per_worker": 1,
        "measured": measured,
    }
    return Figure(title, settings, [Case(name, seconds, comparisons, facts)])


def _read_samples(
    workspace: Workspace, command: Sequence[str], repeats: int, facts: dict[str, list[float]]
) -> list[float]:
    """Run `work.py`; returns the seconds that it measured, and adds what else it saw to `facts`."""
    _, output = workspace.run(command)
    samples = [json.loads(line) for line in output.splitlines()]
    if len(samples) != repeats:
        raise BenchmarkFailed(f"`{' '.join(command)}` gave {len(samples)} samples, not {repeats}")
    for fact in ("cpu_seconds", "other_cpu_seconds", "loopback_bytes"):
        facts.setdefault(fact, []).extend(sample[fact] for sample in samples)
    return [sample["seconds"] for sample in samples]
