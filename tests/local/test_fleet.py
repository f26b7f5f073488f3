"""The fleet in Python: `daskfleet.connect` and `daskfleet.Fleet`."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from harness import CommandLine

ONE = "name: local\nprovider: local\nworkers: [{name: cpu, count: 1, threads: 1}]\n"


def run(cli: CommandLine, code: str) -> list[str]:
    """Run code that uses the fleet from a fresh interpreter; returns the lines that it printed."""
    done = cli.python(code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_connect_gives_a_client(shared: CommandLine):
    code = """
import daskfleet
with daskfleet.connect("shared") as client:
    print(client.submit(sum, [1, 2]).result(), type(client).__module__)
"""
    assert run(shared, code) == ["3 distributed.client"]


def test_connect_works_asynchronously(shared: CommandLine):
    code = """
import asyncio, daskfleet
async def main():
    async with daskfleet.connect("shared", asynchronous=True) as client:
        print(await client.submit(sum, [1, 2]))
asyncio.run(main())
"""
    assert run(shared, code) == ["3"]


def test_connect_to_a_fleet_that_is_not_there_says_which_are(shared: CommandLine):
    code = """
import daskfleet
try:
    daskfleet.connect("nope")
except daskfleet.FleetError as error:
    print(error)
"""
    (line,) = run(shared, code)
    assert "no fleet named 'nope'" in line
    assert "shared" in line


def test_connect_refuses_a_fleet_with_other_versions_unless_told_not_to(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    path = cli.home / "fleets/local/connection.json"
    connection = json.loads(path.read_text())
    connection["versions"]["cloudpickle"] = "0.1"
    path.write_text(json.dumps(connection))
    code = """
import daskfleet
try:
    daskfleet.connect()
except daskfleet.FleetError as error:
    print(type(error).__name__, "cloudpickle==0.1" in str(error))
try:
    daskfleet.Fleet()
except daskfleet.FleetError as error:
    print(type(error).__name__)
print(daskfleet.connect(check_versions=False).submit(sum, [1, 2]).result())
"""
    assert run(cli, code) == ["VersionMismatch True", "VersionMismatch", "3"]


def test_a_fleet_is_a_dask_cluster(shared: CommandLine):
    code = """
import daskfleet
from distributed import Client
from distributed.deploy import Cluster
with daskfleet.Fleet("shared") as fleet:
    assert isinstance(fleet, Cluster)
    with Client(fleet) as client:
        print(client.submit(sum, [1, 2]).result())
    print(fleet.name, sorted(fleet.workers), fleet.requested == fleet.observed, fleet.dashboard_link)
    print(sorted(key.split(":")[0] for key in fleet.get_logs()))
    print("shared" in fleet._repr_html_(), "workers=3" in repr(fleet))
"""
    assert run(shared, code) == [
        "3",
        f"shared ['big-0', 'cpu-0', 'cpu-1'] True {shared.connection('shared')['dashboard_url']}",
        "['Cluster', 'Scheduler', 'tls', 'tls', 'tls']",
        "True True",
    ]
    assert shared.status("shared")["state"] == "running"  # Closing the object left the fleet.


def test_a_fleet_works_asynchronously(shared: CommandLine):
    code = """
import asyncio, daskfleet
from distributed import Client
async def main():
    async with daskfleet.Fleet("shared", asynchronous=True) as fleet, Client(fleet, asynchronous=True) as client:
        print(await client.submit(sum, [1, 2]), len((await fleet.get_logs())))
asyncio.run(main())
"""
    assert run(shared, code) == ["3 5"]


def test_a_fleet_that_is_not_there_is_started_and_belongs_to_its_object(cli: CommandLine):
    code = """
import daskfleet
from distributed import Client
with daskfleet.Fleet("mine", spec={"provider": "local", "workers": [{"name": "cpu", "count": 1}]}, quiet=True) as fleet:
    print(Client(fleet).submit(sum, [1, 2]).result(), fleet.workers)
"""
    assert run(cli, code) == ["3 {'cpu-0': 'cpu'}"]
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


def test_an_object_can_leave_the_fleet_that_it_started(cli: CommandLine):
    code = """
import daskfleet
spec = {"provider": "local", "workers": [{"name": "cpu", "count": 1}]}
daskfleet.Fleet("mine", spec=spec, shutdown_on_close=False, quiet=True).close()
"""
    assert run(cli, code) == []
    assert cli.status("mine")["state"] == "running"


def test_a_wrong_spec_in_python_is_told_as_in_a_file(cli: CommandLine):
    code = """
