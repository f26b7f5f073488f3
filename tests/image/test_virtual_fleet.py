"""A fleet on virtual machines, from the image that packer built: kernel, boot loader, network and clock are real."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.built import BuiltImage
from image.fleet import SCHEDULER_ADDRESS, Cloud, open_cloud
from machines import VirtualMachine

EXAMPLES = Path(__file__).parents[2] / "examples"
BOOT_SECONDS = 60
"""Of a machine that need not be emulated; times its patience."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, image: BuiltImage) -> Iterator[Cloud]:
    """One network for the tests of this file, which take their time to boot."""
    with open_cloud(tmp_path_factory.mktemp("virtual"), image) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def fleet(cloud: Cloud) -> dict[str, VirtualMachine]:
    """A scheduler and two workers, registered."""
    machines = {"scheduler": cloud.boot_virtual_machine("scheduler", cloud.scheduler_document(), SCHEDULER_ADDRESS)}
    for name in ("worker-a", "worker-b"):
        machines[name] = cloud.boot_virtual_machine(name, cloud.workers_document())
    for machine in machines.values():
        machine.await_console("phase: registered", timeout=BOOT_SECONDS * machine.patience)
    return machines


def test_an_unchanged_script_computes_on_virtual_machines(cloud: Cloud, fleet: dict[str, VirtualMachine]):
    patience = fleet["scheduler"].patience
    printed = cloud.run_on_fleet(
        sys.executable, str(EXAMPLES / "flights.py"), "--ship", "--check", timeout=60 * patience
    )
    assert "336,776 flights" in printed
    assert "Check passed" in printed
    hosts = cloud.compute("print(*sorted(set(client.run(__import__('socket').gethostname).values())))", 60 * patience)
    assert hosts.split() == ["worker-a", "worker-b"]
    assert "phase: kernel" in fleet["worker-a"].console()


def test_a_killed_worker_comes_back_on_its_machine(cloud: Cloud, fleet: dict[str, VirtualMachine]):
    patience = fleet["scheduler"].patience
    consoles = {name: machine.console().count("phase: registered") for name, machine in fleet.items()}
    cloud.compute(
        """
        import os
        workers = client.scheduler_info(n_workers=-1)["workers"]
        victim = next(address for address, info in workers.items() if "worker-a" in info["name"])
        pid = client.run(os.getpid, workers=[victim])[victim]
        client.run(os.kill, pid, 9, workers=[victim], on_error="ignore")
        """,
        90 * patience,
    )
    worker = fleet["worker-a"]
    worker.await_console("phase: registered", timeout=30 * patience, times=consoles["worker-a"] + 1)
    assert fleet["worker-b"].console().count("phase: registered") == consoles["worker-b"]


def test_a_virtual_machine_that_is_switched_off_hands_its_data_over_first(
    cloud: Cloud, fleet: dict[str, VirtualMachine]
):
    patience = fleet["scheduler"].patience
    printed = cloud.power_off_while_holding_data(fleet["worker-b"], 60 * patience)
    assert printed == ["kept", "20", str(sum(n * n for n in range(20)))]


def test_a_clock_that_is_years_ahead_is_told(cloud: Cloud):
    # One that is years behind is not to be seen here: systemd never lets a clock show a time before the image's own.
    machine = cloud.boot_virtual_machine("early", cloud.workers_document(), rtc="2040-01-01")
    try:
        machine.await_console("phase: failed", timeout=BOOT_SECONDS * machine.patience)
        line = next(line for line in machine.console().splitlines() if "phase: failed" in line)
        assert "this machine's clock says 2040-01-01" in line
        assert "set the clock" in line
    finally:
        machine.close()
