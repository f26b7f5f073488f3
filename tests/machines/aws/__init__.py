"""Machines that AWS launches, in a network: see `AwsCloud`."""

from __future__ import annotations

from machines.aws.cloud import AwsCloud
from machines.aws.images import MachineImage, render_facts
from machines.aws.launch import LaunchFailed

__all__ = ["AwsCloud", "LaunchFailed", "MachineImage", "render_facts"]
