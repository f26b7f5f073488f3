"""Networks that reach nothing outside, and end whole."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time

import pytest

from machines import Network, sweep_leftovers
from machines.leftovers import PREFIX, STATE, find_leftovers
from machines.network import render_mac
from machines_library.probes import LISTEN, NOWHERE, TESTS, read_answer, read_answer_from_here

OWNER = """
import sys, time
from machines import Network
network = Network()
network.popen_inside(["sleep", "1000"])
print(network.namespace, flush=True)
time.sleep(1000)
"""


def start_answering(network: Network, answer: str) -> None:
    process = network.popen_inside([sys.executable, "-c", LISTEN, network.gateway, answer])
    network.await_port(network.gateway, 7777, 30, process)


def start_owner() -> tuple[subprocess.Popen[str], str]:
    """A process that owns a network with a process in it, and the network's name."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    return owner, owner.stdout.readline().strip()


def test_a_service_is_reached_from_inside_and_not_from_outside(network: Network):
    start_answering(network, "inside")
    assert read_answer(network.connect(network.gateway, 7777)) == "inside"
    assert read_answer_from_here(network.gateway) == ""


def test_networks_of_the_same_subnet_do_not_meet(network: Network):
    start_answering(network, "one")
    with Network() as other:
        start_answering(other, "other")
        assert read_answer(network.connect(network.gateway, 7777)) == "one"
        assert read_answer(other.connect(other.gateway, 7777)) == "other"


def test_nothing_inside_reaches_what_is_outside(network: Network):
    with pytest.raises(OSError, match="unreachable") as caught:
        network.connect(NOWHERE, 80)
    assert caught.value.errno == errno.ENETUNREACH
    routes = json.loads(network.run_inside(["ip", "-json", "route"]).stdout)
    assert [route["dst"] for route in routes] == [str(network.subnet)]


def test_further_addresses_are_the_gateways():
    with Network("10.99.0.0/28", addresses=["169.254.169.254"]) as network:
        assert network.gateway == "10.99.0.1"
        start = [sys.executable, "-c", LISTEN, "169.254.169.254", "further"]
        network.await_port("169.254.169.254", 7777, 30, network.popen_inside(start))
        assert read_answer(network.connect("169.254.169.254", 7777)) == "further"


def test_a_command_inside_gets_its_environment_and_tells_its_failure(network: Network):
    done = network.run_inside(["sh", "-c", "echo $WORD; cat"], env={"WORD": "word"}, input="read")
    assert done.stdout == "word\nread"
    with pytest.raises(RuntimeError, match=r"ended with 3\n\nwrong"):
        network.run_inside(["sh", "-c", "echo wrong >&2; exit 3"])
    assert network.run_inside(["false"], check=False).returncode == 1


def test_waiting_for_a_port_ends_with_the_process_that_should_listen(network: Network):
    with pytest.raises(RuntimeError, match="ended with 4 before it listened"):
        network.await_port(network.gateway, 7777, 30, network.popen_inside(["sh", "-c", "exit 4"]))
    with pytest.raises(TimeoutError, match=f"nothing listens on {network.gateway}:7777"):
        network.await_port(network.gateway, 7777, 0)


def test_addresses_are_given_once_and_checked(network: Network):
    assert [network.take_address(), network.take_address("10.77.0.11"), network.take_address()] == [
        "10.77.0.10",
        "10.77.0.11",
        "10.77.0.12",
    ]
    network.release_address("10.77.0.10")
    assert network.take_address() == "10.77.0.10"
    for address, reason in (("10.77.0.1", "taken"), ("10.77.0.11", "taken"), ("10.78.0.9", "not in")):
        with pytest.raises(ValueError, match=reason):
            network.take_address(address)


def test_hardware_addresses_follow_from_addresses():
    assert render_mac("10.77.0.10") == "52:54:0a:4d:00:0a"


def test_a_closed_network_leaves_nothing_and_closing_again_is_well(network: Network):
    process = network.popen_inside(["sh", "-c", "sleep 1000 & sleep 1000"])
    network.plug_namespace(network.next_name(), network.take_address())
    assert find_leftovers(network.namespace)
    network.close()
    assert process.poll() is not None
    assert find_leftovers(network.namespace) == []
    network.close()


def test_what_watches_members_is_closed_before_them_whatever_was_added_first(network: Network):
    closed: list[str] = []

    class Closable:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            closed.append(self.name)

    network.add(Closable("first member"))
    network.add_watcher(Closable("watcher"))
    network.add(Closable("last member"))
    network.close()
    assert closed == ["watcher", "last member", "first member"]


def test_what_a_killed_owner_left_is_swept_and_what_a_living_one_has_is_not(network: Network):
    dead, dead_name = start_owner()
    living, living_name = start_owner()
    try:
        dead.kill()
        dead.wait()
        assert any(each.startswith("process") for each in find_leftovers(dead_name))
        assert living_name.removeprefix(PREFIX) not in sweep_leftovers()
        assert find_leftovers(dead_name) == []
        assert any(each.startswith("process") for each in find_leftovers(living_name))
        assert find_leftovers(network.namespace)
    finally:
        for owner in (dead, living):
            owner.kill()
            owner.wait()
            assert owner.stdout is not None
            owner.stdout.close()
    with Network():  # Making one sweeps, too.
        assert find_leftovers(living_name) == []


def test_an_owner_whose_number_was_given_to_another_process_is_dead(network: Network):
    folder = STATE / f"abcdef.1.{int(time.time()) + 10**9}"  # Process 1 lives, and did not start then.
    folder.mkdir()
    sweep_leftovers()
    assert not folder.exists()
