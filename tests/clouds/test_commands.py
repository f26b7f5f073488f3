"""The commands on fleets in clouds: the real engine, stand-ins for plugins and clouds; machines that only pretend."""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_calls import Call
from clouds.fleets import render_groups
from clouds.pretend import lives, pretend_nodes
from clouds.region import Pretended, Region, own_facts
from harness import await_true

PRIVATE = {"access": "{mode: private}"}


@pytest.fixture
def region(realm: Region) -> Iterator[Region]:
    """A region for several fleets, each with a name of its own, in which nothing is interfered with before or after."""
    realm.proxy.clear()
    yield realm
    realm.proxy.clear()


def write(region: Region, name: str, **changes: str) -> str:
    return region.cli.write(region.render_fleet(name, **{**PRIVATE, **changes}), f"{name}.yaml")


def down(region: Region, name: str) -> None:
    region.cli.ok("down", name, timeout=200)
    assert region.find_tagged(name) == []


def read_files(region: Region, name: str) -> str:
    """Everything that daskfleet and the engine have written about the fleet, but for the keys' own files."""
    files = [path for path in region.cli.home.rglob("*") if path.is_file() and path.parent.name != "tls"]
    return "\n".join(path.read_text(errors="replace") for path in files)


def test_without_a_word_and_nobody_to_ask_the_plan_is_shown_and_nothing_is_made(region: Region) -> None:
    done = region.cli.run("up", write(region, "asked"))
    assert done.returncode == 1
    assert "plan for fleet 'asked':" in done.stderr
    assert re.search(rf"\+ {region.landmarks.group_type} +asked-cpu", done.stderr)
    assert "fleet 'asked' was not changed: there is no terminal to ask on; say --yes" in done.stderr
    assert [call.name for call in region.proxy.calls if call.changes] == []
    assert not (region.cli.home / "fleets/asked").exists()


def test_preview_makes_nothing_and_leaves_nothing_here(region: Region) -> None:
    plan = json.loads(region.cli.ok("preview", write(region, "seen"), "--json"))
    assert {each["type"] for each in plan["changes"]["create"]} >= set(region.landmarks.types)
    assert [call.name for call in region.proxy.calls if call.changes] == []
    assert not (region.cli.home / "fleets/seen").exists()


def test_a_fleet_lives_by_the_same_words_as_a_local_one(region: Region) -> None:
    cli, name = region.cli, "living"
    with pretend_nodes(region):
        told = cli.run("up", write(region, name), "--yes", timeout=200)
        assert told.returncode == 0, told.stderr
        assert f"fleet '{name}' is up at tls://{region.landmarks.addresses}" in told.stdout
        assert "workers    2 in cpu" in told.stdout
        assert f"creating {region.landmarks.network_type} living-network" in told.stderr
        assert "machines registered: 2 of 2" in told.stderr
        assert "PRIVATE KEY" not in told.stdout + told.stderr + read_files(region, name)
        folder = cli.home / "fleets" / name
        files = [*folder.glob("*.json"), *(folder / "tls").iterdir()]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

        status = json.loads(cli.ok("status", name, "--json"))
        assert (status["state"], status["provider"]) == ("running", region.provider)
        assert sorted(each["name"] for each in status["groups"][0]["workers"]) == sorted(
            f"{node['name']}-0" for node in status["groups"][0]["nodes"]
        )
        assert "registered" in status["scheduler"]["phases"]
        region.proxy.clear()
        assert f"{name} {region.provider} " in " ".join(cli.ok("list").split())
        assert region.proxy.calls == []

        region.proxy.clear()
        again = cli.run("up", write(region, name), timeout=200)
        assert again.returncode == 0, again.stderr
        assert [call.name for call in region.proxy.calls if call.changes] == []

        region.proxy.clear()
        group = {"name": "cpu", "instance_types": [region.small], "count": 4}
        more = cli.run("up", write(region, name, workers=render_groups(group)), "-y")
        assert more.returncode == 0, more.stderr
        assert "# group cpu: 2 to 4 machines" in more.stderr
        assert [call.action for call in region.proxy.calls if call.changes] == [region.landmarks.resize]

        assert "has 5 machines" in cli.ok("scale", name, "cpu", "5", timeout=100)
        region.proxy.clear()
        assert "has 1 machine\n" in cli.ok("scale", name, "cpu", "1", timeout=100)
        assert [call.action for call in region.proxy.calls if call.changes] == [region.landmarks.resize]
        assert len(json.loads(cli.ok("status", name, "--json"))["groups"][0]["workers"]) == 1
        assert "has no worker group 'gpu'; it has: cpu" in cli.run("scale", name, "gpu", "1").stderr
        kept = cli.run("up", name, timeout=100)
        assert "workers    1 in cpu" in kept.stdout

    logs = cli.ok("logs", name, "scheduler")
    assert "INFO daskfleet.node: hello" in logs
    assert "phase: registered" in logs
    assert re.search(r"^scheduler +\| ", cli.ok("logs", name, "-n", "3"), re.M)
    down(region, name)
    assert not (cli.home / "fleets" / name).exists()
    assert "nothing to take down" in cli.ok("down", name)


