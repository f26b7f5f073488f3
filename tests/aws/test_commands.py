"""The commands on fleets in AWS: the real engine, stand-ins for its plugins, moto; and machines that only pretend."""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aws.lab import render_fleet
from aws.pretend import Pretended, lives, pretend_nodes
from aws.region import Region, open_region
from aws_calls import Call, Refusal, denied
from engine.engine import Engine
from harness import await_true
from machines.metadata import REGION

PRIVATE = {"access": "{mode: private}"}
EXPIRED = Refusal("ExpiredToken", "The security token included in the request is expired", 403)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Region]:
    """A region for several fleets, each with a name of its own."""
    with open_region(tmp_path_factory.mktemp("realm"), engine) as region:
        yield region


@pytest.fixture
def region(realm: Region) -> Iterator[Region]:
    """The region, in which nothing is interfered with before or after."""
    realm.proxy.clear()
    yield realm
    realm.proxy.clear()


def write(region: Region, name: str, **changes: str) -> str:
    return region.cli.write(render_fleet(name, **{**PRIVATE, **changes}), f"{name}.yaml")


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
    assert re.search(r"\+ autoscaling.Group +asked-cpu", done.stderr)
    assert "fleet 'asked' was not changed: there is no terminal to ask on; say --yes" in done.stderr
    assert not any(call.changes for call in region.proxy.calls)
    assert not (region.cli.home / "fleets/asked").exists()


def test_preview_makes_nothing_and_leaves_nothing_here(region: Region) -> None:
    plan = json.loads(region.cli.ok("preview", write(region, "seen"), "--json"))
    assert {each["type"] for each in plan["changes"]["create"]} >= {"ec2.Vpc", "ec2.Instance", "autoscaling.Group"}
    assert not any(call.changes for call in region.proxy.calls)
    assert not (region.cli.home / "fleets/seen").exists()


def test_a_fleet_lives_by_the_same_words_as_a_local_one(region: Region) -> None:
    cli, name = region.cli, "living"
    with pretend_nodes(region):
        told = cli.run("up", write(region, name), "--yes", timeout=200)
        assert told.returncode == 0, told.stderr
        assert f"fleet '{name}' is up at tls://10.77." in told.stdout
        assert "workers    2 in cpu" in told.stdout
        assert "creating ec2.Vpc living-network-vpc" in told.stderr
        assert "machines registered: 2 of 2" in told.stderr
        assert "PRIVATE KEY" not in told.stdout + told.stderr + read_files(region, name)
        folder = cli.home / "fleets" / name
        files = [*folder.glob("*.json"), *(folder / "tls").iterdir()]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

        status = json.loads(cli.ok("status", name, "--json"))
        assert (status["state"], status["provider"]) == ("running", "aws")
        assert [each["name"] for each in status["groups"][0]["workers"]] == sorted(
            f"{node['name']}-0" for node in status["groups"][0]["nodes"]
        )
        assert "registered" in status["scheduler"]["phases"]
        region.proxy.clear()
        assert f"{name}  aws  " in " ".join(cli.ok("list").split()).replace(f"{name} aws", f"{name}  aws ")
        assert region.proxy.calls == []

        region.proxy.clear()
        again = cli.run("up", write(region, name), timeout=200)
        assert again.returncode == 0, again.stderr
        assert not any(call.changes for call in region.proxy.calls)

        region.proxy.clear()
        more = cli.run("up", write(region, name, workers="[{name: cpu, instance_types: [m7i.large], count: 4}]"), "-y")
        assert more.returncode == 0, more.stderr
        assert "# group cpu: 2 to 4 machines" in more.stderr
        assert [call.action for call in region.proxy.calls if call.changes] == ["SetDesiredCapacity"]

        assert "has 5 machines" in cli.ok("scale", name, "cpu", "5", timeout=100)
        region.proxy.clear()
        assert "has 1 machine\n" in cli.ok("scale", name, "cpu", "1", timeout=100)
        assert [call.action for call in region.proxy.calls if call.changes] == ["SetDesiredCapacity"]
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


