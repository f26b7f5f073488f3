"""`SSHCluster` with a worker on each host: says when all have registered, and closes at the end of its standard input.

The first host has the scheduler, too, on the ports of Dask's example. How SSH leads to the hosts is said by
`~/.ssh/config`, which asyncssh reads. `--tls` takes what Dask's configuration says of TLS; its files are on all hosts.
"""

import sys

from distributed import Client, SSHCluster


def main() -> None:
    tls = "--tls" in sys.argv
    hosts = [word for word in sys.argv[1:] if word != "--tls"]
    with SSHCluster(
        [hosts[0], *hosts],
        worker_options={"nthreads": 1},
        scheduler_options={"port": 0, "dashboard_address": ":8797", **({"protocol": "tls://"} if tls else {})},
    ) as cluster:
        cluster.wait_for_workers(len(hosts))
        with Client(cluster) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            scheme = "tls://" if tls else "tcp://"
            print("ready", sum(address.startswith(scheme) for address in workers), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
