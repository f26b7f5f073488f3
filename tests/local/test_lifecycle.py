"""A fleet's life, from the command line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from daskfleet.reach import is_taken
from harness import CommandLine, await_true

SUM = "from distributed import Client; print(Client().submit(sum, [1, 2]).result())"
ONE = "name: local\nprovider: local\nworkers: [{name: cpu, count: 1, threads: 1}]\n"


def test_up_connect_down_with_nothing_but_a_home_and_a_path(cli: CommandLine, tmp_path: Path):
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    cli.home = tmp_path / ".local/share/daskfleet"
    cli.ok("up", env=environment)
    assert cli.ok("connect", "local", "--", "python", "-c", SUM, env=environment) == "3\n"
    assert "nothing left" in cli.ok("down", env=environment)
    assert cli.processes() == []
    assert list((cli.home / "fleets").iterdir()) == []


def test_down_leaves_no_process_no_port_and_no_file(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    port = int(cli.connection()["scheduler_address"].rsplit(":", 1)[1])
    runtime = {process.environ()["DASKFLEET_SOCKET"] for process in cli.processes()}
    cli.ok("down")
    assert cli.processes() == []
    assert not any(Path(path).parent.exists() for path in runtime)
    assert [path for path in cli.home.rglob("*") if path.is_file()] == []
    assert not is_taken(port)


def test_down_twice_is_no_error(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    cli.ok("down")
    assert "nothing to take down" in cli.ok("down")


def test_up_twice_changes_nothing(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    before = {process.pid for process in cli.processes()}
    cli.ok("up", "fleet.yaml")
    cli.ok("up", "local")
    assert {process.pid for process in cli.processes()} == before


def test_the_default_fleet_fills_the_machine(cli: CommandLine):
    from dask.system import CPU_COUNT

    cli.ok("up")
    (group,) = cli.status()["groups"]
    assert group["name"] == "cpu"
    assert sum(worker["threads"] for worker in group["workers"]) == CPU_COUNT


def test_up_without_a_file_mends_the_fleet_local_with_the_spec_it_has(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    cli.ok("scale", "local", "cpu", "2")
    cli.ok("up")
    assert cli.status()["groups"][0]["wanted"] == 2


def test_two_fleets_live_beside_each_other_on_ports_of_their_own(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    cli.ok("up", cli.write(ONE.replace("local", "other", 1), "other.yaml"))
    assert cli.connection()["scheduler_address"] != cli.connection("other")["scheduler_address"]
    listed = json.loads(cli.ok("list", "--json"))
    assert [(each["name"], each["state"]) for each in listed] == [("local", "reachable"), ("other", "reachable")]
    cli.ok("down", "other")
    assert cli.ok("connect", "local", "--", "python", "-c", SUM) == "3\n"


def test_scale_grows_and_shrinks_without_losing_data(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    cli.ok("scale", "local", "cpu", "3")
    script = """
import random, subprocess, sys
from distributed import Client
client = Client()
data = client.map(lambda number: random.random(), range(60), pure=False)
before = client.gather(data)
subprocess.run([sys.executable, "-m", "daskfleet", "scale", "local", "cpu", "1"], check=True, stdout=subprocess.DEVNULL)
print(client.gather(data) == before, len(client.scheduler_info(n_workers=-1)["workers"]))
"""
    # The numbers are random: were any computed again, they would differ.
    assert cli.ok("connect", "local", "--", "python", "-c", script) == "True 1\n"


def test_a_changed_file_adds_removes_and_resizes_groups_and_keeps_the_scheduler(cli: CommandLine):
    cli.ok(
        "up",
        cli.write("""
name: local
provider: local
workers:
  - {name: one, count: 2, threads: 1}
  - {name: two, count: 1, threads: 1}
"""),
    )
    scheduler = cli.status()["scheduler"]["pid"]
    script = """
import random, subprocess, sys
from distributed import Client
client = Client()
data = client.map(lambda number: random.random(), range(20), pure=False, workers=["two-0"])
before = client.gather(data)
subprocess.run([sys.executable, "-m", "daskfleet", "up", "changed.yaml"], check=True, stdout=subprocess.DEVNULL)
print(client.gather(data) == before)
"""
    cli.write(
        """
name: local
provider: local
workers:
  - {name: one, count: 1, threads: 1}
  - {name: three, count: 1, threads: 1, resources: {GPU: 1}}