def test_healthy_workers_serve_when_others_are_missing(region: Region) -> None:
    cli, name = region.cli, "partly"
    first: list[str] = []

    def half(machine: Pretended) -> list[dict[str, Any]]:
        if machine.group != "scheduler" and machine.fleet == name:
            first.append(machine.node)
            if len(set(first)) > 1:
                return [
                    {"phase": "booted"},
                    {"phase": "document"},
                    {"phase": "failed", "detail": "no TLS material: AccessDenied"},
                ]
        return lives(machine)

    with pretend_nodes(region, half):
        done = cli.run("up", write(region, name), "--yes", timeout=200)
        assert done.returncode == 1
        assert "1 of 2 in cpu" in done.stderr
        assert "it boots without its secrets: no TLS material: AccessDenied" in done.stderr
        assert "reached: booted, document, failed" in done.stderr
        assert "| INFO daskfleet.node: hello" in done.stderr
        assert json.loads(cli.ok("status", name, "--json"))["state"] == "degraded"
        assert cli.run("up", name, "--share", "0.5", timeout=100).returncode == 0
        assert "no share" in cli.run("up", name, "--share", "0").stderr
    down(region, name)


def test_a_fleet_whose_scheduler_never_comes_up_is_removed_again(region: Region) -> None:
    done = region.cli.run("up", write(region, "headless"), "--yes", "--timeout", "3", timeout=200)
    assert done.returncode == 1
    assert "the scheduler of fleet 'headless' did not come up within 3 s" in done.stderr
    assert "it never booted into a node" in done.stderr
    assert region.find_tagged("headless") == []
    assert not (region.cli.home / "fleets/headless").exists()


def test_an_up_of_a_new_fleet_that_is_told_to_stop_leaves_nothing(region: Region) -> None:
    reached, told = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if call.action == region.landmarks.template:
            reached.set()
            told.wait(60)

    region.proxy.after = hold
    process = region.cli.start("up", write(region, "stopped"), "--yes")
    await_true(lambda: reached.is_set() or process.poll() is not None, "the launch template", timeout=100)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert any("telling the engine to stop" in line for line in process.stderr)
    told.set()
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert region.find_tagged("stopped") == []
    assert not (region.cli.home / "fleets/stopped").exists()


