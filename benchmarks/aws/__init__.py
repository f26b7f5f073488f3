"""Fleets in AWS: machines against `EC2Cluster`'s, what a plan takes, and `connect`; on one moto server, in one run.

The engine is the real one; its plugins are the stand-ins of the tests. No machine boots.
"""

from __future__ import annotations

from benchmarks.aws import connect, machines, plan
from benchmarks.aws.cloud import open_cloud
from benchmarks.measure import Figure
from benchmarks.workspace import Workspace


def measure(workspace: Workspace, rounds: int) -> dict[str, Figure]:
    """A figure for each file of results."""
    with open_cloud(workspace) as cloud:
        launched, ups = machines.measure(cloud, rounds)
        return {
            "aws": launched,
            "aws-plan": plan.measure(cloud, rounds, ups),
            "aws-connect": connect.measure(workspace, cloud, rounds),
        }
