"""What a fleet over SSH remembers, how it follows from the spec and from what its hosts have, and what may change."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from daskfleet.errors import FleetError, FleetNotFound
from daskfleet.home import FleetPaths, fleet_paths, make_private_folder
from daskfleet.providers.sizing import choose_workers, fill_machine
from daskfleet.providers.ssh.deciding import MEMORY_SHARE, choose_port, decide_address, decide_host
from daskfleet.providers.ssh.facts import HostFacts, PythonFacts
from daskfleet.providers.ssh.state import (
    HostState,
    Place,
    Sizes,
    SshState,
    find_refused_changes,
    list_workers,
    load_state,
    name_node,
    plan_state,
    read_state,
    render_spec,
    spread_workers,
    write_state,
)
from daskfleet.providers.state_file import StateDamaged
from daskfleet_stacks.spec import SshFleetSpec, parse_fleet_spec
from daskfleet_stacks.spec.ssh import HostAddress, SshHost, iterate_hosts

GIB = 2**30


def make_spec(*hosts: Any, **values: Any) -> SshFleetSpec:
    spec = parse_fleet_spec({"name": "x", "provider": "ssh", "hosts": list(hosts) or ["a"], **values})
    assert isinstance(spec, SshFleetSpec)
    return spec


def plan(spec: SshFleetSpec, old: SshState | None = None, **values: Any) -> SshState:
    return plan_state(spec, old, **{"new_id": "0123abcd", "now": 1.5, "working_directory": "/a folder", **values})


def make_facts(*, cores: int = 8, memory_free: int | None = 10 * GIB, **values: str) -> HostFacts:
    told = {} if memory_free is None else {"memory_free": str(memory_free // 1024)}
    return HostFacts({**told, **values}, PythonFacts({}, cores))


def bring_up(state: SshState, **facts: Any) -> SshState:
    """The state after an `up` of it that went well."""
    hosts = []
    for host in state.hosts:
        decided, problem = decide_host(host, make_facts(**facts))
        assert not problem
        folder = f"/home/u/.daskfleet/{state.folder(host.node)}"
        settled = {"folder": folder, "working_directory": "/a folder", "touched": True}
        hosts.append(decided.model_copy(update=settled))
    return state.model_copy(
        update={
            "hosts": tuple(hosts),
            "leaving": (),
            "scheduler_touched": True,
            "scheduler_port": 8786,
            "dashboard_port": 8787,
            "scheduler_host": "10.0.0.1",
            "complete": True,
        }
    )


def up(*hosts: Any, **values: Any) -> SshState:
    return bring_up(plan(make_spec(*hosts, **values)))


# From the spec


def test_a_new_fleet_has_a_node_for_each_host_and_nothing_on_any() -> None:
    state = plan(make_spec("u@rack[01-02].lan", {"host": "b", "port": 2222, "group": "big", "scratch": "/local"}))
    assert [(host.node, host.group) for host in state.hosts] == [
        ("rack01.lan", "cpu"),
        ("rack02.lan", "cpu"),
        ("b", "big"),
    ]
    assert state.hosts[0].place == Place(host="rack01.lan", user="u", scratch="/tmp")
    assert state.hosts[2].place == Place(host="b", port=2222, scratch="/local")
    assert all((host.workers, host.sizes, host.folder, host.touched) == ((), None, "", False) for host in state.hosts)
    assert (state.id, state.created, state.working_directory) == ("0123abcd", 1.5, "/a folder")
    assert state.scheduler.address == HostAddress("rack01.lan", "u", None)
    assert (state.scheduler_port, state.dashboard_port, state.scheduler_host) == (0, 0, "")
    assert (state.leaving, state.complete, state.scheduler_touched) == ((), False, False)


def test_a_scheduler_on_this_machine_has_no_host() -> None:
    assert plan(make_spec("a", scheduler="local")).scheduler == Place(host="")
    assert Place(host="").describe() == "this machine"


@pytest.mark.parametrize(
    "hosts",
    [
        ["a"],
        ["u@rack[01-03].lan", {"host": "b", "workers": "auto", "scratch": "/local"}],
        [{"host": "a", "workers": 3, "threads": 2, "memory_limit": "1GiB", "resources": {"GPU": 1}}],
        [{"host": "a", "workers": 0}],
        ["fe80::1%eth0", "scheduler"],
    ],
)
def test_asking_again_for_the_same_fleet_changes_nothing(hosts: list[Any]) -> None:
    state = up(*hosts)
    again = plan(state.spec, state, new_id="ffffffff", now=9.0, working_directory="/elsewhere")
    assert again == state.model_copy(update={"complete": False})
    assert bring_up(again) == state


def test_a_host_that_is_asked_again_keeps_its_sizes_whatever_is_free_by_then() -> None:
    state = up({"host": "a", "workers": "auto"})
    assert bring_up(plan(state.spec, state), cores=2, memory_free=GIB) == state


@pytest.mark.parametrize(
    ("change", "keeps"),
    [
        ({"workers": 5}, True),
        ({"workers": "auto"}, True),
        ({"threads": 1}, False),
        ({"memory_limit": "1GiB"}, False),
        ({"resources": {"GPU": 1}}, False),
        ({"nice": 0}, False),
        ({"pause_when_busy": True}, False),
        ({"scratch": "/local"}, False),
        ({"group": "big"}, False),
    ],
)
def test_a_host_with_another_entry_begins_anew_unless_only_its_count_is_another(
    change: dict[str, Any], keeps: bool
) -> None:
    old = up({"host": "a", "workers": 2}, "b")
    new = plan(make_spec({"host": "a", "workers": 2, **change}, "b"), old)
    host = new.hosts[0]
    assert host.node == "a"
    assert new.hosts[1] == old.hosts[1]
    if keeps:
        assert (host.workers, host.sizes, host.folder) == (
            old.hosts[0].workers,
            old.hosts[0].sizes,
            old.hosts[0].folder,
        )
        assert host.touched
        assert new.leaving == ()
    else:
        assert (host.workers, host.sizes, host.folder, host.touched) == ((), None, "", False)
        assert new.leaving == (old.hosts[0],)


@pytest.mark.parametrize("host", ["u@a", {"host": "a", "port": 2222}])
def test_a_host_that_is_reached_in_another_way_begins_anew_and_what_it_had_leaves(host: Any) -> None:
    old = up("a", "b", scheduler="b")
    new = plan(make_spec(host, "b", scheduler="b"), old)
    assert (new.hosts[0].node, new.hosts[0].touched, new.hosts[0].folder) == ("a", False, "")
    assert new.leaving == (old.hosts[0],)


def test_a_host_that_goes_from_a_pattern_to_an_entry_of_its_own_keeps_what_it_has() -> None:
    old = up("rack[1-3]")
    new = plan(make_spec("rack1", "rack[2-3]"), old)
    assert [host.workers for host in new.hosts] == [host.workers for host in old.hosts]
    assert [host.folder for host in new.hosts] == [host.folder for host in old.hosts]
    assert new.leaving == ()


def test_hosts_in_another_order_keep_what_they_have() -> None:
    old = up("a", "b", "c", scheduler="a")
    new = plan(make_spec("c", "a", "b", scheduler="a"), old)
    assert {host.node: host for host in new.hosts} == {host.node: host for host in old.hosts}
    assert [host.node for host in new.hosts] == ["c", "a", "b"]


def test_a_host_that_is_not_in_the_file_any_more_leaves_if_anything_is_on_it() -> None:
    old = up("a", "b", "c")
    hosts = (old.hosts[0], old.hosts[1], old.hosts[2].model_copy(update={"touched": False, "problem": "it is off"}))
    new = plan(make_spec("a"), old.model_copy(update={"hosts": hosts}))
    assert [host.node for host in new.hosts] == ["a"]
    assert new.leaving == (old.hosts[1],)


def test_a_host_that_leaves_is_remembered_until_it_is_gone_also_when_it_comes_back() -> None:
    state = plan(make_spec("a"), up("a", "b"))
    (left,) = state.leaving
    again = plan(make_spec("a"), bring_up(state).model_copy(update={"leaving": (left,)}))
    assert again.leaving == (left,)
    back = plan(make_spec("a", "b"), again)
    assert back.leaving == (left,)
    assert [(host.node, host.touched) for host in back.hosts] == [("a", True), ("b", False)]


def test_a_problem_is_of_one_up_and_not_kept_for_the_next() -> None:
    old = up("a", "b")
    old = old.replace_hosts({"b": old.hosts[1].model_copy(update={"problem": "it is off"})})
    assert [host.problem for host in plan(old.spec, old).hosts] == ["", ""]


# What may not change


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"scheduler": "b"}, "scheduler.host"),
        ({"scheduler": "local"}, "scheduler.host"),
        ({"scheduler": {"host": "u@a"}}, "scheduler.host"),
        ({"scheduler": {"port": 9000}}, "scheduler.port"),
        ({"scheduler": {"dashboard_port": 9000}}, "scheduler.dashboard_port"),
        ({"scheduler": {"address": "10.0.0.2"}}, "scheduler.address"),
        ({"environment": {"mode": "existing", "python": "/opt/env/bin/python"}}, "environment"),
    ],
)
def test_what_clients_and_workers_hold_on_to_cannot_be_changed_under_them(values: dict[str, Any], field: str) -> None:
    old = up("a", "b")
    (refused,) = find_refused_changes(old, plan(make_spec("a", "b", **values), old))
    assert refused.startswith(f"{field}: ")
    assert "down and up again" in refused


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"scheduler": "a"},
        {"scheduler": {"port": 8786, "dashboard_port": 8787, "address": "10.0.0.1"}},
        {"scheduler": {"port": "auto"}},
        {"tags": {"team": "climate"}},
        {"access": {"mode": "ssh"}},
        {"environment": {"mode": "same"}},
    ],
)
def test_what_stays_as_it_is_or_touches_nobody_may_be_said(values: dict[str, Any]) -> None:
    old = up("a", "b")
    assert find_refused_changes(old, plan(make_spec("a", "b", "c", **values), old)) == []


def test_before_anything_is_decided_ports_may_still_change() -> None:
    old = plan(make_spec("a"))
    values = {"port": 9000, "dashboard_port": 9001, "address": "10.0.0.2"}
    assert find_refused_changes(old, plan(make_spec("a", scheduler=values), old)) == []


def test_the_first_host_cannot_be_taken_from_under_the_scheduler() -> None:
    old = up("a", "b")
    (refused,) = find_refused_changes(old, plan(make_spec("b", "a"), old))
    assert "scheduler.host: a cannot become b" in refused


# Names


@pytest.mark.parametrize(
    ("host", "taken", "name"),
    [
        ("rack01.lan", [], "rack01.lan"),
        ("Desk_17", [], "Desk_17"),
        ("10.0.0.5", [], "10.0.0.5"),
        ("fe80::1%eth0", [], "fe80--1-eth0"),
        ("a", ["a"], "a-2"),
        ("a", ["a", "a-2", "a-3"], "a-4"),
        ("a:b", ["a-b"], "a-b-2"),
        ("scheduler", [], "scheduler-2"),
        ("scheduler", ["scheduler-2"], "scheduler-3"),
    ],
)
def test_a_node_is_called_as_its_host_where_files_can_be(host: str, taken: list[str], name: str) -> None:
    assert name_node(host, taken) == name


def test_no_two_nodes_have_one_name_and_none_is_the_schedulers() -> None:
    hosts = ["a:b", "a-b", "a%b", "a-b-2", "scheduler", "scheduler-2", "scheduler-2-2", "fe80::1", "fe80--1"]
    nodes = [host.node for host in plan(make_spec(*hosts)).hosts]
    assert len(set(nodes)) == len(nodes)
    assert "scheduler" not in nodes


@pytest.mark.parametrize(("first", "second"), [("scheduler", "scheduler-2"), ("fe80::1", "fe80--1")])
def test_a_host_that_comes_before_others_does_not_take_the_name_of_their_nodes(first: str, second: str) -> None:
    old = up(first, "z", scheduler="z")
    new = plan(make_spec(second, first, "z", scheduler="z"), old)
    nodes = [host.node for host in new.hosts]
    assert len(set(nodes)) == len(nodes)
    assert nodes[1:] == [host.node for host in old.hosts]


def test_workers_of_all_hosts_have_names_of_their_own() -> None:
    state = bring_up(plan(make_spec(*[{"host": name, "workers": 12} for name in ("a", "a-1", "a-1-1", "a:1")])))
    workers = [worker for host in state.hosts for worker in host.workers]
    assert len(set(workers)) == len(workers) == 48


def test_a_worker_takes_the_lowest_free_name() -> None:
    assert choose_workers("a", 1, ()) == ("a-0",)
    assert choose_workers("a", 3, ("a-0", "a-2")) == ("a-0", "a-2", "a-1")


def test_folders_of_a_node_tell_fleets_and_nodes_apart() -> None:
    one, other = plan(make_spec("a", "b")), plan(make_spec("a"), new_id="ffffffff")
    assert one.folder("a") == "x-0123abcd/a"
    place = Place(host="a", scratch="/")
    runtimes = {one.runtime("a", place), one.runtime("b", place), other.runtime("a", place)}
    assert len(runtimes) == 3
    assert all(runtime.startswith("/daskfleet-") for runtime in runtimes)
    assert len(one.runtime("a" * 253, Place(host="a")) + "/supervisor.sock") < 100
    assert one.unit_name("a") == "daskfleet-x-0123abcd-a.service"


# Workers


def make_host(node: str, count: int = 0, problem: str = "") -> HostState:
    workers = tuple(f"{node}-{number}" for number in range(count))
    return HostState(
        node=node, place=Place(host=node), group="cpu", workers=workers, asked=SshHost(host=node), problem=problem
    )


@pytest.mark.parametrize("seed", range(40))
def test_workers_are_spread_evenly_and_those_that_run_stay_where_there_is_room(seed: int) -> None:
    chance = random.Random(seed)
    hosts = [
        make_host(f"h{number}", chance.randrange(6), "it is off" if chance.random() < 0.25 else "")
        for number in range(chance.randrange(1, 8))
    ]
    usable = {host.node: host for host in hosts if not host.problem}
    count = chance.randrange(30)
    spread = spread_workers(hosts, count)
    assert spread.keys() == usable.keys()
    if not usable:
        return
    workers = [worker for names in spread.values() for worker in names]
    assert len(set(workers)) == len(workers) == count
    assert all(worker.rpartition("-")[0] == node for node, names in spread.items() for worker in names)
    running = sum(len(host.workers) for host in usable.values())
    kept = {worker for host in usable.values() for worker in host.workers} & set(workers)
    assert len(kept) == min(running, count)
    for node, host in usable.items():
        assert spread[node][: len(host.workers)] == host.workers[: len(spread[node])]
    # Nobody gains where another has fewer, and nobody loses while another has more.
    sizes = {node: len(names) for node, names in spread.items()}
    gained = [sizes[node] for node, host in usable.items() if sizes[node] > len(host.workers)]
    lost = [sizes[node] for node, host in usable.items() if sizes[node] < len(host.workers)]
    assert max(gained, default=0) <= min(sizes.values()) + 1
    assert min(lost, default=max(sizes.values())) >= max(sizes.values()) - 1


@pytest.mark.parametrize(("count", "sizes"), [(0, [0, 0, 0]), (1, [1, 0, 0]), (4, [2, 1, 1]), (9, [3, 3, 3])])
def test_workers_of_an_empty_group_are_balanced(count: int, sizes: list[int]) -> None:
    spread = spread_workers([make_host("a"), make_host("b"), make_host("c")], count)
    assert [len(names) for names in spread.values()] == sizes


def test_a_host_with_a_problem_gets_no_workers_and_without_any_other_nobody_does() -> None:
    assert spread_workers([make_host("a", 2, "it is off"), make_host("b", 1)], 3) == {"b": ("b-0", "b-1", "b-2")}
    assert spread_workers([make_host("a", 2, "it is off")], 3) == {}
    assert spread_workers([], 3) == {}


def test_a_worker_that_was_removed_leaves_its_name_to_the_next() -> None:
    host = make_host("a", 3).model_copy(update={"workers": ("a-0", "a-2")})
    assert spread_workers([host], 3) == {"a": ("a-0", "a-2", "a-1")}


def test_groups_are_in_the_order_of_the_file_with_their_hosts_and_workers() -> None:
    state = up({"host": "a", "group": "big"}, "b", {"host": "c", "group": "big", "workers": 2})
    assert list_workers(state) == {"big": ("a-0", "c-0", "c-1"), "cpu": ("b-0",)}
    assert [host.node for host in state.find_group("big")] == ["a", "c"]
    with pytest.raises(FleetError, match=r"fleet 'x' has no worker group 'none'; it has: big, cpu\."):
        state.find_group("none")


# The spec again


@pytest.mark.parametrize(
    "hosts",
    [
        ["a"],
        ["u@rack[01-03].lan", {"host": "b", "port": 2222, "workers": 3, "memory_limit": "1GiB"}],
        [{"host": "fe80::1%eth0", "workers": "auto", "resources": {"GPU": 1}, "scratch": "/local", "nice": 0}],
    ],
)
@pytest.mark.parametrize(
    "scheduler", [{}, {"host": "local", "address": "10.0.0.1"}, {"host": "v@head", "ssh_port": 22}]
)
def test_the_spec_of_a_fleet_that_runs_is_a_spec_and_changes_nothing(hosts: list[Any], scheduler: Any) -> None:
    state = up(*hosts, scheduler=scheduler)
    spec = render_spec(state)
    again = parse_fleet_spec(json.loads(spec.model_dump_json()))
    assert again == spec
    assert isinstance(again, SshFleetSpec)
    assert [address for address, _ in iterate_hosts(again)] == [host.place.address for host in state.hosts]
    assert [entry.workers for entry in again.hosts] == [len(host.workers) for host in state.hosts]
    planned = plan(again, state)
    assert find_refused_changes(state, planned) == []
    assert [host.workers for host in bring_up(planned).hosts] == [host.workers for host in state.hosts]
    assert planned.leaving == ()


def test_the_spec_of_a_fleet_that_was_scaled_has_the_counts_of_now() -> None:
    state = up("rack[1-2]", {"host": "b", "workers": "auto"})
    spread = spread_workers(state.hosts, 7)
    hosts = {host.node: host.model_copy(update={"workers": spread[host.node]}) for host in state.hosts}
    assert sum(int(entry.workers) for entry in render_spec(state.replace_hosts(hosts)).hosts) == 7


def test_a_host_that_is_not_in_the_fleet_keeps_the_count_that_was_asked_for() -> None:
    state = up("a", {"host": "b", "workers": "auto"})
    broken = state.hosts[1].model_copy(update={"problem": "it is off", "workers": ()})
    assert [entry.workers for entry in render_spec(state.replace_hosts({"b": broken})).hosts] == [1, "auto"]
    assert [entry.workers for entry in render_spec(plan(state.spec)).hosts] == [1, "auto"]


# The file


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FleetPaths:
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path))
    paths = fleet_paths("x")
    make_private_folder(paths.root)
    return paths


def test_what_is_written_is_what_is_read_and_only_this_users(paths: FleetPaths) -> None:
    assert read_state(paths) is None
    state = up("u@rack[1-2]", {"host": "b", "workers": "auto", "scratch": "/local", "memory_limit": 0})
    state = state.model_copy(update={"leaving": (make_host("old", 2, "it is off"),)})
    write_state(state, paths)
    assert read_state(paths) == load_state("x") == state
    assert paths.state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", "\xff\xfe", '{"version": 2}', '{"provider": "local"}'])
def test_a_damaged_state_is_told_with_what_only_it_knew(paths: FleetPaths, text: str) -> None:
    paths.state.write_bytes(text.encode("latin-1"))
    with pytest.raises(StateDamaged, match=r"is damaged.*Restore it, or remove on each host.*~/\.daskfleet") as caught:
        read_state(paths)
    assert str(paths.state) in str(caught.value)


def test_a_state_cut_at_any_byte_is_damaged_and_nothing_worse(paths: FleetPaths) -> None:
    write_state(up("a"), paths)
    text = paths.state.read_bytes()
    for end in range(0, len(text), 7):
        paths.state.write_bytes(text[:end])
        with pytest.raises(StateDamaged):
            read_state(paths)


def test_a_state_with_a_key_of_another_version_is_damaged_and_not_half_read(paths: FleetPaths) -> None:
    data = json.loads(up("a").model_dump_json())
    data["hosts"][0]["zebra"] = 1
    paths.state.write_text(json.dumps(data))
    with pytest.raises(StateDamaged):
        read_state(paths)


def test_a_state_that_cannot_be_read_says_why(paths: FleetPaths) -> None:
    paths.state.mkdir()
    with pytest.raises(StateDamaged, match="cannot be read: Is a directory"):
        read_state(paths)


def test_a_fleet_without_a_state_is_not_found(paths: FleetPaths) -> None:
    with pytest.raises(FleetNotFound):
        load_state("x")


# Ports


@pytest.mark.parametrize(
    ("asked", "taken", "port"),
    [
        ("auto", set(), 8786),
        ("auto", {22, 8787}, 8786),
        ("auto", {8786}, 8787),
        ("auto", {8786, 8787, 8789}, 8788),
        (9000, {8786}, 9000),
        (8786, set(), 8786),
    ],
)
def test_a_port_is_the_one_asked_for_or_the_next_that_is_free(asked: Any, taken: set[int], port: int) -> None:
    assert choose_port("scheduler.port", asked, 8786, taken, "a") == port


def test_a_port_that_was_asked_for_and_is_taken_is_told_with_where() -> None:
    with pytest.raises(FleetError, match=r"scheduler\.port: 9000: something listens there on team-server\.lan; end it"):
        choose_port("scheduler.port", 9000, 8786, {9000}, "team-server.lan")


# Sizes


def decide(facts: HostFacts, host: HostState | None = None, **entry: Any) -> tuple[HostState, str]:
    asked = make_spec({"host": "a", **entry}).hosts[0]
    return decide_host(
        host or plan(make_spec({"host": "a", **entry})).hosts[0].model_copy(update={"asked": asked}), facts
    )


@pytest.mark.parametrize(
    ("entry", "cores", "count", "threads"),
    [
        ({}, 8, 1, 8),
        ({"workers": 3}, 8, 3, 2),
        ({"workers": 16}, 8, 16, 1),
        ({"workers": 0}, 8, 0, 8),
        ({"workers": 2, "threads": 3}, 8, 2, 3),
        ({"threads": 4}, 8, 1, 4),
        ({"workers": "auto", "threads": 3}, 8, 2, 3),
        ({"workers": "auto", "threads": 16}, 8, 1, 16),
    ],
)
def test_workers_share_the_cores_of_their_host(entry: dict[str, Any], cores: int, count: int, threads: int) -> None:
    host, problem = decide(make_facts(cores=cores, memory_free=64 * GIB), **entry)
    assert not problem
    assert host.workers == tuple(f"a-{number}" for number in range(count))
    assert host.sizes is not None
    assert host.sizes.threads == threads


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 5, 8, 12, 16, 40, 64, 128, 192])
def test_a_host_is_filled_as_local_cluster_fills_a_machine(cores: int) -> None:
    host, _ = decide(make_facts(cores=cores, memory_free=512 * GIB), workers="auto")
    assert host.sizes is not None
    assert (len(host.workers), host.sizes.threads) == fill_machine(cores)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, "auto"])
def test_workers_share_four_fifths_of_the_memory_that_is_free(workers: Any) -> None:
    host, _ = decide(make_facts(cores=8, memory_free=10 * GIB), workers=workers)
    assert host.sizes is not None
    total = len(host.workers) * host.sizes.memory_limit
    assert MEMORY_SHARE * 10 * GIB - len(host.workers) <= total <= MEMORY_SHARE * 10 * GIB
    assert MEMORY_SHARE == 0.8


@pytest.mark.parametrize(("limit", "size"), [("2GiB", 2 * GIB), (0, 0)])
def test_a_memory_limit_that_was_given_is_the_one_whatever_is_free(limit: Any, size: int) -> None:
    for free in (GIB, None):
        host, problem = decide(make_facts(memory_free=free), workers=4, memory_limit=limit)
        assert not problem
        assert host.sizes == Sizes(threads=2, memory_limit=size)


def test_a_host_without_enough_memory_for_its_workers_is_told() -> None:
    host, problem = decide(make_facts(memory_free=300 * 2**20), workers=8)
    assert problem == "300 MiB of memory are free, which is too little for 8 workers; give it fewer workers"
    assert (host.workers, host.sizes) == ((), None)


def test_a_host_that_does_not_tell_its_memory_has_to_be_told_how_much() -> None:
    _, problem = decide(make_facts(memory_free=None))
    assert "give `memory_limit`" in problem


@pytest.mark.parametrize(("workers", "count"), [(1, 1), (2, 2), (5, 5), ("auto", 2)])
def test_a_host_that_runs_keeps_the_size_of_its_workers_and_the_names_that_are_left(workers: Any, count: int) -> None:
    before = up({"host": "a", "workers": 2}).hosts[0]
    asked = make_spec({"host": "a", "workers": workers}).hosts[0]
    after, problem = decide_host(before.model_copy(update={"asked": asked}), make_facts(cores=64, memory_free=GIB))
    assert not problem
    assert after.sizes == before.sizes
    assert after.workers == tuple(f"a-{number}" for number in range(count))


# The scheduler's address


def address(place: Place, server: str = "", others: Iterable[HostFacts] = (), **spec: Any) -> str:
    return decide_address(make_spec(**spec), place, HostFacts({"server": server}), list(others))


def seen(client: str, server: str) -> HostFacts:
    return HostFacts({"client": client, "server": server})


REMOTE, HERE = Place(host="a"), Place(host="")


def test_an_address_that_was_given_is_the_one() -> None:
    given = {"scheduler": {"address": "head.lan"}}
    assert address(REMOTE, "10.0.0.5", **given) == address(HERE, **given) == "head.lan"


@pytest.mark.parametrize("server", ["10.0.0.5", "192.168.1.7", "fd00::5"])
def test_the_hosts_reach_the_scheduler_where_ssh_does(server: str) -> None:
    assert address(REMOTE, server, [seen("10.0.0.1", server), seen("10.0.0.1", "10.0.0.6")]) == server


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "127.0.0.2"])
def test_the_loopback_address_leads_there_while_all_hosts_are_on_one_machine(server: str) -> None:
    assert address(REMOTE, server, [seen(server, server), seen("127.0.0.1", "127.0.0.1")]) == server
    with pytest.raises(FleetError, match=r"scheduler\.address: SSH reaches a at .*does not lead the other hosts there"):
        address(REMOTE, server, [seen(server, server), seen("10.0.0.1", "10.0.0.6")])


@pytest.mark.parametrize("server", ["", "UNKNOWN", "not an address"])
def test_an_address_that_is_none_has_to_be_given(server: str) -> None:
    with pytest.raises(FleetError, match=r"scheduler\.address.*give the name or address by which they reach it"):
        address(REMOTE, server, [seen("", "10.0.0.6")])


def test_a_scheduler_here_is_reached_where_the_hosts_see_this_machine() -> None:
    here = [seen("127.0.0.1", "127.0.0.1"), seen("127.0.0.1", "127.0.0.1")]
    assert address(HERE, others=here) == "127.0.0.1"


@pytest.mark.parametrize("client", ["198.51.100.7", "", "127.0.0.1"])
def test_a_scheduler_here_that_the_hosts_see_as_somebody_else_has_to_be_told(client: str) -> None:
    """Behind a router, the hosts see an address that is not this machine's."""
    with pytest.raises(FleetError, match=r"scheduler\.address: the hosts see this machine as") as caught:
        address(HERE, others=[seen(client, "10.0.0.6")])
    assert (client or "nobody") in str(caught.value)


@pytest.mark.parametrize(("host", "shown"), [("10.0.0.5", "10.0.0.5"), ("fd00::5", "[fd00::5]"), ("h.lan", "h.lan")])
def test_an_address_is_written_as_dask_takes_it(host: str, shown: str) -> None:
    state = up("a").model_copy(update={"scheduler_host": host})
    assert state.scheduler_address == f"tls://{shown}:8786"
    assert state.dashboard_url == "http://127.0.0.1:8787/status"
