"""A fleet on somebody else's machine stands back, and steps aside while it is used.

That it goes on when others have gone is not looked at here: hosts share the processors with whatever else this computer
does, which may be never quiet.
"""

from __future__ import annotations

import pytest

from harness import await_true
from ssh.fleet_lab import FleetLab


def read_states(lab: FleetLab) -> dict[str, str]:
    """What each worker does."""
    return {worker["name"]: worker["state"] for group in lab.status()["groups"] for worker in group["workers"]}


@pytest.mark.slow
def test_workers_stand_back_and_take_no_tasks_while_others_use_the_machine(lab: FleetLab) -> None:
    lab.ok("up", lab.write("hosts: [{host: desk-1, pause_when_busy: true}, {host: rack01, nice: 0}]\nscheduler: local"))
    for host, nice in (("desk-1", "10"), ("rack01", "0")):
        listed = lab.hosts[host].run(["ps", "-eo", "ni,args"], user=False).stdout.splitlines()
        fleet = [line.split()[0] for line in listed if "runtime" in line or "spawn_main" in line]
        assert len(fleet) >= 3
        assert set(fleet) == {nice}, listed
    # Asking for the status uses the processors, which the hosts share: until something has changed, look at the log.
    (log,) = lab.hosts["desk-1"].home_outside.glob(".daskfleet/lab-*/desk-1/logs/desk-1.log")
    lab.hosts["desk-1"].burn(2)
    try:
        await_true(lambda: "the workers take no new tasks" in log.read_text(), "its node steps aside", timeout=60)
        await_true(lambda: read_states(lab)["desk-1-0"] == "paused", "its worker pauses")
        assert read_states(lab)["rack01-0"] == "running"
        lab.client.write("sum.py", "from distributed import Client\nprint(Client().submit(sum, [1, 2, 3]).result())\n")
        assert lab.ok("connect", "lab", "--", "python", "sum.py") == "6\n"
    finally:
        lab.hosts["desk-1"].rest()