def test_a_refused_call_is_named_with_what_to_do_and_nothing_is_left(region: Region) -> None:
    region.proxy.interfere = lambda call: denied(call) if call.action == "CreateLaunchTemplate" else None
    done = region.cli.run("up", write(region, "denied"), "--yes", timeout=300)
    assert done.returncode == 1
    assert "CreateLaunchTemplate" in done.stderr
    assert "what to do: this identity may not do that" in done.stderr
    assert "Traceback" not in done.stderr
    region.proxy.clear()
    assert region.find_tagged("denied") == []


def test_credentials_that_expire_in_the_middle_stop_it_and_it_goes_on_with_new_ones(region: Region) -> None:
    cli, name = region.cli, "expiring"
    made: list[str] = []

    def expire(call: Call) -> Refusal | None:
        made.append(call.action)
        return EXPIRED if "CreateNatGateway" in made else None

    region.proxy.interfere = expire
    done = cli.run("up", write(region, name), "--yes", timeout=300)
    assert done.returncode == 1
    assert "Renew them" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"`daskfleet up` goes on with it, `daskfleet down {name}` removes it" in done.stderr
    region.proxy.clear()
    with pretend_nodes(region):
        assert cli.run("up", write(region, name), "--yes", timeout=300).returncode == 0
    down(region, name)


def kill_during(region: Region, name: str, action: str, *signals: int, whole: bool = False) -> subprocess.Popen[str]:
    """Start `up`, and send signals once AWS has done a call of this kind."""
    reached: list[Call] = []
    region.proxy.after = lambda call: reached.append(call) if call.action == action else None
    process = region.cli.start("up", write(region, name), "--yes")
    await_true(lambda: reached or process.poll() is not None, f"{action} of {name}", timeout=100)
    family = [psutil.Process(process.pid)]
    if whole:
        family += family[0].children(recursive=True)
    for number in signals:
        for each in family:
            each.send_signal(number)
    _, err = process.communicate(timeout=300)
    region.proxy.clear()
    process.told = err  # type: ignore[attr-defined]
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_an_interrupted_up_of_a_new_fleet_leaves_nothing(region: Region, number: int) -> None:
    process = kill_during(region, "stopped", "CreateLaunchTemplate", number)
    assert process.returncode == 130
    assert "telling the engine to stop" in process.told  # type: ignore[attr-defined]
    assert region.find_tagged("stopped") == []
    assert not (region.cli.home / "fleets/stopped").exists()


@pytest.mark.parametrize("action", ["CreateVpc", "RunInstances", "CreateAutoScalingGroup"])
def test_an_up_that_was_killed_with_its_engine_is_removed_by_down(region: Region, action: str) -> None:
    assert kill_during(region, "killed", action, signal.SIGKILL, whole=True).returncode == -signal.SIGKILL
    down(region, "killed")


def test_an_up_that_was_killed_with_its_engine_is_finished_by_the_next(region: Region) -> None:
    kill_during(region, "again", "RunInstances", signal.SIGKILL, whole=True)
    with pretend_nodes(region):
        done = region.cli.run("up", write(region, "again"), "--yes", timeout=300)
    assert done.returncode == 0, done.stderr
    instances = region.call("ec2", "describe_instances", Filters=[{"Name": "tag:daskfleet:fleet", "Values": ["again"]}])
    running = [
        each["InstanceId"]
        for reservation in instances["Reservations"]
        for each in reservation["Instances"]
        if each["State"]["Name"] == "running"
    ]
    assert len(running) == 3
    down(region, "again")


@pytest.fixture(scope="module")
def standing(realm: Region) -> Iterator[Region]:
    """A region with a fleet `standing`, for tests that leave it as it is."""
    realm.proxy.clear()
    with pretend_nodes(realm):
        realm.cli.ok("up", write(realm, "standing"), "--yes", timeout=200)
        yield realm
        shutil.rmtree(realm.cli.home / "fleets/standing", ignore_errors=True)
        realm.cli.ok("down", "standing", "--provider", "aws", "--region", REGION, "--yes", timeout=200)


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
    adopt(elsewhere, "standing", "--provider", "aws", "--region", REGION)
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
    secrets = elsewhere.call("secretsmanager", "list_secrets")["SecretList"]
    name = next(each["Name"] for each in secrets if each["Name"].startswith("daskfleet/standing/client"))
    text = elsewhere.call("secretsmanager", "get_secret_value", SecretId=name)["SecretString"]
    (tmp_path / "connection.json").write_text(text)
    adopt(elsewhere, "--from", str(tmp_path / "connection.json"))
    assert json.loads(elsewhere.cli.ok("status", "standing", "--json"))["state"] == "running"


