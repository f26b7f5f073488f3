"""Parts of the stack provider that need no engine and no cloud: backends, state, locks, strays, scaling, hand-over."""

from __future__ import annotations

import datetime
import json
import os
import stat
from pathlib import Path
from typing import Any

import psutil
import pytest

from daskfleet.errors import FleetError
from daskfleet.home import fleet_paths
from daskfleet.providers.base import WorkerStatus
from daskfleet.providers.stack.aws.cloud import AwsCloud
from daskfleet.providers.stack.cloud import GroupResources, Leftover, Machine, Resources
from daskfleet.providers.stack.engine import EngineMissing, find_backend, find_engine, read_chosen_backend
from daskfleet.providers.stack.locks import LockHolder, is_dead, parse_lock_holders
from daskfleet.providers.stack.logs import choose_logs, name_source
from daskfleet.providers.stack.scaling import choose_leaving, name_all, name_workers, parse_host, plan_machines
from daskfleet.providers.stack.state import (
    GroupState,
    StackState,
    apply_resources,
    change_counts,
    read_state,
)
from daskfleet.providers.stack.strays import find_strays, is_half_made
from daskfleet.providers.state_file import StateDamaged
from daskfleet.services.adopt import adopt_from_file, parse_handed_over


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in list(os.environ):
        if name.startswith("PULUMI_"):
            monkeypatch.delenv(name)
    return tmp_path / "home"


def test_without_an_engine_the_error_says_how_to_install_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match=r"curl -fsSL https://get.pulumi.com \| sh"):
        find_engine()


def test_the_engine_is_found_where_its_installer_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = tmp_path / "user/.pulumi/bin/pulumi"
    engine.parent.mkdir(parents=True)
    engine.touch(mode=0o755)
    assert find_engine() == engine


def test_where_nobody_has_chosen_a_backend_it_is_a_private_folder_with_a_passphrase_made_once(home: Path):
    backend = find_backend()
    assert backend.is_own
    assert backend.url.startswith(f"file://{home}/stacks")
    file = Path(backend.environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    before = file.read_text()
    assert len(before) >= 32
    find_backend()
    assert file.read_text() == before


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_that_is_given_is_taken(name: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, "given")
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in find_backend().environment
    assert not (home / "stacks/passphrase").exists()


def test_a_backend_that_somebody_chose_is_respected(tmp_path: Path):
    assert read_chosen_backend({"PULUMI_BACKEND_URL": "s3://states"}) == "s3://states"
    assert read_chosen_backend({"PULUMI_HOME": str(tmp_path)}) is None
    assert read_chosen_backend({"PULUMI_HOME": str(tmp_path), "PULUMI_ACCESS_TOKEN": "x"}) == "https://api.pulumi.com"
    (tmp_path / "credentials.json").write_text(json.dumps({"current": "gs://states", "accounts": {}}))
    assert read_chosen_backend({"PULUMI_HOME": str(tmp_path)}) == "gs://states"
    (tmp_path / "credentials.json").write_text("{")
    assert read_chosen_backend({"PULUMI_HOME": str(tmp_path)}) is None


LOCKED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
    "lock file with `pulumi cancel`.\n  file:///h/.pulumi/locks/organization/daskfleet/x/1.json: created by ann@laptop "
    "(pid 123) at 2026-01-31T10:00:00Z"
)


def test_the_holder_of_a_lock_is_read_from_the_engines_refusal():
    since = datetime.datetime(2026, 1, 31, 10, tzinfo=datetime.UTC).timestamp()
    assert parse_lock_holders(LOCKED) == [LockHolder("ann", "laptop", 123, since)]
    assert parse_lock_holders("error: something else") == []
    assert "ann on laptop, process 123, since 2026-01-31 10:00 UTC" in parse_lock_holders(LOCKED)[0].describe()


def test_a_state_is_half_made_where_a_call_or_a_resource_was_not_finished():
    assert not is_half_made({})
    assert not is_half_made({"resources": [{"urn": "a", "initErrors": []}], "pending_operations": []})
    assert is_half_made({"resources": None, "pending_operations": [{"type": "creating"}]})
    assert is_half_made({"resources": [{"urn": "a"}, {"urn": "b", "initErrors": ["ExpiredToken"]}]})


def test_a_holder_is_dead_only_if_it_was_a_process_of_this_machine_that_has_ended():
    import socket

    here, me = socket.gethostname(), psutil.Process()
    assert not is_dead(LockHolder("a", "elsewhere", 2**22 + 1, 0))
    assert is_dead(LockHolder("a", here, 2**22 + 1, 0))
    assert not is_dead(LockHolder("a", here, me.pid, me.create_time() + 1))
    assert is_dead(LockHolder("a", here, me.pid, me.create_time() - 100))  # The number was given again.
    assert not is_dead(LockHolder("a", here, me.pid, None))