def test_what_the_spot_market_has_not_is_taken_on_demand_where_that_is_wanted(region: Region) -> None:
    cli, name, refusal = region.cli, "market", region.refusals.no_spot_words
    region.sell_out_spot("*")
    cpu = {"name": "cpu", "instance_types": [region.small], "count": 2, "spot": "fallback"}
    cheap = {"name": "cheap", "instance_types": [region.small, region.other], "count": 1, "spot": "only"}
    file = write(region, name, workers=render_groups(cpu, cheap))
    with pretend_nodes(region):
        done = cli.run("up", file, "--yes", "--share", "0.6", timeout=200)
        assert done.returncode == 0, done.stderr
        assert "group cpu: taking 2 on-demand for what the spot market has not" in done.stderr
        assert f"group cheap: {refusal}" in done.stderr
        status = json.loads(cli.ok("status", name, "--json"))
        assert {each["name"]: each["wanted"] for each in status["groups"]} == {"cpu": 2, "cheap": 1}
        assert status["state"] == "degraded"
        assert any("group cheap: the cloud has not launched all" in each for each in status["problems"])
        done = cli.run("up", file, "--yes", "--timeout", "2", timeout=200)
        assert done.returncode == 1
        assert f"1 machine of group cheap not launched: {refusal}" in done.stderr
        assert "name more instance types, say `spot: fallback`, ask for more quota" in done.stderr
        region.sell_out_spot(region.small)
        assert cli.run("scale", name, "cheap", "2", timeout=200).returncode == 0
        region.sell_out_spot("*")
        assert cli.run("scale", name, "cpu", "3", "--timeout", "2", timeout=200).returncode == 1
        assert "taking 1 on-demand" in cli.run("scale", name, "cpu", "3", timeout=200).stderr
    bought = {
        ("scheduler", region.landmarks.scheduler_type, "on-demand"): 1,
        ("cpu", region.small, "on-demand"): 3,
        ("cheap", region.other, "spot"): 2,
    }
    await_true(lambda: region.count_machines(name) == bought, f"the fleet has {bought}")
    region.sell_out_spot()
    down(region, name)


def test_machines_with_gpus_boot_the_image_for_them_and_others_the_other(region: Region) -> None:
    region.register_image("with-gpus", own_facts(family="daskfleet-gpu", gpu="true"))
    cpu = {"name": "cpu", "instance_types": [region.small]}
    gpu = {"name": "gpu", "instance_types": [region.landmarks.gpu_type]}
    with pretend_nodes(region):
        region.cli.ok("up", write(region, "both", workers=render_groups(cpu, gpu)), "--yes", timeout=200)
    assert region.find_images("both") == {"scheduler": "daskfleet", "cpu": "daskfleet", "gpu": "with-gpus"}
    status = json.loads(region.cli.ok("status", "both", "--json"))
    assert {each["name"]: len(each["workers"]) for each in status["groups"]} == {"cpu": 1, "gpu": 1}
    down(region, "both")


@pytest.fixture(scope="module")
def standing(realm: Region) -> Iterator[Region]:
    """A region with a fleet `standing`, for tests that leave it as it is."""
    realm.proxy.clear()
    with pretend_nodes(realm):
        realm.cli.ok("up", write(realm, "standing"), "--yes", timeout=200)
        yield realm
        shutil.rmtree(realm.cli.home / "fleets/standing", ignore_errors=True)
        realm.cli.ok("down", "standing", *realm.here(), "--yes", timeout=200)


@pytest.fixture
def elsewhere(standing: Region, tmp_path: Path) -> Iterator[Region]:
    """The same region seen from a machine that knows nothing of the fleet."""
    home, standing.cli.home = standing.cli.home, tmp_path / "home"
    yield standing
    standing.cli.home = home


