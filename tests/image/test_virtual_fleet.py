"""A fleet on virtual machines, from the image that packer built: kernel, boot loader, network and clock are real."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image.built import BuiltImage
from image.fleet import SCHEDULER_ADDRESS, Cloud, open_cloud
from machines import Machine, VirtualMachine

EXAMPLES = Path(__file__).parents[2] / "examples"
BOOT_SECONDS = 60
"""Of a machine that need not be emulated; times its patience."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, image: BuiltImage) -> Iterator[Cloud]:
    """One network for the tests of this file, which take their time to boot."""
    with open_cloud(tmp_path_factory.mktemp("virtual"), image) as cloud:
        yield cloud


@dataclass(frozen=True)
class Fleet:
    """A scheduler and two workers, of which one is a container: machines that are emulated compute slowly."""

    scheduler: VirtualMachine
    worker: VirtualMachine
    """`worker-b`"""
    other: Machine
    """`worker-a`"""

    @property
    def patience(self) -> float:
        return self.scheduler.patience


@pytest.fixture(scope="module")
def fleet(cloud: Cloud) -> Fleet:
    scheduler = cloud.boot_virtual_machine("scheduler", cloud.scheduler_document(), SCHEDULER_ADDRESS)
    worker = cloud.boot_virtual_machine("worker-b", cloud.workers_document())
    for machine in (scheduler, worker):
        machine.await_console("phase: registered", timeout=BOOT_SECONDS * machine.patience)
    return Fleet(scheduler, worker, cloud.boot_container("worker-a", cloud.workers_document()))


def test_an_unchanged_script_computes_on_virtual_machines(cloud: Cloud, fleet: Fleet):
    printed = cloud.run_on_fleet(
        sys.executable, str(EXAMPLES / "flights.py"), "--ship", "--check", timeout=60 * fleet.patience
    )
    assert "336,776 flights" in printed
    assert "Check passed" in printed
    hosts = cloud.compute("print(*client.run(__import__('socket').gethostname).values())", 60 * fleet.patience)
    assert "worker-b" in hosts.split()
    assert "phase: kernel" in fleet.worker.console()


def test_a_killed_worker_comes_back_on_its_machine(cloud: Cloud, fleet: Fleet):
    registered = fleet.worker.console().count("phase: registered")
    cloud.compute(
        """
        import os
        workers = client.scheduler_info(n_workers=-1)["workers"]
        victim = next(address for address, info in workers.items() if "worker-b" in info["name"])
        pid = client.run(os.getpid, workers=[victim])[victim]
        client.run(os.kill, pid, 9, workers=[victim], on_error="ignore")
        """,
        90 * fleet.patience,
    )
    fleet.worker.await_console("phase: registered", timeout=30 * fleet.patience, times=registered + 1)


def test_a_virtual_machine_that_is_switched_off_hands_its_data_over_first(cloud: Cloud, fleet: Fleet):
    cloud.compute("client.wait_for_workers(2)", 60 * fleet.patience)
    printed = cloud.power_off_while_holding_data(fleet.worker, 60 * fleet.patience)
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
