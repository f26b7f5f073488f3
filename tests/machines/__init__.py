"""Machines on this Linux computer, for tests: systemd containers and virtual machines in a network of their own.

    with Network() as network:
        scheduler = start_container(network, root, "scheduler", user_data=text)
        scheduler.await_console("ready", timeout=60)
        network.run_inside(["python3", "client.py", scheduler.address])

Nothing of it reaches outside, and nothing of it outlives its owner: what a killed process left is removed by the next
`Network`, or by `sweep_leftovers()`.
"""

from __future__ import annotations

from machines.container import Container, start_container
from machines.leftovers import sweep_leftovers
from machines.machine import Machine, MachineError, MachineTimeout
from machines.network import Network
from machines.requirements import require_machines
from machines.virtual import VirtualMachine, start_virtual_machine

__all__ = [
    "Container",
    "Machine",
    "MachineError",
    "MachineTimeout",
    "Network",
    "VirtualMachine",
    "require_machines",
    "start_container",
    "start_virtual_machine",
    "sweep_leftovers",
]