def adopt(region: Region, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Connect; the scheduler is only pretended, so that it ends with its not being reached, once all is written."""
    done = region.cli.run("connect", *arguments, timeout=60)
    assert "cannot be reached" in done.stderr, done.stderr
    return done


def test_a_fleet_is_used_from_elsewhere_with_credentials_alone(elsewhere: Region) -> None:
    cli = elsewhere.cli
    adopt(elsewhere, "standing", *elsewhere.here())
    folder = cli.home / "fleets/standing"
    assert {path.name for path in (folder / "tls").iterdir()} == {"ca.pem", "client.pem", "client-key.pem"}
    assert stat.S_IMODE((folder / "tls/client-key.pem").stat().st_mode) == 0o600
    assert json.loads(cli.ok("status", "standing", "--json"))["state"] == "running"
    assert json.loads(cli.ok("list", "--json"))[0]["workers"] == 2
    assert "was made elsewhere" in cli.run("up", "standing").stderr
    # Only its tag says that it is ours to remove: so it is shown, and asked.
    refused = cli.run("down", "standing")
    assert refused.returncode == 1
    assert "there is no terminal to ask on; say --yes" in refused.stderr
    assert elsewhere.find_tagged("standing")


def test_a_fleet_is_used_from_a_file_of_the_platform_team(elsewhere: Region, tmp_path: Path) -> None:
    (tmp_path / "connection.json").write_text(elsewhere.read_connection("standing"))
    adopt(elsewhere, "--from", str(tmp_path / "connection.json"))
    assert json.loads(elsewhere.cli.ok("status", "standing", "--json"))["state"] == "running"


def test_a_second_fleet_of_a_name_is_refused_and_so_is_choosing_between_two(elsewhere: Region) -> None:
    cli = elsewhere.cli
    taken = cli.run("up", write(elsewhere, "standing"), "--yes")
    assert "there is a fleet 'standing' in " in taken.stderr
    other = elsewhere.add_connection("standing", "{}")
    try:
        done = cli.run("connect", "standing", *elsewhere.here())
        assert "there are 2 fleets named 'standing'" in done.stderr
        assert other in done.stderr
        assert not (cli.home / "fleets/standing").exists()
    finally:
        elsewhere.remove_secret(other)


def test_a_fleet_that_is_not_there_is_told(elsewhere: Region) -> None:
    done = elsewhere.cli.run("connect", "nobody", *elsewhere.here())
    assert re.search(
        rf"no secret in {elsewhere.provider} {elsewhere.place}.* is that of a fleet named 'nobody'", done.stderr
    )
    done = elsewhere.cli.run("down", "nobody", *elsewhere.here())
    assert re.search(
        rf"nothing in {elsewhere.provider} {elsewhere.place}.* carries the \w+ of a fleet 'nobody'", done.stdout
    )
    assert elsewhere.cli.run("down", "nobody", "--provider", elsewhere.provider).returncode == 2


def test_doctor_tells_everything_that_is_wrong_at_once(region: Region) -> None:
    marks = region.landmarks
    workers = render_groups(
        {"name": "cpu", "instance_types": [region.small, marks.other_architecture]},
        {"name": "big", "instance_types": [marks.no_type]},
    )
    image = "{family: nobody}"
    done = region.cli.run("doctor", write(region, "sick", workers=workers, image=image), "--json")
    assert done.returncode == 1
    checks = {each["check"]: each for each in json.loads(done.stdout)}
    assert checks["engine"]["ok"]
    assert checks["credentials"]["ok"]
    assert "one image cannot boot on all of them" in checks[f"{marks.type_words} of cpu"]["problem"]
    assert (
        f"workers[1].instance_types[0]: '{marks.no_type}' is not offered"
        in checks[f"{marks.type_words} of big"]["problem"]
    )
    assert "there is no image of the family 'nobody'" in checks["image for x86_64"]["problem"]
    assert [call.name for call in region.proxy.calls if call.changes] == []
    up = region.cli.run("up", "sick.yaml", "--yes")
    assert "fleet 'sick' cannot be made, for 3 reasons:" in up.stderr
    assert not (region.cli.home / "fleets/sick").exists()


def test_doctor_without_an_engine_says_how_to_install_one(region: Region) -> None:
    variables = {**region.cli.variables, "PATH": "/usr/bin:/bin", "HOME": str(region.folder)}
    done = region.cli.run("doctor", write(region, "engineless"), env={**region.cli.environment, **variables})
    assert done.returncode == 1
    assert "NO  engine" in done.stdout
    assert "https://get.pulumi.com" in done.stdout


def test_following_logs_ends_when_the_fleet_is_gone_from_here(region: Region, standing: Region) -> None:
    process = standing.cli.start("logs", "standing", "scheduler", "--follow", "-n", "1")
    time.sleep(0)
    try:
        assert process.stdout is not None
        assert "hello" in process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
