"""A machine of a fleet is a virtual one, from the image that packer built: kernel, boot loader and network are real.

The others are containers of the same image, since machines that are emulated boot and compute slowly.
"""

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
def worker(cloud: Cloud) -> VirtualMachine:
    """`worker-b`, a virtual machine; registered, as is `worker-a`."""
    machine = cloud.boot_virtual_machine("worker-b", cloud.workers_document())
    cloud.boot_container("scheduler", cloud.scheduler_document(), SCHEDULER_ADDRESS)
    cloud.boot_container("worker-a", cloud.workers_document())
    machine.await_console("phase: registered", timeout=BOOT_SECONDS * machine.patience)
    return machine


def test_an_unchanged_script_computes_on_a_virtual_machine(cloud: Cloud, worker: VirtualMachine):
    printed = cloud.run_on_fleet(
        sys.executable, str(EXAMPLES / "flights.py"), "--ship", "--check", timeout=60 * worker.patience
    )
    assert "336,776 flights" in printed
    assert "Check passed" in printed
    hosts = cloud.compute("print(*client.run(__import__('socket').gethostname).values())", 60 * worker.patience)
    assert "worker-b" in hosts.split()
    assert "phase: kernel" in worker.console()


def test_a_killed_worker_comes_back_on_its_machine(cloud: Cloud, worker: VirtualMachine):
    registered = worker.console().count("phase: registered")
    cloud.compute(
        """
        import os
        workers = client.scheduler_info(n_workers=-1)["workers"]
        victim = next(address for address, info in workers.items() if "worker-b" in info["name"])
        pid = client.run(os.getpid, workers=[victim])[victim]
        client.run(os.kill, pid, 9, workers=[victim], on_error="ignore")
        """,
        90 * worker.patience,
    )
    worker.await_console("phase: registered", timeout=30 * worker.patience, times=registered + 1)


def test_a_virtual_machine_that_is_switched_off_hands_its_data_over_first(cloud: Cloud, worker: VirtualMachine):
    cloud.compute("client.wait_for_workers(2)", 60 * worker.patience)
    printed = cloud.power_off_while_holding_data(worker, 60 * worker.patience)
    assert printed == ["kept", "20", str(sum(n * n for n in range(20)))]
