"""`LocalCluster` with N workers: says when all have registered, and closes at the end of its standard input."""

import sys

from distributed import LocalCluster


def main() -> None:
    workers = int(sys.argv[1])
    options = {"dashboard_address": None} if "--no-dashboard" in sys.argv else {}
    with LocalCluster(n_workers=workers, processes=True, threads_per_worker=1, **options) as cluster:
        cluster.wait_for_workers(workers)
        print("ready", len(cluster.scheduler.workers), flush=True)
        sys.stdin.read()


if __name__ == "__main__":  # The workers' processes import this file, too.
    main()