def test_a_second_fleet_of_a_name_is_refused_and_so_is_choosing_between_two(elsewhere: Region) -> None:
    cli = elsewhere.cli
    taken = cli.run("up", write(elsewhere, "standing"), "--yes")
    assert f"there is a fleet 'standing' in {REGION} already" in taken.stderr
    tags = {"daskfleet:fleet": "standing", "daskfleet:role": "client"}
    other = "daskfleet/standing/client-other"
    elsewhere.call(
        "secretsmanager",
        "create_secret",
        Name=other,
        SecretString="{}",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    try:
        done = cli.run("connect", "standing", "--provider", "aws", "--region", REGION)
        assert "there are 2 fleets named 'standing'" in done.stderr
        assert other in done.stderr
        assert not (cli.home / "fleets/standing").exists()
    finally:
        elsewhere.call("secretsmanager", "delete_secret", SecretId=other, ForceDeleteWithoutRecovery=True)


def test_a_fleet_that_is_not_there_is_told(elsewhere: Region) -> None:
    done = elsewhere.cli.run("connect", "nobody", "--provider", "aws", "--region", REGION)
    assert f"no secret in aws {REGION} is that of a fleet named 'nobody'" in done.stderr
    done = elsewhere.cli.run("down", "nobody", "--provider", "aws", "--region", REGION)
    assert f"nothing in aws {REGION} carries the tag of a fleet 'nobody'" in done.stdout
    assert elsewhere.cli.run("down", "nobody", "--provider", "aws").returncode == 2


def test_what_others_have_changed_is_shown_and_mended(region: Region, standing: Region) -> None:
    call = standing.call
    wanted = [
        {"Name": "tag:daskfleet:fleet", "Values": ["standing"]},
        {"Name": "tag:daskfleet:role", "Values": ["scheduler"]},
    ]
    group = call("ec2", "describe_security_groups", Filters=wanted)["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    call("ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=[rule])
    vpc = call("ec2", "describe_vpcs", Filters=wanted[:1])["Vpcs"][0]["VpcId"]
    call("ec2", "create_tags", Resources=[vpc], Tags=[{"Key": "daskfleet:role", "Value": "mine"}])
    plan = json.loads(standing.cli.ok("preview", "standing.yaml", "--refresh", "--json", timeout=100))
    assert [each["name"] for each in plan["drift"]] == ["standing-network-vpc"]
    assert [each["what"].partition(" into ")[0] for each in plan["openings"]] == ["tcp 22 from 0.0.0.0/0"]
    assert [each["name"] for each in plan["changes"]["update"]] == ["standing-network-vpc"]
    standing.cli.ok("up", "standing.yaml", "--yes", timeout=200)
    assert "nothing to change" in standing.cli.ok("preview", "standing.yaml", "--refresh", timeout=100)
    permissions = call("ec2", "describe_security_groups", GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert not any(each.get("IpRanges") for each in permissions)


def test_doctor_tells_everything_that_is_wrong_at_once(region: Region) -> None:
    workers = "[{name: cpu, instance_types: [m7i.large, m7g.large]}, {name: big, instance_types: [x9.huge]}]"
    image = "{family: nobody}"
    done = region.cli.run("doctor", write(region, "sick", workers=workers, image=image), "--json")
    assert done.returncode == 1
    checks = {each["check"]: each for each in json.loads(done.stdout)}
    assert checks["engine"]["ok"]
    assert checks["credentials"]["ok"]
    assert "one image cannot boot on all of them" in checks["instance types of cpu"]["problem"]
    assert "workers[1].instance_types[0]: 'x9.huge' is not offered" in checks["instance types of big"]["problem"]
    assert "there is no image of the family 'nobody'" in checks["image for x86_64"]["problem"]
    assert not any(call.changes for call in region.proxy.calls)
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