""",
        "changed.yaml",
    )
    assert cli.ok("connect", "local", "--", "python", "-c", script) == "True\n"
    status = cli.status()
    assert status["scheduler"]["pid"] == scheduler
    assert {group["name"]: len(group["workers"]) for group in status["groups"]} == {"one": 1, "three": 1}
    assert not (cli.home / "fleets/local/nodes/two.json").exists()


def test_what_cannot_change_in_place_is_refused_with_the_reason_and_nothing_changes(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    before = {process.pid for process in cli.processes()}
    cli.write(ONE.replace("threads: 1", "threads: 2, memory_limit: 1GiB") + "scheduler: {port: 23456}\n")
    done = cli.run("up", "fleet.yaml")
    assert done.returncode == 1
    for words in ("scheduler.port", "'cpu'.threads: 1 cannot become 2", "'cpu'.memory_limit", "another name"):
        assert words in done.stderr
    assert {process.pid for process in cli.processes()} == before


def test_the_fleet_outlives_the_session_that_started_it(cli: CommandLine):
    process = cli.start("up", cli.write(ONE), start_new_session=True)
    assert process.wait(timeout=60) == 0
    process.communicate()
    assert cli.ok("connect", "local", "--", "python", "-c", SUM) == "3\n"
    assert all(os.getsid(each.pid) != process.pid for each in cli.processes())


def test_status_shows_groups_workers_memory_and_phase_marks(shared: CommandLine):
    status = shared.status("shared")
    assert status["state"] == "running"
    assert {group["name"]: (len(group["workers"]), group["wanted"]) for group in status["groups"]} == {
        "cpu": (2, 2),
        "big": (1, 1),
    }
    (big,) = status["groups"][1]["workers"]
    assert big["memory_limit"] == 2**30
    assert 0 < big["memory"] < 2**30
    for node in (status["scheduler"], *(group["nodes"][0] for group in status["groups"])):
        times = [node["phases"][phase] for phase in ("booted", "document", "secrets", "daemon", "registered")]
        assert times == sorted(times)
    text = shared.ok("status", "shared")
    for words in ("running", "cpu 2/2", "big-0", "1.0 GiB", "registered", "team=tests", status["dashboard_url"]):
        assert words in text
    assert "\x1b" not in text


def test_status_saves_a_picture(shared: CommandLine):
    shared.ok("status", "shared", "--svg", "status.svg")
    picture = (shared.cwd / "status.svg").read_text()
    assert picture.startswith("<svg")
    assert "big-0" in picture


def test_resources_and_limits_reach_the_workers(shared: CommandLine):
    script = """
from distributed import Client, get_worker
client = Client()
print(client.submit(lambda: get_worker().name, resources={"BIG": 1}).result())
"""
    assert shared.ok("connect", "shared", "--", "python", "-c", script) == "big-0\n"


def test_logs_show_every_node_and_one(shared: CommandLine):
    everything = shared.ok("logs", "shared")
    assert {line.split("|")[0].strip() for line in everything.splitlines()} == {"scheduler", "cpu", "big"}
    one = shared.ok("logs", "shared", "big", "-n", "5")
    assert len(one.splitlines()) == 5
    assert "no node 'bog'" in shared.run("logs", "shared", "bog").stderr


def test_logs_follow_until_the_fleet_goes_down(cli: CommandLine):
    cli.ok("up", cli.write(ONE))
    follower = cli.start("logs", "local", "scheduler", "--follow", "-n", "1")
    try:
        cli.ok("connect", "local", "--", "python", "-c", SUM)
        cli.ok("down")
        out, _ = follower.communicate(timeout=30)
    finally:
        follower.kill()
    assert follower.returncode == 0
    assert "Receive client connection" in out


def test_the_dashboard_is_served_on_loopback(shared: CommandLine):
    import urllib.request

    url = shared.ok("dashboard", "shared", "--no-browser").strip()
    assert url.startswith("http://127.0.0.1:")

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                return b"bokeh" in page.read().lower()
        except OSError:
            return False

    await_true(answers, "the dashboard's page")


@pytest.mark.parametrize(
    "command",
    [
        ["status", "nope"],
        ["connect", "nope"],
        ["logs", "nope"],
        ["scale", "nope", "a", "1"],
        ["run", "nope", "x.py"],
        ["dashboard", "nope"],
    ],
)
def test_a_fleet_that_is_not_there_is_told_with_those_that_are(shared: CommandLine, command: list[str]):
    done = shared.run(*command)
    assert done.returncode == 1
    assert "no fleet named 'nope'" in done.stderr
    assert "shared" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["with space", "a.b", "ünïcode", "x" * 300, "../x", "UPPER", "-x", "x-", ""])
@pytest.mark.parametrize("command", ["status", "down", "dashboard", "logs"])
def test_a_bad_name_is_refused_before_anything_is_touched(cli: CommandLine, command: str, name: str):
    done = cli.run(command, "--", name)
    assert done.returncode == 1
    assert "is no name of a fleet" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fleet_is_found_from_a_shell_with_another_folder_for_temporary_files(cli: CommandLine, tmp_path: Path):
    cli.ok("up", cli.write(ONE))
    other = {**cli.environment, "TMPDIR": str(tmp_path)}
    assert json.loads(cli.ok("status", "--json", env=other))["state"] == "running"
    cli.ok("down", env=other)
    assert list(cli.temporary.glob("daskfleet-*")) == []
    assert cli.processes() == []
