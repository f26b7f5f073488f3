"""What a local fleet remembers, how it follows from the spec, and what becomes of a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from distributed.deploy.utils import nprocesses_nthreads

from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, fleet_paths, write_private_file
from daskfleet.progress import Quiet
from daskfleet.providers.local import LocalProvider
from daskfleet.providers.local.state import (
    GroupState,
    LocalState,
    change_workers,
    describe_changes,
    find_refused_changes,
    read_state,
    size_groups,
)
from daskfleet.providers.sizing import choose_workers, fill_machine
from daskfleet.providers.state_file import StateDamaged
from daskfleet_stacks.spec import LocalFleetSpec, parse_fleet_spec


def make_spec(*groups: dict[str, Any], **values: Any) -> LocalFleetSpec:
    spec = parse_fleet_spec(
        {"name": "x", "provider": "local", **({"workers": list(groups)} if groups else {}), **values}
    )
    assert isinstance(spec, LocalFleetSpec)
    return spec


def size(spec: LocalFleetSpec, cpus: int, current: tuple[GroupState, ...] = ()) -> dict[str, tuple[int, int]]:
    return {group.name: (len(group.workers), group.threads) for group in size_groups(spec, lambda: cpus, current)}


def make_state(spec: LocalFleetSpec, cpus: int = 4, **values: Any) -> LocalState:
    return LocalState.model_validate(
        {
            "spec": spec,
            "scheduler_port": 8786,
            "dashboard_port": 8787,
            "groups": size_groups(spec, lambda: cpus),
            "created": 1.5,
            "working_directory": "/a folder",
            **values,
        }
    )


TWO = make_spec(
    {"name": "cpu", "count": 2, "threads": 1},
    {"name": "big", "count": 1, "memory_limit": "1GiB", "resources": {"B": 1}},
)


@pytest.fixture
def paths(tmp_path: Path) -> FleetPaths:
    return FleetPaths(tmp_path)


# Sizes


@pytest.mark.parametrize("cpus", range(1, 257))
def test_a_machine_is_filled_as_local_cluster_fills_it(cpus: int):
    assert fill_machine(cpus) == nprocesses_nthreads(cpus)


@pytest.mark.parametrize(
    ("group", "cpus", "expected"),
    [
        ({}, 4, (4, 1)),
        ({}, 8, (4, 2)),
        ({}, 7, (7, 1)),
        ({"threads": 2}, 8, (4, 2)),
        ({"threads": 3}, 8, (2, 3)),
        ({"threads": 16}, 8, (1, 16)),
        ({"count": 2}, 8, (2, 4)),
        ({"count": 3}, 8, (3, 3)),
        ({"count": 16}, 8, (16, 1)),
        ({"count": 0}, 8, (0, 8)),
        ({"count": 2, "threads": 3}, 8, (2, 3)),
    ],
)
def test_a_single_group_is_sized_to_the_machine(group: dict[str, Any], cpus: int, expected: tuple[int, int]):
    assert size(make_spec({"name": "cpu", **group}), cpus) == {"cpu": expected}


def test_several_groups_share_the_cores_among_all_workers():
    spec = make_spec({"name": "a", "count": 3}, {"name": "b", "count": 1}, {"name": "c", "count": 0, "threads": 7})
    assert size(spec, 8) == {"a": (3, 2), "b": (1, 2), "c": (0, 7)}


def test_the_cores_are_not_counted_when_the_answer_does_not_depend_on_them():
    def count_cpus() -> int:
        raise AssertionError("counting imports Dask")

    (group,) = size_groups(make_spec({"name": "a", "count": 2, "threads": 3, "memory_limit": "1GiB"}), count_cpus)
    assert (group.workers, group.threads, group.memory_limit) == (("a-0", "a-1"), 3, 2**30)


def test_what_the_spec_says_of_memory_and_resources_is_in_the_group():
    cpu, big = size_groups(TWO, lambda: 4)
    assert (cpu.memory_limit, cpu.resources) == ("auto", {})
    assert (big.memory_limit, big.resources) == (2**30, {"B": 1.0})


@pytest.mark.parametrize("group", [{}, {"count": 3}, {"threads": 2}, {"count": 2, "threads": 1}, {"count": 0}])
def test_sizing_the_same_fleet_again_changes_nothing(group: dict[str, Any]):
    spec = make_spec({"name": "cpu", **group})
    first = size_groups(spec, lambda: 8)
    assert size_groups(spec, lambda: 8, first) == first


def test_a_group_that_grows_keeps_its_threads_where_the_spec_leaves_them_open():
    before = size_groups(make_spec({"name": "cpu", "count": 2}), lambda: 8)
    (after,) = size_groups(make_spec({"name": "cpu", "count": 4}), lambda: 8, before)
    assert (len(after.workers), after.threads) == (4, 4)
    (after,) = size_groups(make_spec({"name": "cpu", "count": 4, "threads": 1}), lambda: 8, before)
    assert after.threads == 1


# Names


@pytest.mark.parametrize(
    ("count", "current", "expected"),
    [
        (0, (), ()),
        (2, (), ("cpu-0", "cpu-1")),
        (3, ("cpu-0",), ("cpu-0", "cpu-1", "cpu-2")),
        (1, ("cpu-0", "cpu-1"), ("cpu-0",)),
        (0, ("cpu-0",), ()),
        (3, ("cpu-1", "cpu-3"), ("cpu-1", "cpu-3", "cpu-0")),
        (5, ("cpu-1", "cpu-3"), ("cpu-1", "cpu-3", "cpu-0", "cpu-2", "cpu-4")),
        (2, ("cpu-7",), ("cpu-7", "cpu-0")),
        (2, ("cpu-1", "cpu-0"), ("cpu-1", "cpu-0")),
    ],
)
def test_workers_keep_their_names_and_new_ones_take_the_lowest_free(
    count: int, current: tuple[str, ...], expected: tuple[str, ...]
):
    assert choose_workers("cpu", count, current) == expected


def test_names_never_repeat_over_a_long_life_of_growing_and_shrinking():
    workers: tuple[str, ...] = ()
    for count in (3, 1, 5, 0, 2, 9, 4, 4, 7):
        workers = choose_workers("cpu", count, workers[1:])
        assert len(set(workers)) == len(workers) == count


# Changes


def test_changed_workers_are_in_the_groups_and_in_the_counts_of_the_spec():
    state = change_workers(make_state(TWO), {"cpu": ("cpu-1", "cpu-5", "cpu-6")})
    assert [group.workers for group in state.groups] == [("cpu-1", "cpu-5", "cpu-6"), ("big-0",)]
    assert [group.count for group in state.spec.workers] == [3, 1]
    assert change_workers(state, {}) == state
    assert [group.count for group in change_workers(state, {"cpu": (), "big": ()}).spec.workers] == [0, 0]


def test_a_change_leaves_the_old_state_as_it_was():
    state = make_state(TWO)
    text = state.model_dump_json()
    change_workers(state, {"cpu": ()})
    assert state.model_dump_json() == text


def test_sizing_a_scaled_fleet_again_keeps_its_workers():
    scaled = change_workers(make_state(make_spec(), 4), {"cpu": ("cpu-1", "cpu-3")})
    assert size_groups(scaled.spec, lambda: 4, scaled.groups) == scaled.groups


def test_only_counts_tags_and_groups_can_change_while_the_fleet_runs():
    old = make_state(TWO)
    new = make_state(make_spec({"name": "cpu", "count": 9, "threads": 1}, {"name": "new", "count": 1}, tags={"a": "b"}))
    assert find_refused_changes(old, new) == []
    assert find_refused_changes(old, old) == []


def test_every_change_that_is_refused_is_told_with_old_value_new_value_and_a_way_out():
    old = make_state(TWO)
    changed = make_spec(
        {"name": "cpu", "count": 2, "threads": 2, "memory_limit": "2GiB"},
        {"name": "big", "count": 1, "memory_limit": 0, "resources": {"B": 2}},
    )
    refused = find_refused_changes(old, make_state(changed, scheduler_port=9000, dashboard_port=9001))
    assert [line.partition(":")[0] for line in refused] == [
        "scheduler.port",
        "scheduler.dashboard_port",
        "workers 'cpu'.threads",
        "workers 'cpu'.memory_limit",
        "workers 'big'.memory_limit",
        "workers 'big'.resources",
    ]
    assert "8786 cannot become 9000" in refused[0]
    assert refused[0].endswith("take the fleet down and up again")
    assert "1 cannot become 2 in running workers; give the group another name" in refused[2]
    assert "auto cannot become 2.0GiB" in refused[3]
    assert "1.0GiB cannot become 0B" in refused[4]


def test_changes_are_described_a_line_for_each_group():
    old = make_state(make_spec({"name": "a", "count": 2}, {"name": "b", "count": 1}, {"name": "c", "count": 3}))
    new = make_state(make_spec({"name": "b", "count": 4}, {"name": "c", "count": 3}, {"name": "d", "count": 5}))
    assert describe_changes(old, new) == [
        "add group d: 5 workers",
        "resize group b: 1 to 4 workers",
        "remove group a: 2 workers",
    ]
    assert describe_changes(old, old) == []


def test_a_group_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(FleetError, match="fleet 'x' has no worker group 'gpu'; it has: cpu, big"):
        make_state(TWO).find_group("gpu")
    assert make_state(TWO).find_group("big").workers == ("big-0",)


@pytest.mark.parametrize("count", [-1, 10_001])
def test_a_group_is_not_scaled_to_a_number_that_its_state_could_not_hold(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DASKFLEET_HOME", str(tmp_path))
    paths = fleet_paths("x")
    paths.root.mkdir(parents=True)
    paths.state.write_text(make_state(TWO).model_dump_json())
    with pytest.raises(FleetError, match="at least 0 and at most 10000"):
        LocalProvider().scale("x", "cpu", count, Quiet(), timeout=1)


# The file


def test_a_state_is_read_back_as_it_was_written(paths: FleetPaths):
    for state in (
        make_state(TWO, scheduler_port=1),
        make_state(make_spec(tags={"team": "Größe"}), 64),
        change_workers(make_state(TWO), {"cpu": ()}),
    ):
        write_private_file(paths.state, state.model_dump_json(indent=2))
        assert read_state(paths) == state


def test_addresses_follow_from_the_ports(paths: FleetPaths):
    state = make_state(TWO, scheduler_port=1234, dashboard_port=5678)
    assert state.scheduler_address == "tls://127.0.0.1:1234"
    assert state.dashboard_url == "http://127.0.0.1:5678/status"


def test_no_state_file_is_no_fleet_and_no_error(paths: FleetPaths):
    assert read_state(paths) is None


def test_a_state_cut_at_any_byte_is_damaged_and_nothing_worse(paths: FleetPaths):
    whole = make_state(TWO).model_dump_json(indent=2).encode()
    for end in range(len(whole)):
        paths.state.write_bytes(whole[:end])
        with pytest.raises(StateDamaged, match=r"fleet\.json is damaged"):
            read_state(paths)
    paths.state.write_bytes(whole)
    assert read_state(paths) == make_state(TWO)


def test_a_state_with_any_byte_turned_over_is_damaged_or_a_state(paths: FleetPaths):
    whole = make_state(TWO).model_dump_json().encode()
    outcomes = set()
    for position in range(len(whole)):
        paths.state.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            outcomes.add(type(read_state(paths)))
        except StateDamaged:
            outcomes.add(StateDamaged)
    assert outcomes == {StateDamaged}


@pytest.mark.parametrize(
    "content", [b"\x00" * 100, b"null", b"[]", b"{}", b'"x"', b"[" * 100_000, b"\xff\xfe", b'{"version": 2}']
)
def test_a_file_that_is_no_state_is_damaged_and_the_message_names_it(paths: FleetPaths, content: bytes):
    paths.state.write_bytes(content)
    with pytest.raises(StateDamaged) as caught:
        read_state(paths)
    assert str(caught.value) == f"{paths.state} is damaged."


@pytest.mark.parametrize(
    "change", [{"zebra": 1}, {"version": 2}, {"provider": "aws"}, {"groups": None}, {"spec": {"name": "../x"}}]
)
def test_a_state_of_another_version_or_with_surplus_is_damaged(paths: FleetPaths, change: dict[str, Any]):
    import json

    paths.state.write_text(json.dumps({**make_state(TWO).model_dump(mode="json"), **change}))
    with pytest.raises(StateDamaged):
        read_state(paths)


def test_a_state_that_is_a_folder_is_told_as_not_readable(paths: FleetPaths):
    paths.state.mkdir()
    with pytest.raises(StateDamaged, match="cannot be read: Is a directory"):
        read_state(paths)
