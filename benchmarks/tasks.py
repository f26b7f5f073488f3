"""Ten thousand tiny tasks: what the scheduler and the connection to it cost."""

from __future__ import annotations

from benchmarks.measure import Figure
from benchmarks.throughput import measure_work
from benchmarks.workspace import Workspace


def measure(workspace: Workspace, rounds: int) -> Figure:
    return measure_work(
        workspace,
        rounds,
        work="tasks",
        repeats=1,
        target=0.95,
        title="10,000 tiny tasks",
        name="10,000 tasks, 2 workers",
        measured="client.gather(client.map(inc, range(10_000))) inside a warm client",
    )
