"""Machines that are systemd containers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import await_true
from machines import Container, MachineError, MachineTimeout, Network, start_container, sweep_leftovers
from machines.leftovers import find_leftovers, find_processes
from machines_library.probes import CONNECT, LISTEN, NOWHERE, TESTS, read_answer, read_answer_from_here

USER_DATA = """\
#cloud-config
write_files:
  - {path: /etc/greeting, content: hello}
runcmd:
  - [sh, -c, "echo set-up-is-done >/dev/console"]
"""

OWNER = """
import sys, time
from pathlib import Path
from machines import Network, start_container
network = Network()
start_container(network, Path(sys.argv[1]), "one").await_console("login:", 60)
print(network.namespace, flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def shared(root: Path) -> Iterator[Network]:
    """A network for machines of several tests."""
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def one(shared: Network, root: Path) -> Container:
    """A machine that tests only look at."""
    machine = start_container(shared, root, "one", user_data=USER_DATA, tmpfs={"/var/small": "size=64k"})
    machine.await_console("set-up-is-done", 60)
    return machine


def test_a_machine_is_set_up_by_its_user_data(one: Container):
    assert one.exec(["cat", "/etc/greeting"]).stdout == "hello"
    assert one.exec(["hostname"]).stdout == "one\n"
    assert one.exec(["ps", "-p1", "-ocomm="]).stdout == "systemd\n"


def test_a_machine_has_its_address_and_is_reached_from_inside_only(shared: Network, one: Container):
    assert one.address == "10.77.0.10"
    one.exec(["systemd-run", "--quiet", "python3", "-c", LISTEN, one.address, "machine"])
    shared.await_port(one.address, 7777, 30)
    assert read_answer(shared.connect(one.address, 7777)) == "machine"
    assert read_answer_from_here(one.address) == ""


def test_a_machine_reaches_the_gateway_and_nothing_outside(shared: Network, one: Container):
    assert f"default via {shared.gateway} dev eth0" in one.exec(["ip", "route"]).stdout
    assert "unreachable" in one.exec(["python3", "-c", CONNECT, NOWHERE], check=False).stderr


def test_machines_talk_to_each_other_until_a_cable_is_pulled(shared: Network, one: Container, root: Path):
    with start_container(shared, root, "two") as two:
        two.await_console("login:", 60)
        two.exec(["systemd-run", "--quiet", "python3", "-c", LISTEN, two.address, "two"])
        shared.await_port(two.address, 7777, 30)

        def ask_two() -> str:
            return one.exec(["python3", "-c", CONNECT, two.address], check=False).stdout

        assert ask_two() == "two"
        shared.cut(two.address)
        assert ask_two() == ""
        shared.mend(two.address)
        await_true(lambda: ask_two() == "two", "the machine answers again")


def test_a_disk_can_be_small(one: Container):
    full = one.exec(["dd", "if=/dev/zero", "of=/var/small/file", "bs=1k", "count=100"], check=False)
    assert "No space left on device" in full.stderr


def test_the_console_has_no_colours_and_a_missing_text_tells_its_end(one: Container):
    console = one.console()
    assert "\x1b" not in console
    assert "\r" not in console
    assert "Reached target multi-user.target" in console
    with pytest.raises(MachineTimeout, match=r"(?s)machine one .*did not write 'nonsense' within 0 s.*set-up-is-done"):
        one.await_console("nonsense", 0)


def test_a_failing_command_on_a_machine_is_an_error(one: Container):
    with pytest.raises(MachineError, match=r"(?s)on machine one ended with 2\n.*/nowhere"):
        one.exec(["ls", "/nowhere"])


def test_a_machine_powers_off_in_order_and_leaves_the_image_as_it_was(network: Network, root: Path):
    machine = start_container(network, root, "short")
    machine.await_console("login:", 60)
    machine.exec(["touch", "/etc/written"])
    machine.power_off()
    assert not machine.is_running()
    assert machine.process.returncode == 0
    assert "Reached target poweroff.target" in machine.console()
    assert not (root / "etc/written").exists()
    with pytest.raises(MachineError, match=r"ended with 0 before 'more' was on its console"):
        machine.await_console("more", 60)
    machine.kill()
    machine.power_off()


def test_a_machine_can_be_powered_off_while_it_starts(network: Network, root: Path):
    machine = start_container(network, root, "short")
    assert machine.leader.is_running()
    machine.power_off()
    assert machine.process.returncode == 0


def test_a_machine_may_power_itself_off(network: Network, root: Path):
    machine = start_container(network, root, "short", user_data="#cloud-config\npower_state: {mode: poweroff}\n")
    machine.await_end(60)
    assert machine.process.returncode == 0


def test_a_power_cut_ends_everything_at_once_and_closing_frees_the_address(network: Network, root: Path):
    machine = start_container(network, root, "short")
    machine.await_console("login:", 60)
    processes = find_processes(f"{network.namespace}-1")
    assert len(processes) > 3
    machine.kill()
    await_true(lambda: not find_processes(f"{network.namespace}-1"), "the machine's processes are gone")
    machine.close()
    assert find_leftovers(f"{network.namespace}-1") == []
    with start_container(network, root, "next") as again:
        assert again.address == machine.address
        again.await_console("login:", 60)


def test_a_machine_sees_bound_folders(network: Network, root: Path, tmp_path: Path):
    (tmp_path / "file").write_text("bound")
    machine = start_container(
        network, root, "short", binds={"/srv/rw": tmp_path}, read_only_binds={"/srv/ro": tmp_path}
    )
    machine.await_console("login:", 60)
    assert machine.exec(["cat", "/srv/ro/file"]).stdout == "bound"
    assert "Read-only" in machine.exec(["touch", "/srv/ro/new"], check=False).stderr
    machine.exec(["touch", "/srv/rw/new"])
    assert (tmp_path / "new").exists()


def test_a_folder_without_a_root_file_system_is_refused(network: Network, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="holds no root file system"):
        start_container(network, tmp_path, "none")


def test_what_is_left_of_a_machine_whose_owner_was_killed_is_swept(root: Path):
    command = [sys.executable, "-c", OWNER, str(root)]
    owner = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout as stdout:
        name = stdout.readline().strip()
    owner.kill()
    owner.wait()
    assert {each.partition(" ")[0] for each in find_leftovers(name)} >= {"process", "namespace", "control", "folder"}
    sweep_leftovers()
    assert find_leftovers(name) == []
    assert name not in Path("/proc/self/mountinfo").read_text()
