"""`EC2Cluster` of N machines for workers, run with dask-cloudprovider's own environment: says when it has them all.

No machine boots here, so one thing is not dask-cloudprovider's: where it waits for the scheduler on its first machine
to answer, one in this process does so at once.
"""

from __future__ import annotations

import argparse
import sys

from dask_cloudprovider.aws import EC2Cluster
from dask_cloudprovider.aws.ec2 import EC2Scheduler
from distributed import Scheduler


class AnsweringScheduler(EC2Scheduler):
    """Launches its machine as any other, and does not wait for it to boot."""

    async def wait_for_scheduler(self) -> None:
        """Have a scheduler answer at the cluster's address."""
        self.answering = await Scheduler(
            protocol="tls", host="127.0.0.1", port=0, security=self.cluster.security, dashboard=False
        )
        self.address = self.answering.address


class Cluster(EC2Cluster):
    """`EC2Cluster`, but for that."""

    async def _start(self) -> None:
        self.scheduler_class = AnsweringScheduler  # `EC2Cluster` sets its own when it is made.
        await super()._start()


def main() -> None:
    """Make the machines, say so, and wait to be ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workers", type=int)
    for name in ("region", "ami", "vpc", "subnet", "security-group", "instance-type"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    Cluster(
        n_workers=given.workers,
        region=given.region,
        ami=given.ami,
        vpc=given.vpc,
        subnet_id=given.subnet,
        security_groups=[given.security_group],
        instance_type=given.instance_type,
        use_private_ip=True,
    )
    print("ready", given.workers, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
