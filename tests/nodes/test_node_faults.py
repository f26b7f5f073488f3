"""What a node says, and with which code it ends, when it cannot become what its document says."""

from __future__ import annotations

import importlib.metadata
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_runner import Nodes, await_node, await_phase, failure, run_nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with run_nodes(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daskfleet_images.node", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--zebra"], ["-h", "x"]])
def test_a_wrong_command_line_is_told_with_the_usage(arguments: list[str]):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: daskfleet-node DOCUMENT")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"role": "queen"}', '{"role": "scheduler"}', "\x00\x01", '{"role": "two\\nlines"}', None],
    ids=repr,
)
def test_a_wrong_document_is_told_in_one_line_and_ends_the_node_with_2(tmp_path: Path, content: str | None):
    file = tmp_path / "node.json"
    if content is not None:
        file.write_text(content)
    before = time.monotonic()
    done = run(str(file))
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if " - daskfleet.node - INFO - phase: " not in line]
    assert len(told) == 1, done.stderr
    assert told[0].startswith("daskfleet-node: the node document ")
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    "change",
    [
        {"scheduler_address": "tls://127.0.0.1:99999"},
        {"dashboard_address": "127.0.0.1"},
        {"dashboard_address": "127.0.0.1:99999"},
    ],
    ids=repr,
)
def test_an_address_that_cannot_be_is_a_wrong_document(nodes: Nodes, change: dict[str, str]):
    node = nodes.make_scheduler(**change).start()
    assert node.exit_code() == 2, node.log
    assert next(iter(change)) in node.log


def test_tls_files_that_are_missing_are_named_all_in_one_line(nodes: Nodes):
    node = nodes.make_workers("cpu-0")
    for path in node.document["tls"].values():
        Path(path).unlink()
    told = failure(node)
    assert all(f"{path}: No such file or directory" in told for path in node.document["tls"].values())
    assert [mark.phase for mark in node.mark_list] == ["booted", "document", "failed"]


@pytest.mark.parametrize("file", ["ca_file", "cert", "key"])
def test_tls_material_that_is_damaged_is_told_as_that_by_the_scheduler(nodes: Nodes, file: str):
    node = nodes.make_scheduler()
    Path(node.document["tls"][file]).write_text("-----BEGIN NONSENSE-----\n")
    told = failure(node)
    assert "cannot listen" not in told, "the port is not at fault"
    assert "TLS" in told


def test_tls_material_that_is_damaged_is_told_as_that_by_workers_without_waiting(nodes: Nodes):
    node = nodes.make_workers("cpu-0", join_timeout=20)
    Path(node.document["tls"]["key"]).write_text("-----BEGIN NONSENSE-----\n")
    before = time.monotonic()
    assert "TLS" in failure(node)
    assert time.monotonic() - before < 15, "what is damaged does not mend while one waits"


def test_a_node_of_other_versions_than_its_fleet_does_not_join_and_is_not_tried_again(nodes: Nodes):
    wanted = {"python": "3.2", "dask": "2020.1.0", "cloudpickle": importlib.metadata.version("cloudpickle")}
    node = nodes.make_workers("a", versions=wanted)
    told = failure(node, code=2)
    assert f"python {platform.python_version()} instead of 3.2" in told
    assert f"dask {importlib.metadata.version('dask')} instead of 2020.1.0" in told
    assert "cloudpickle" not in told
    assert "secrets" not in node.marks.phases


def test_a_scheduler_whose_port_is_taken_says_so(nodes: Nodes, taken: int):
    told = failure(nodes.make_scheduler(scheduler_address=f"tls://127.0.0.1:{taken}"))
    assert told == f"the scheduler cannot listen on 127.0.0.1:{taken}: Address already in use"


def test_a_scheduler_whose_dashboard_port_is_taken_says_so(nodes: Nodes, taken: int):
    told = failure(nodes.make_scheduler(dashboard_address=f"127.0.0.1:{taken}"))
    assert told == f"the dashboard cannot listen on 127.0.0.1:{taken}: Address already in use"


def test_a_scheduler_that_is_not_to_be_reached_is_given_up_in_time(nodes: Nodes):
    node = nodes.make_workers("cpu-0", "cpu-1", join_timeout=2)
    before = time.monotonic()
    told = failure(node)
    assert 2 <= time.monotonic() - before < 15
    assert told.startswith(f"no scheduler answered at tls://127.0.0.1:{nodes.port} for 2 s: ")
    assert len([mark for mark in node.mark_list if mark.phase == "failed"]) == 1


def test_an_address_where_something_else_listens_is_given_up_in_time(nodes: Nodes, taken: int):
    node = nodes.make_workers("cpu-0", scheduler_address=f"tls://127.0.0.1:{taken}", join_timeout=2)
    before = time.monotonic()
    assert failure(node).startswith(f"no scheduler answered at tls://127.0.0.1:{taken} for 2 s: ")
    assert time.monotonic() - before < 15


def test_workers_of_another_fleet_are_refused_and_say_why(nodes: Nodes, tmp_path: Path):
    (tmp_path / "other").mkdir()
    await_phase(nodes.make_scheduler().start(), "registered")
    with run_nodes(tmp_path / "other") as others:
        node = others.make_workers("cpu-0", join_timeout=2, scheduler_address=f"tls://127.0.0.1:{nodes.port}")
        assert "no scheduler answered" in failure(node)
    nodes.started[0].process.terminate()
    assert nodes.started[0].exit_code() == 0


def test_a_working_directory_that_is_gone_does_not_stop_the_node_and_is_told(nodes: Nodes):
    node = nodes.make_scheduler(working_directory=str(nodes.folder / "gone")).start()
    await_phase(node, "registered")
    assert f"{nodes.folder / 'gone'}: No such file or directory" in node.log


def test_a_marks_file_that_cannot_be_written_does_not_stop_the_node(nodes: Nodes):
    node = nodes.make_scheduler(marks_file="/proc/none/marks").start()
    await_node(node, lambda: "phase: registered" in node.log, "the scheduler")
    node.process.terminate()
    assert node.exit_code() == 0
