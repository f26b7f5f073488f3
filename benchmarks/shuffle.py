"""A shuffle of a gigabyte: what the connections among the workers cost."""

from __future__ import annotations

from benchmarks.measure import Figure
from benchmarks.throughput import measure_work
from benchmarks.workspace import Workspace


def measure(workspace: Workspace, rounds: int) -> Figure:
    return measure_work(
        workspace,
        rounds,
        work="shuffle",
        repeats=1,
        target=0.85,
        title="A shuffle of 1 GB",
        name="1 GB in 64 partitions, 2 workers",
        measured="persisted dask.dataframe of 1 GB, .shuffle('key', shuffle_method='p2p').persist() and wait(), inside "
        "a warm client",
    )