import daskfleet
try:
    daskfleet.Fleet("mine", spec={"provider": "local", "worker": []})
except ValueError as error:
    print(error)
try:
    daskfleet.Fleet("mine")
except daskfleet.FleetError as error:
    print(error)
"""
    first, second = run(cli, code)
    assert "did you mean 'workers'" in first
    assert "no fleet named 'mine'" in second


def test_scale_by_group_and_in_all(cli: CommandLine):
    cli.ok(
        "up",
        cli.write(
            "name: local\nprovider: local\n"
            "workers: [{name: a, count: 1, threads: 1}, {name: b, count: 1, threads: 1}]\n"
        ),
    )
    code = """
import daskfleet
with daskfleet.Fleet() as fleet:
    fleet.scale(2, group="b")
    print(sorted(fleet.workers))
    fleet.scale(4)
    print(sorted(fleet.workers))
    fleet.scale(1, group="a")
    fleet.wait_for_workers(3, timeout=30)
    print(sorted(fleet.workers))
"""
    assert run(cli, code) == ["['a-0', 'b-0', 'b-1']", "['a-0', 'a-1', 'b-0', 'b-1']", "['a-0', 'b-0', 'b-1']"]


def test_adapt_follows_the_load_up_and_down(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    code = """
import time, daskfleet
from distributed import Client
with daskfleet.Fleet() as fleet, Client(fleet) as client:
    fleet.adapt(minimum=1, maximum=3, interval="100ms", wait_count=3, target_duration="500ms")
    futures = client.map(lambda number: time.sleep(0.2), range(80), pure=False)
    deadline = time.monotonic() + 60
    while len(fleet.observed) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    print(len(fleet.observed))
    client.gather(futures)
    del futures
    while (len(fleet.observed) > 1 or len(fleet.requested) > 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    print(len(fleet.observed), len(fleet.requested))
"""
    assert run(cli, code) == ["3", "1 1"]
    assert cli.status()["groups"][0]["wanted"] == 1


def test_adapt_leaves_other_groups_as_they_are(cli: CommandLine):
    cli.ok(
        "up",
        cli.write(
            "name: local\nprovider: local\n"
            "workers: [{name: a, count: 3, threads: 1}, {name: b, count: 1, threads: 1, resources: {BIG: 1}}]\n"
        ),
    )
    code = """
import time, daskfleet
with daskfleet.Fleet() as fleet:
    fleet.adapt(minimum=1, maximum=3, interval="100ms", wait_count=2)
    deadline = time.monotonic() + 60
    while len(fleet.observed) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)  # Long enough for several more rounds, which must change nothing.
    print(len(fleet.observed), "b-0" in fleet.observed)
    try:
        fleet.adapt(group="c")
    except daskfleet.FleetError as error:
        print(error)
"""
    assert run(cli, code) == ["2 True", "fleet 'local' has no worker group 'c'; it has: a, b."]


def test_a_notebook_shows_a_widget(shared: CommandLine):
    code = """
import daskfleet
with daskfleet.Fleet("shared") as fleet:
    print(type(fleet._widget()).__name__)
"""
    assert run(shared, code) == ["Tab"]


def test_the_labextension_can_make_and_close_a_fleet(cli: CommandLine):
    code = """
import asyncio, dask
factory = {"module": "daskfleet", "class": "Fleet", "args": [], "kwargs": {"quiet": True}}
default = {"workers": None, "adapt": None}
dask.config.set({"labextension": {"factory": factory, "default": default, "initial": []}})
from dask_labextension.manager import DaskClusterManager
async def main():
    manager = DaskClusterManager()
    model = await manager.start_cluster()
    print(model["name"], model["workers"])
    print(model["scheduler_address"].split("//")[0], model["dashboard_link"].split(":")[0])
    scaled = await manager.scale_cluster(model["id"], 3)
    print(scaled["workers"] in (2, 3), len(manager.list_clusters()))
    await manager.close_cluster(model["id"])
    print(manager.list_clusters())
asyncio.run(main())
"""
    if find_spec("dask_labextension") is None:  # importing it here would need an event loop
        pytest.skip("dask_labextension is not installed")
    lines = run(cli, code)
    assert lines[:2] == ["Fleet 1 2", "tls: http"]
    assert lines[2:] == ["True 1", "[]"]
    assert cli.processes() == []