AWS = AwsCloud("eu-west-1")
STATE = StackState(
    provider="aws",
    region="eu-west-1",
    spec={"name": "x", "provider": "aws", "workers": [{"name": "cpu", "count": 2}, {"name": "gpu"}]},
    created=1.0,
    groups=(
        GroupState(name="cpu", count=2, id="asg-1"),
        GroupState(name="gpu", count=1, id="asg-2", workers_per_machine=4),
    ),
)


def test_the_spec_keeps_what_scale_has_changed():
    changed = change_counts(STATE, {"cpu": 20})
    assert changed.find_group("x", "cpu").count == 20
    assert changed.spec is not None
    assert changed.spec["workers"][0]["count"] == 20
    assert "count" not in STATE.spec["workers"][1] if STATE.spec else False
    assert STATE.find_group("x", "gpu").workers == 4


def test_a_group_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(FleetError, match="no worker group 'big'; it has: cpu, gpu"):
        STATE.find_group("x", "big")


def test_what_a_stack_became_is_taken_over_with_the_counts_that_are_wanted():
    resources = Resources(
        "eu-west-1", "/log", "i-0", (GroupResources("cpu", "asg-9", 1), GroupResources("new", "asg-8", 2))
    )
    became = apply_resources(STATE, resources)
    assert [(each.name, each.count, each.id) for each in became.groups] == [("cpu", 2, "asg-9"), ("new", 0, "asg-8")]
    assert became.complete
    assert became.resources == resources


def test_a_state_file_is_read_back_and_a_damaged_one_is_told(home: Path):
    paths = fleet_paths("x")
    assert read_state(paths) is None
    paths.root.mkdir(parents=True)
    paths.state.write_text(STATE.model_dump_json())
    assert read_state(paths) == STATE
    paths.state.write_text('{"version": 1')
    with pytest.raises(StateDamaged):
        read_state(paths)


def test_what_is_not_in_the_state_is_a_stray_but_for_what_a_group_of_the_state_makes():
    group = {"type": "aws:autoscaling/group:Group", "id": "asg-1", "outputs": {"arn": "arn:asg"}}
    vpc = {"type": "aws:ec2/vpc:Vpc", "id": "vpc-1", "outputs": {}}
    key = {"type": "aws:ec2/keyPair:KeyPair", "id": "research", "outputs": {"keyPairId": "key-1"}}
    found = [
        Leftover("VPC", "vpc-1"),
        Leftover("VPC", "vpc-2"),
        Leftover("key pair", "key-1"),
        Leftover("auto scaling group", "asg-1"),
        Leftover("instance", "i-1", group="cpu"),
        Leftover("instance", "i-2"),
    ]
    assert [each.id for each in find_strays(found, {"resources": [group, vpc, key]}, AWS)] == ["vpc-2", "i-2"]
    assert [each.id for each in find_strays(found, {"resources": [vpc]}, AWS)] == [
        "vpc-2",
        "key-1",
        "asg-1",
        "i-1",
        "i-2",
    ]
    assert len(find_strays(found, {}, AWS)) == 6
    volume = Leftover("volume", "vol-1", holder="i-2")
    scheduler = {"type": "aws:ec2/instance:Instance", "id": "i-2", "outputs": {}}
    assert find_strays([volume], {"resources": [scheduler]}, AWS) == []
    assert find_strays([volume], {}, AWS) == [volume]


def machine(number: int, launched: float = 0.0) -> Machine:
    return Machine(f"i-{number}", "cpu", f"ip-10-0-0-{number}", f"10.0.0.{number}", "running", launched)


def test_machines_without_a_worker_leave_first_and_then_those_whose_workers_are_best_closed():
    ordered = ["tls://10.0.0.3:4000", "tls://10.0.0.1:4000", "tls://10.0.0.2:4000"]
    machines = [machine(1), machine(2), machine(3), machine(4)]
    assert [each.id for each in choose_leaving(machines, ordered, 3)] == ["i-4", "i-3", "i-1"]


def test_a_machine_is_as_hard_to_close_as_its_busiest_worker():
    ordered = ["tls://10.0.0.1:1", "tls://10.0.0.2:1", "tls://10.0.0.2:2", "tls://10.0.0.1:2"]
    assert [each.id for each in choose_leaving([machine(1), machine(2)], ordered, 1)] == ["i-2"]


