"""Machines that AWS launches, in a network: see `AwsCloud`."""

from __future__ import annotations

from machines.aws.images import MachineImage, render_facts
from machines.aws.launcher import AwsCloud, LaunchFailed

__all__ = ["AwsCloud", "LaunchFailed", "MachineImage", "render_facts"]
