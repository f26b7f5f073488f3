"""A fleet over SSH that changes while it works, and how it is reached."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import await_true
from ssh.fleet_lab import FleetLab

KEEP = """
from distributed import Client
import sys
with Client() as client:
    if sys.argv[1] == "put":
        futures = client.map(lambda n: n * n, range(50), key=[f"kept-{n}" for n in range(50)])
        client.datasets["kept"] = futures
        print(sum(client.gather(futures)))
    else:
        print(sum(client.gather(client.datasets["kept"])))
"""


def test_hosts_come_and_go_and_take_no_data_with_them(lab: FleetLab) -> None:
    lab.client.write("keep.py", KEEP)
    lab.ok("up", lab.write("hosts: [desk-1, desk-2]"))
    total = lab.ok("connect", "lab", "--", "python", "keep.py", "put")
    told = lab.run("up", lab.write("hosts: [desk-1, {host: rack01, workers: 2, group: big}, rack04]"))
    assert told.returncode == 0, told.stderr
    assert "desk-2: removing what it had" in told.stderr
    assert lab.workers() == {"desk-1-0", "rack01-0", "rack01-1", "rack04-0"}
    assert lab.ok("connect", "lab", "--", "python", "keep.py", "get") == total
    assert lab.look()["desk-2"] == lab.before["desk-2"]
    groups = {group["name"]: group["wanted"] for group in lab.status()["groups"]}
    assert groups == {"cpu": 2, "big": 2}

    changed = lab.run("up", lab.write("hosts: [{host: desk-1, threads: 3, memory_limit: 1GiB}, rack04]"))
    assert changed.returncode == 0, changed.stderr
    (group,) = lab.status()["groups"]
    sizes = {worker["name"]: (worker["threads"], worker["memory_limit"]) for worker in group["workers"]}
    assert sizes["desk-1-0"] == (3, 2**30)
    refused = lab.run("up", lab.write("hosts: [desk-1, rack04]\nscheduler: rack04"))
    assert refused.returncode == 1
    assert "scheduler.host: desk-1 cannot become rack04: a scheduler does not move" in refused.stderr


def test_asking_again_for_the_same_fleet_changes_nothing(lab: FleetLab) -> None:
    file = lab.write("hosts: [desk-1, rack01, rack02]")
    lab.ok("up", file)
    before = [lab.find_processes(name, "runtime") for name in ("desk-1", "rack01", "rack02")]
    lab.ok("up", file)
    lab.ok("up", "lab")
    assert [lab.find_processes(name, "runtime") for name in ("desk-1", "rack01", "rack02")] == before


@pytest.mark.parametrize("mode", ["auto", "ssh"])
def test_a_scheduler_that_cannot_be_reached_is_reached_through_ssh(lab: FleetLab, mode: str) -> None:
    scheduler = lab.hosts["rack04"]
    drop = f"add rule inet test input ip saddr {lab.client.address} tcp dport 8786 drop"
    chain = "add chain inet test input { type filter hook input priority -5; }"
    scheduler.run(["/usr/sbin/nft", f"add table inet test; {chain}; {drop}"], user=False)
    try:
        told = lab.run("up", lab.write(f"hosts: [desk-1, rack04]\nscheduler: rack04\naccess: {{mode: {mode}}}"))
        assert told.returncode == 0, told.stderr
        assert ("cannot be reached from here; going through SSH" in told.stderr) == (mode == "auto")
        lab.client.write("sum.py", "from distributed import Client\nprint(Client().submit(sum, [1, 2, 3]).result())\n")
        assert lab.ok("connect", "lab", "--", "python", "sum.py") == "6\n"
        assert json.loads(lab.ok("connect", "lab", "--json"))["scheduler_address"].startswith("tls://127.0.0.1:")
        page = lab.ok("dashboard", "lab", "--no-browser").strip()
        fetch = f"import urllib.request; print(urllib.request.urlopen({page!r}).status)"
        # The page comes some seconds after the scheduler.
        await_true(
            lambda: lab.client.run(["python", "-c", fetch], check=False).stdout == "200\n", "the dashboard", timeout=30
        )
        assert lab.ok("ssh", "lab", "--", "hostname") == "rack04\n"
        tunnel = lab.client.run(["pgrep", "-x", "ssh"]).stdout
        lab.ok("up", "lab")
        assert lab.client.run(["pgrep", "-x", "ssh"]).stdout == tunnel, "whoever computes through it is not disturbed"
        lab.ok("down", "lab")
        assert lab.client.run(["pgrep", "-x", "ssh"], check=False).stdout == ""
    finally:
        scheduler.run(["/usr/sbin/nft", "delete table inet test"], user=False)


def test_the_scheduler_may_be_on_the_machine_that_asks(lab: FleetLab) -> None:
    told = lab.ok("up", lab.write("hosts: [desk-1, rack02]\nscheduler: local"))
    assert f"tls://{lab.client.address}:8786" in told
    assert lab.workers() == {"desk-1-0", "rack02-0"}
    assert lab.ok("dashboard", "lab", "--no-browser").startswith("http://127.0.0.1:8787")
    assert "no host" not in lab.ok("logs", "lab", "-n", "3")
    lab.ok("down", "lab")
    assert lab.client.run(["ls", "-A", ".daskfleet"], check=False).returncode != 0
    assert lab.client.run(["pgrep", "-f", "runtime"], check=False).stdout == ""


def test_fleet_is_a_cluster_object_that_adapts(lab: FleetLab) -> None:
    script = """
