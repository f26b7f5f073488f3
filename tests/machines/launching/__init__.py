"""Machines for the instances of a cloud: what is the same whichever cloud says that an instance runs.

A cloud says what it has (`Watched`), the `Launcher` has machines follow, and a `MachineCloud` is what tests hold.
"""

from __future__ import annotations

from machines.launching.cloud import MachineCloud
from machines.launching.images import render_facts
from machines.launching.launch import LaunchFailed
from machines.launching.launcher import Launcher
from machines.launching.watched import Boot, Instance, Watched

__all__ = [
    "Boot",
    "Instance",
    "LaunchFailed",
    "Launcher",
    "MachineCloud",
    "Watched",
    "render_facts",
]
