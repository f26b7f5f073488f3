"""The same work on whatever a `Client` lands on: prints the seconds of each repetition, one JSON object a line.

`work.py --cluster fleet` is run by `daskfleet connect`, whose environment leads the bare `Client()` to the fleet. With
`local` and `local-tls` the client starts a `LocalCluster`, as a bare `Client()` does where there is no fleet.
"""

import argparse
import contextlib
import json
import os
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


def run_tasks(client: Client, numbers: range) -> list[int]:
    """Tiny tasks: there and back again."""
    results: list[int] = client.gather(client.map(inc, numbers))
    return results


def measure_tasks(client: Client, count: int, repeats: int) -> None:
    """Times batches of tasks that were not seen before."""
    begin = 0
    start = time.monotonic()
    while time.monotonic() < start + WARM_SECONDS:
        run_tasks(client, range(begin, begin + count // 10))
        begin += count
    for _ in range(repeats):
        numbers = range(begin, begin + count)
        results = report(client, lambda numbers=numbers: run_tasks(client, numbers))
        if results != [number + 1 for number in numbers]:
            sys.exit("the tasks gave wrong results")
        begin += count


def make_partition(number: int, rows: int) -> Any:
    """Random numbers, `ROW_BYTES` a row with the key."""
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(number)
    columns = {f"x{column}": generator.random(rows) for column in range(ROW_BYTES // 8 - 1)}
    return pd.DataFrame({"key": generator.integers(0, 2**62, rows), **columns})


def make_data(client: Client, size: int, partitions: int, seed: int) -> Any:
    """A dask.dataframe in the workers' memory."""
    import dask.dataframe as dd

    rows = size // partitions // ROW_BYTES
    numbers = range(seed, seed + partitions)
    data = dd.from_map(make_partition, numbers, rows=rows, meta=make_partition(0, 1)).persist()
    wait(data)
    settle(client)
    return data


def run_shuffle(data: Any) -> Any:
    """Deal out the data anew by its key, from the workers' memory into the workers' memory."""
    shuffled = data.shuffle("key", shuffle_method="p2p").persist()
    wait(shuffled)
    return shuffled


def settle(client: Client) -> None:
    """Every worker has done what it was told before, such as to forget data that nobody holds any more."""
    client.run(lambda: None)


def measure_shuffle(client: Client, size: int, partitions: int, repeats: int) -> None:
    """Times shuffles of new data."""
    start = time.monotonic()
    seed = 0
    while seed == 0 or time.monotonic() < start + WARM_SECONDS:
        run_shuffle(make_data(client, size // 8, partitions, seed))
        seed += partitions
    for _ in range(repeats):
        data = make_data(client, size, partitions, seed)
        shuffled = report(client, lambda data=data: run_shuffle(data))
        if len(shuffled) != len(data):
            sys.exit("the shuffle lost rows")
        del data, shuffled
        settle(client)
        seed += partitions


def report(client: Client, run: Callable[[], Any]) -> Any:
    """Print how long it takes, with the processor time of client, scheduler and workers in it; returns what it returns.

    Beside it, to judge the sample by: the processor time of everything else on the machine, and how much the loopback
    interface has carried, whoever sent it.
    """
    pids = {os.getpid(), client.run_on_scheduler(os.getpid), *client.run(os.getpid).values()}
    processes = [psutil.Process(pid) for pid in pids]
    sent, used, used_by_all = count_loopback_bytes(), count_cpu_seconds(processes), count_busy_seconds()
    begin = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - begin
    cpu_seconds = count_cpu_seconds(processes) - used
    sample = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "other_cpu_seconds": count_busy_seconds() - used_by_all - cpu_seconds,
        "loopback_bytes": count_loopback_bytes() - sent,
    }
    print(json.dumps(sample), flush=True)
    return result


def count_cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def count_busy_seconds() -> float:
    """Processor time that this machine has spent on anything."""
    times = psutil.cpu_times()
    return times.user + times.system + times.nice


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
