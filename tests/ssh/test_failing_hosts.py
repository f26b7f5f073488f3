"""Hosts that are off, hang, refuse, are full or wrong: each is told with why and what to do, and stops no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssh.fleet_lab import FleetLab
from ssh_lab import HostSpec, open_lab

FLEET = "hosts: [desk-1, desk-2, 'rack[01-04]']\nscheduler: rack03"


def test_hosts_that_hang_refuse_or_are_strangers_stop_no_other_and_join_later(lab: FleetLab) -> None:
    hosts = lab.hosts
    hosts["desk-1"].hang()
    hosts["desk-2"].reject_keys()
    lab.lab.forget(hosts["rack01"])
    hosts["rack02"].power_off()
    file = lab.write(FLEET)
    reasons = {
        "desk-1": "it does not answer: is it on, and does a way lead there?",
        "desk-2": "it accepts none of your keys for user bob: name the right one in ~/.ssh/config, or load it into the",
        "rack01": "is not in your known_hosts: log in once by hand and compare it: `ssh rack01`",
        "rack02": "`ssh rack02` may tell more",
    }

    examined = lab.run("doctor", file, "--json")
    assert examined.returncode == 1
    checks = {each["check"]: each for each in json.loads(examined.stdout)}
    for host, reason in reasons.items():
        assert reason in checks[host]["problem"] or "is it on" in checks[host]["problem"], checks[host]
    assert checks["rack04"]["ok"]
    assert "Python 3." in checks["rack04"]["found"]

    done = lab.run("up", file)
    assert done.returncode == 0, done.stderr
    assert "workers    2 in cpu" in done.stdout
    for host in reasons:
        assert f"not in the fleet: {host}: " in done.stderr
    assert "`daskfleet up lab` adds them when that is mended" in done.stderr
    status = lab.status()
    assert status["state"] == "degraded"
    assert sum("is not in the fleet" in problem for problem in status["problems"]) == 4
    assert lab.workers() == {"rack03-0", "rack04-0"}

    hosts["desk-1"].resume()
    hosts["desk-2"].accept_keys()
    lab.lab.trust(hosts["rack01"])
    hosts["rack02"].power_on()
    lab.ok("up", "lab")
    assert len(lab.workers()) == 6
    assert lab.status()["state"] == "running"


def test_a_host_whose_key_has_changed_is_not_trusted(lab: FleetLab) -> None:
    known = lab.client.run(["cat", ".ssh/known_hosts"]).stdout.splitlines()
    lines = {line.split(" ", 1)[0]: line.split(" ", 1) for line in known}
    mine = next(names for names in lines if "desk-2" in names)
    other = next(key for names, (_, key) in lines.items() if "rack02" in names)
    changed = [f"{mine} {other}" if line.startswith(mine) else line for line in known]
    lab.client.write(".ssh/known_hosts", "\n".join(changed) + "\n")
    try:
        done = lab.run("doctor", lab.write("hosts: [desk-1, desk-2]"))
    finally:
        lab.client.write(".ssh/known_hosts", "\n".join(known) + "\n")
    assert done.returncode == 1
    assert "is another than the one in your known_hosts: somebody else may answer for it" in done.stdout
    assert f"ssh-keygen -R {lab.hosts['desk-2'].address}" in done.stdout


def test_a_jump_host_that_is_off_is_named(lab: FleetLab) -> None:
    lab.lab.hosts["gate"].hang()
    try:
        done = lab.run("up", lab.write("hosts: [desk-1, rack03]"))
    finally:
        lab.lab.hosts["gate"].resume()
    assert done.returncode == 0, done.stderr
    assert "rack03: its jump host gate does not let us through: it does not answer" in done.stderr
    assert lab.workers() == {"desk-1-0"}


def test_without_the_schedulers_host_there_is_no_fleet_and_nothing_is_left(lab: FleetLab) -> None:
    lab.hosts["desk-2"].reject_keys()
    try:
        done = lab.run("up", lab.write("hosts: [desk-1, desk-2]\nscheduler: desk-2"))
    finally:
        lab.hosts["desk-2"].accept_keys()
    assert done.returncode == 1
    assert "error: the scheduler's host desk-2 cannot be used: it accepts none of your keys" in done.stderr
    assert json.loads(lab.ok("list", "--json")) == []


def test_a_python_that_is_not_there_is_told_with_the_ways_out(lab: FleetLab) -> None:
    file = lab.write("hosts: [desk-1]\nenvironment: {mode: existing, python: /opt/none/bin/python}")
    done = lab.run("up", file)
    assert done.returncode == 1
    assert "there is no /opt/none/bin/python; give the path of one that is there" in done.stderr
    file = lab.write("hosts: [desk-1]\nenvironment: {mode: existing, python: /usr/bin/python3}")
    done = lab.run("doctor", file)
    assert done.returncode == 1
    assert "/usr/bin/python3 lacks dask, distributed, cloudpickle, pydantic" in done.stdout
    assert "/usr/bin/python3 -m pip install dask" in done.stdout


def test_a_port_that_is_taken_is_told_and_auto_goes_round_it(lab: FleetLab) -> None:
    holder = lab.hosts["desk-1"].popen(["python3", "-m", "http.server", "--bind", "127.0.0.1", "8786"])
    try:
        while 8786 not in lab.hosts["desk-1"].list_ports():
            assert holder.poll() is None
        done = lab.run("up", lab.write("hosts: [desk-1]\nscheduler: {port: 8786}"))
        assert done.returncode == 1
        assert "scheduler.port: 8786: something listens there on desk-1; end it, choose another port" in done.stderr
        assert ":8787 after" in lab.ok("up", lab.write("hosts: [desk-1]"))
        lab.ok("down", "lab")
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[FleetLab]:
    """Two hosts, one of them with little room."""
    with open_lab(tmp_path) as lab:
        room = 200 << 20
        hosts = lab.add_hosts([HostSpec("wide"), HostSpec("tight", tmp_bytes=room, home_bytes=room)])
        fleet_lab = FleetLab(lab, hosts)
        yield fleet_lab
        fleet_lab.clean()


def test_a_host_whose_disk_is_full_is_left_out(small: FleetLab) -> None:
    tight = small.hosts["tight"]
    tight.fill("/tmp")
    tight.fill(tight.account.home)
    done = small.run("up", small.write("hosts: [wide, tight]"))
    assert done.returncode == 0, done.stderr
    assert "tight: the home directory /home/ada has 0 MiB left, and a node needs 64 MiB; make room there" in done.stderr
    assert "/tmp has 0 MiB left" in done.stderr
    assert small.workers() == {"wide-0"}
    tight.free("/tmp")
    tight.free(tight.account.home)
    small.ok("up", "lab")
    assert small.workers() == {"wide-0", "tight-0"}


def test_a_disk_that_becomes_full_while_the_fleet_works_does_not_end_it(small: FleetLab) -> None:
    small.ok("up", small.write("hosts: [wide, tight]"))
    tight = small.hosts["tight"]
    tight.fill("/tmp")
    tight.fill(tight.account.home)
    script = "from distributed import Client\nwith Client() as c: print(sum(c.gather(c.map(abs, range(100)))))\n"
    small.client.write("sum.py", script)
    assert "4950" in small.ok("connect", "lab", "--", "python", "sum.py")
    assert small.status()["state"] == "running"
    tight.free("/tmp")
    tight.free(tight.account.home)
    assert "nothing left" in small.ok("down", "lab")