def test_names_of_workers_and_machines():
    assert name_workers(machine(7), 2) == ("ip-10-0-0-7-0", "ip-10-0-0-7-1")
    assert parse_host("tls://10.0.0.7:8786") == "10.0.0.7"
    assert parse_host("tls://[::1]:8786") == "::1"
    assert [plan_machines(workers, 4) for workers in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_workers_have_the_names_that_the_scheduler_knows_and_before_those_that_they_will_have():
    known = [WorkerStatus("odd-name", "tls://10.0.0.1:4000", 1, 1, 0, 0, 0.0, 0)]
    named = name_all([machine(1), machine(2)], known, STATE)
    assert named == {"i-1": ("odd-name",), "i-2": ("ip-10-0-0-2-0",)}


def test_logs_are_chosen_by_node_by_group_or_all_with_the_schedulers_first():
    known = [("cpu", "ip-1"), ("scheduler", "ip-0"), ("gpu", "ip-2")]
    assert choose_logs(known, None) == [("scheduler", "ip-0"), ("cpu", "ip-1"), ("gpu", "ip-2")]
    assert choose_logs(known, "gpu") == [("gpu", "ip-2")]
    assert choose_logs(known, "ip-1") == choose_logs(known, "cpu/ip-1") == [("cpu", "ip-1")]
    assert choose_logs(known, "big") == []
    assert name_source("scheduler", "ip-0") == "scheduler"
    assert name_source("cpu", "ip-1") == "ip-1"


PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
HANDED: dict[str, Any] = {
    "fleet": "research",
    "provider": "aws",
    "scheduler_address": "tls://10.0.0.1:8786",
    "dashboard_url": "http://127.0.0.1:8787/status",
    "security": {
        "tls_ca_file": PEM,
        "tls_client_cert": PEM,
        "tls_client_key": PEM.replace("CERTIFICATE", "PRIVATE KEY"),
    },
    "access": {"mode": "private"},
    "versions": {"python": "3.11.7", "dask": "1", "distributed": "1", "cloudpickle": "1"},
    "resources": {
        "region": "eu-west-1",
        "log_group": "/log",
        "vpc": "vpc-1",
        "scheduler_instance": "i-0",
        "groups": {"cpu": {"auto_scaling_group": "asg-1", "workers_per_instance": 1}},
    },
}


def hand_over(folder: Path, data: Any) -> str:
    path = folder / "connection.json"
    path.write_text(json.dumps(data) if not isinstance(data, str) else data)
    return str(path)


@pytest.mark.parametrize(
    "wrap", [lambda data: data, lambda data: {"connection": data}, lambda data: {**data, "other": 1}]
)
def test_a_connection_that_is_handed_over_is_kept_in_private_files(tmp_path: Path, wrap: Any):
    assert adopt_from_file(hand_over(tmp_path, wrap(HANDED)), None) == "research"
    paths = fleet_paths("research")
    files = [paths.connection, paths.state, *paths.tls.iterdir()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(paths.root.stat().st_mode) == 0o700
    kept = json.loads(paths.connection.read_text())
    assert Path(kept["security"]["tls_client_key"]).read_text() == HANDED["security"]["tls_client_key"]
    assert "PRIVATE KEY" not in paths.connection.read_text() + paths.state.read_text()


def test_without_resources_a_connection_is_kept_all_the_same(tmp_path: Path):
    data = {key: value for key, value in HANDED.items() if key != "resources"}
    adopt_from_file(hand_over(tmp_path, data), "research")
    state = read_state(fleet_paths("research"))
    assert state is not None
    assert (state.region, state.groups, state.spec) == ("", (), None)


def test_adopting_ones_own_fleet_keeps_what_is_known_of_it(tmp_path: Path):
    paths = fleet_paths("research")
    paths.root.mkdir(parents=True)
    paths.state.write_text(STATE.model_dump_json())
    adopt_from_file(hand_over(tmp_path, HANDED), None)
    state = read_state(paths)
    assert state is not None
    assert state.spec == STATE.spec
    assert state.groups[0].count == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("no json", "is not JSON"),
        ("[]", "is JSON, but no object"),
        ({}, "lacks fleet, provider"),
        ({**HANDED, "security": "[secret]"}, "Pulumi hid them"),
        ({**HANDED, "security": {**HANDED["security"], "tls_client_key": "[secret]"}}, "Pulumi hid them"),
        ({**HANDED, "security": {**HANDED["security"], "tls_client_key": "/home/ann/key.pem"}}, "no PEM text"),
        ({**HANDED, "security": {"tls_ca_file": PEM}}, "tls_client_key"),
        ({**HANDED, "provider": "local"}, "only its own machine reaches"),
        ({**HANDED, "fleet": "../x"}, "no name of a fleet"),
        ({**HANDED, "access": {"mode": "magic"}}, "access.mode"),
    ],
)
def test_what_is_no_connection_is_refused_without_a_secret_in_the_words(tmp_path: Path, data: Any, reason: str):
    with pytest.raises(FleetError) as caught:
        adopt_from_file(hand_over(tmp_path, data), None)
    assert reason in str(caught.value)
    assert "PRIVATE KEY" not in str(caught.value)
    assert not fleet_paths("research").root.exists()


def test_a_file_of_another_fleet_than_the_one_named_is_refused(tmp_path: Path):
    with pytest.raises(FleetError, match="of fleet 'research', not of 'other'"):
        adopt_from_file(hand_over(tmp_path, HANDED), "other")
    with pytest.raises(FleetError, match="cannot be read"):
        adopt_from_file(str(tmp_path / "none.json"), None)


def test_parsing_what_is_handed_over_reads_no_file():
    assert parse_handed_over(HANDED, "x").fleet == "research"
