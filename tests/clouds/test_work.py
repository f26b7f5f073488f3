"""Fleets in clouds at work: they shrink without losing what they hold, follow the load, refuse what does not fit."""

from __future__ import annotations

import json
import re

import pytest

from clouds.fleets import render_groups
from clouds.lab import Lab

WAIT = """\
import time

def await_workers(client, count):
    deadline = time.monotonic() + 120
    while len(client.scheduler_info()["workers"]) != count:
        assert time.monotonic() < deadline, client.scheduler_info()["workers"]
        time.sleep(0.2)
    return count
"""

SHRINK = f"""\
{WAIT}
import subprocess
from distributed import Client, Event, get_worker

def work():
    Event("begun").set()
    Event("enough").wait()
    return get_worker().address

with Client() as client:
    workers = list(client.scheduler_info()["workers"])
    kept = [client.scatter(number, workers=[address], hash=False) for number in range(4) for address in workers]
    busy = client.submit(work, workers=workers[:1], pure=False)
    Event("begun").wait()
    subprocess.run(["daskfleet", "scale", "research", "cpu", "1"], check=True, capture_output=True)
    Event("enough").set()
    print(busy.result() == workers[0], sum(client.gather(kept)), await_workers(client, 1))
"""

ADAPT = f"""\
{WAIT}
from distributed import Client, Event
from daskfleet import Fleet

with Fleet("research", quiet=True) as fleet, Client(fleet) as client:
    fleet.adapt(minimum=1, maximum=2, interval="500ms", wait_count=3, target_duration="1s")
    tasks = client.map(lambda number: Event("over").wait() and number, range(40), pure=False)
    print("grown to", await_workers(client, 2))
    Event("over").set()
    print(sum(client.gather(tasks)))
    del tasks
    print("shrunk to", await_workers(client, 1))
"""


@pytest.mark.slow
def test_a_fleet_keeps_its_data_and_its_busy_workers_when_it_shrinks_and_follows_the_load(lab: Lab) -> None:
    cli = lab.cli
    cli.ok("up", cli.write(lab.render_fleet()), "--yes", timeout=300)
    for name, text in (("shrink.py", SHRINK), ("adapt.py", ADAPT)):
        (cli.cwd / name).write_text(text)
    assert cli.ok("connect", "research", "--", "python", "shrink.py", timeout=180).split() == ["True", "12", "1"]
    adapted = cli.ok("connect", "research", "--", "python", "adapt.py", timeout=300)
    assert adapted.splitlines() == ["grown to 2", "780", "shrunk to 1"]
    assert cli.status("research")["groups"][0]["wanted"] == 1
    cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []


@pytest.mark.slow
def test_a_worker_that_boots_without_its_secret_is_told_and_the_others_serve(lab: Lab) -> None:
    cli = lab.cli
    workers = render_groups(
        {"name": "cpu", "instance_types": [lab.small], "count": 1},
        {"name": "late", "instance_types": [lab.other], "count": 0},
    )
    cli.ok("up", cli.write(lab.render_fleet(workers=workers)), "--yes", timeout=300)
    lab.lose_secret("worker")
    done = cli.run("scale", "research", "late", "1", "--timeout", "25", timeout=300)
    assert done.returncode == 1
    assert re.search(r"node \S+ \(late, \S+\): it boots without its secrets", done.stderr), done.stderr
    assert re.search(r"what to do: look at its .*, at the secret", done.stderr), done.stderr
    groups = cli.status("research")["groups"]
    assert {group["name"]: len(group["workers"]) for group in groups} == {"cpu": 1, "late": 0}
    cli.ok("down", "research", "--yes", timeout=300)
    assert lab.find_tagged("research") == []


@pytest.mark.slow
def test_machines_that_run_another_dask_than_their_image_says_are_told_and_removed(lab: Lab) -> None:
    cli = lab.cli
    lab.register_image("liar", dask="2020.1.0")
    file = cli.write(lab.render_fleet(image="{name: liar}"))
    assert "dask 2020.1.0" in json.dumps(json.loads(cli.run("doctor", file, "--json").stdout))
    done = cli.run("up", file, "--yes", timeout=300)
    assert done.returncode == 1
    assert f"dask {lab.image.manifest.dask} instead of 2020.1.0" in done.stderr, done.stderr
    assert "it runs other versions than the fleet" in done.stderr
    assert lab.find_tagged("research") == []
