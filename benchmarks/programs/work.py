"""The same work on whatever a `Client` lands on: prints the seconds of each repetition, one JSON object a line.

`work.py --cluster fleet` is run by `daskfleet connect`, whose environment leads the bare `Client()` to the fleet. With
`local` and `local-tls` the client starts a `LocalCluster`, as a bare `Client()` does where there is no fleet.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from distributed import Client, LocalCluster, Security, wait

WARM_SECONDS = 5.0
"""What a cluster still does after its start, such as loading the dashboard, must not fall into the measurement."""

ROW_BYTES = 64


def inc(number: int) -> int:
    return number + 1


def run_tasks(client: Client, begin: int, count: int) -> float:
    """Tiny tasks: there and back again."""
    start = time.perf_counter()
    results = client.gather(client.map(inc, range(begin, begin + count)))
    seconds = time.perf_counter() - start
    if results != list(range(begin + 1, begin + count + 1)):
        raise SystemExit("the tasks gave wrong results")
    return seconds


def measure_tasks(client: Client, count: int, repeats: int) -> None:
    """Times batches of tasks that were not seen before."""
    begin = 0
    start = time.monotonic()
    while begin < 2 * count or time.monotonic() < start + WARM_SECONDS:
        run_tasks(client, begin, count)
        begin += count
    for _ in range(repeats):
        report(lambda number=begin: run_tasks(client, number, count))
        begin += count


def make_partition(number: int, rows: int) -> Any:
    """Random numbers, `ROW_BYTES` a row with the key."""
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(number)
    columns = {f"x{column}": generator.random(rows) for column in range(ROW_BYTES // 8 - 1)}
    return pd.DataFrame({"key": generator.integers(0, 2**62, rows), **columns})


def run_shuffle(client: Client, size: int, partitions: int, seed: int) -> float:
    """Data in the workers' memory, dealt out anew by a key, into the workers' memory."""
    import dask.dataframe as dd

    rows = size // partitions // ROW_BYTES
    before = dd.from_map(make_partition, range(seed, seed + partitions), rows=rows, meta=make_partition(0, 1)).persist()
    wait(before)
    start = time.perf_counter()
    after = before.shuffle("key", shuffle_method="p2p").persist()
    wait(after)
    seconds = time.perf_counter() - start
    if len(after) != rows * partitions:
        raise SystemExit("the shuffle lost rows")
    del before, after
    client.run(lambda: None)  # The futures are released before this is answered.
    return seconds


def measure_shuffle(client: Client, size: int, partitions: int, repeats: int) -> None:
    """Times shuffles of new data."""
    start = time.monotonic()
    seed = 0
    while seed == 0 or time.monotonic() < start + WARM_SECONDS:
        run_shuffle(client, size // 8, partitions, seed)
        seed += partitions
    for _ in range(repeats):
        report(lambda number=seed: run_shuffle(client, size, partitions, number))
        seed += partitions


def report(run: Callable[[], float]) -> None:
    """Print the time, and how much the loopback interface has carried meanwhile, whoever sent it."""
    before = count_loopback_bytes()
    seconds = run()
    print(json.dumps({"seconds": seconds, "loopback_bytes": count_loopback_bytes() - before}), flush=True)


def count_loopback_bytes() -> int:
    counters = psutil.net_io_counters(pernic=True)
    return sum(counters[name].bytes_sent for name in ("lo", "lo0") if name in counters)


@contextlib.contextmanager
def open_client(cluster: str, workers: int) -> Iterator[Client]:
    """A client of a cluster with that many workers of one thread each."""
    if cluster == "fleet":
        with Client() as client:
            yield client
        return
    tls: dict[str, Any] = {"security": Security.temporary(), "protocol": "tls://"} if cluster == "local-tls" else {}
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **tls) as local,
        Client(local) as client,
    ):
        yield client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=["tasks", "shuffle"])
    parser.add_argument("--cluster", choices=["fleet", "local", "local-tls"], required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--count", type=int, default=10_000, help="tasks in a batch")
    parser.add_argument("--bytes", type=int, default=10**9, help="size of the data to shuffle")
    parser.add_argument("--partitions", type=int, default=64)
    arguments = parser.parse_args()
    with open_client(arguments.cluster, arguments.workers) as client:
        client.wait_for_workers(arguments.workers)
        workers = client.scheduler_info(n_workers=-1)["workers"]
        scheme = "tcp://" if arguments.cluster == "local" else "tls://"
        if len(workers) != arguments.workers or not all(address.startswith(scheme) for address in workers):
            sys.exit(f"not what was asked for: {', '.join(workers)}")
        if {worker["nthreads"] for worker in workers.values()} != {1}:
            sys.exit("a worker has not one thread")
        if arguments.work == "tasks":
            measure_tasks(client, arguments.count, arguments.repeats)
        else:
            measure_shuffle(client, arguments.bytes, arguments.partitions, arguments.repeats)


if __name__ == "__main__":  # The workers' processes import this file, too.
    main()
