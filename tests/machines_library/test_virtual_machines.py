"""Machines that are virtual machines."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from machines import MachineError, Network, VirtualMachine, require_machines, start_container, start_virtual_machine
from machines.acceleration import PROBE_EXIT, PROBE_SECTOR, has_processor_flag, run_probe
from machines.base import find_kernel, make_base_disk
from machines.leftovers import find_leftovers
from machines.requirements import VIRTUAL_TOOLS
from machines_library.probes import CONNECT, LISTEN, PORT, read_answer, read_answer_from_here

USER_DATA = f"""\
#cloud-config
write_files:
  - {{path: /etc/greeting, content: hello}}
  - {{path: /etc/listen.py, content: {json.dumps(LISTEN)}}}
runcmd:
  - [sh, -c, "(cat /etc/greeting; echo; hostname; ip -brief address; date --iso-8601=seconds) >/dev/console"]
  - [systemd-run, python3, /etc/listen.py, 0.0.0.0, virtual]
  - [sh, -c, "echo set-up-is-done >/dev/console"]
"""

CLOCK = "2035-01-02T03:04:05"
"""Later than now. An earlier one than the machine's systemd was built at becomes that moment."""


@pytest.fixture(scope="module")
def network(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    require_machines(*VIRTUAL_TOOLS, "qemu-img", "mkfs.ext4")
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def disk(root: Path, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    yield make_base_disk(root, folder / "disk.qcow2")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def one(network: Network, disk: Path, root: Path) -> VirtualMachine:
    machine = start_virtual_machine(
        network, disk, "one", user_data=USER_DATA, boot=find_kernel(root), cpus=2, memory=512, rtc=CLOCK
    )
    machine.await_console("set-up-is-done", 60 * machine.patience)
    return machine


pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_virtual_machine_is_set_up_by_its_user_data(one: VirtualMachine):
    console = one.console()
    assert "hello\none\n" in console
    assert f"{one.address}/24" in console


def test_a_virtual_machines_clock_shows_what_it_was_told(one: VirtualMachine):
    shown = next(line for line in one.console().splitlines() if line.startswith("2035-"))
    late = datetime.datetime.fromisoformat(shown) - datetime.datetime.fromisoformat(f"{CLOCK}+00:00")
    assert datetime.timedelta(0) < late < datetime.timedelta(minutes=10)


def test_a_virtual_machine_and_a_container_meet(network: Network, one: VirtualMachine, root: Path):
    with start_container(network, root, "two") as two:
        two.await_console("login:", 60)
        assert two.exec(["python3", "-c", CONNECT, one.address]).stdout == "virtual"
    assert read_answer(network.connect(one.address, PORT, timeout=30)) == "virtual"
    assert read_answer_from_here(one.address) == ""


def test_a_virtual_machine_answers_its_monitor(one: VirtualMachine):
    assert one.command("query-status")["running"] is True
    with pytest.raises(RuntimeError, match=r"refuses nonsense"):
        one.command("nonsense")


def test_a_virtual_machine_powers_off_in_order_and_leaves_its_image_as_it_was(network: Network, one: VirtualMachine):
    """The last test of `one`."""
    one.power_off()
    assert one.process.returncode == 0
    assert "Reached target poweroff.target" in one.console()
    one.close()
    assert not any("tap" in line for line in network.run_inside(["ip", "-brief", "link"]).stdout.splitlines())


def test_a_power_cut_ends_a_virtual_machine_at_once(network: Network, disk: Path, root: Path):
    machine = start_virtual_machine(network, disk, "short", boot=find_kernel(root))
    machine.await_console("Linux version", 10 * machine.patience)
    machine.power_off(graceful=False)
    assert not machine.is_running()
    machine.close()


def test_what_qemu_says_of_a_wrong_option_is_in_the_error(network: Network, disk: Path):
    machine = start_virtual_machine(network, disk, "wrong", options=["-nonsense"])
    with pytest.raises(MachineError, match=r"(?s)machine wrong .*ended with 1 .*-nonsense: invalid option"):
        machine.await_console("login:", 30)


def test_an_open_network_with_a_virtual_machine_leaves_nothing(disk: Path, root: Path):
    with Network() as other:
        machine = start_virtual_machine(other, disk, "short", boot=find_kernel(root))
        machine.await_console("Linux version", 10 * machine.patience)
    assert find_leftovers(other.namespace) == []


def test_the_probe_of_the_processor_ends_where_machines_run(network: Network, tmp_path: Path):
    disk = tmp_path / "probe.img"
    disk.write_bytes(PROBE_SECTOR.ljust(1 << 20, b"\0"))
    assert run_probe(disk, "tcg") == PROBE_EXIT
    disk.write_bytes(bytes(1 << 20))
    assert run_probe(disk, "nonsense") == 1


def test_the_processor_must_say_that_it_runs_machines():
    assert has_processor_flag("processor\t: 0\nflags\t\t: fpu svm sse\n")
    assert has_processor_flag("flags : vmx\n")
    assert not has_processor_flag("model name: vmx\nflags\t\t: fpu svm_lock sse\n")