import time
from daskfleet import Fleet
from distributed import Client
spec = {"provider": "ssh", "hosts": ["desk-1", "desk-2"]}
with Fleet("lab", spec=spec) as fleet, Client(fleet) as client:
    assert client.submit(sum, [1, 2]).result() == 3
    fleet.scale(4)
    client.wait_for_workers(4, timeout=60)
    fleet.adapt(minimum=1, maximum=2, interval="200ms", wait_count=1)
    while len(fleet.workers) > 2:
        time.sleep(0.1)
    print(sorted(fleet.workers.values()))
"""
    lab.client.write("adapt.py", script)
    assert lab.client.run(["python", "adapt.py"], timeout=120).stdout.count("cpu") in (1, 2)
    assert json.loads(lab.ok("list", "--json")) == []


def test_logs_are_read_and_followed_from_all_hosts(lab: FleetLab) -> None:
    lab.ok("up", lab.write("hosts: [desk-1, rack03]"))
    everything = lab.ok("logs", "lab")
    for node in ("scheduler", "desk-1", "rack03"):
        assert re.search(rf"^{node} +\| .*phase: registered", everything, re.M)
    assert "phase: registered rack03-0" in lab.ok("logs", "lab", "rack03")
    assert "has no node 'rack9'" in lab.run("logs", "lab", "rack9").stderr
    following = lab.start("logs", "lab", "desk-1", "--follow", "-n", "1")
    assert following.stdout is not None
    following.stdout.readline()
    lab.kill("desk-1", "spawn_main")
    assert any("registered desk-1-0" in line for line in following.stdout)
    lab.ok("down", "lab")
    following.communicate(timeout=20)


def test_secrets_are_in_private_files_and_nowhere_else(lab: FleetLab) -> None:
    told = lab.run("up", lab.write("hosts: [desk-1, rack01]\nscheduler: rack01"))
    key = lab.client.run(["cat", ".local/share/daskfleet/fleets/lab/tls/worker-key.pem"]).stdout.splitlines()[1]
    for host in (lab.hosts["desk-1"], lab.hosts["rack01"]):
        assert host.run(["stat", "-c", "%a", ".daskfleet"]).stdout == "700\n"
        assert host.run(["find", ".daskfleet", "-perm", "/077", "-path", "*/tls*"]).stdout == ""
        found = host.run(["grep", "-rl", key, "/home", "/tmp", "/var/tmp"], user=False, check=False).stdout.split()
        assert found
        assert {Path(path).name for path in found} == {"worker-key.pem"}
        lines = host.run(["bash", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"], user=False)
        assert key not in lines.stdout
    assert key not in told.stdout + told.stderr + lab.ok("logs", "lab") + lab.ok("status", "lab", "--json")


def test_two_fleets_of_one_name_from_two_machines_do_not_meet(lab: FleetLab) -> None:
    file = lab.write("hosts: [desk-1]")
    lab.ok("up", file)
    other = {"DASKFLEET_HOME": "/home/wanda/other"}
    assert lab.run("up", file, env=other).returncode == 0
    assert lab.run("down", "lab", env=other).returncode == 0
    lab.client.run(["rm", "-r", "other"])
    assert lab.workers() == {"desk-1-0"}
