"""A node document in, a running scheduler or workers out: growing, shrinking, stopping."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from distributed import Client
from node_runner import Node, Nodes, ask_workers, await_phase, await_registered, run_nodes, worker_names

from daskfleet.providers.local.processes import find_processes
from harness import await_true


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with run_nodes(tmp_path) as nodes:
        yield nodes


def scatter_to(client: Client, worker: str, count: int = 1, size: int = 10) -> list[object]:
    """Data that only this worker holds, and that nothing could compute again."""
    address = ask_workers(client)[worker]["address"]
    return [client.scatter(os.urandom(size), workers=[address], broadcast=False, hash=False) for _ in range(count)]


def find_worker_processes(node: Node) -> list[psutil.Process]:
    """The processes that nannies have started."""
    found = []
    for process in node.descendants():
        with contextlib.suppress(psutil.Error):  # It has just ended.
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_nodes_with_certificates_compute_in_their_folder_mark_their_phases_and_end_in_order(nodes: Nodes):
    folder = nodes.folder / "a folder"
    folder.mkdir()
    scheduler, workers = nodes.start_fleet(
        "cpu-0", "cpu-1", threads=2, resources={"GPU": 1.5}, working_directory=str(folder)
    )
    assert [mark.phase for mark in scheduler.mark_list] == ["booted", "document", "secrets", "daemon", "registered"]
    assert [mark.phase for mark in workers.mark_list] == [
        "booted", "document", "secrets", "daemon", "registered", "registered",
    ]  # fmt: skip
    for node in (scheduler, workers):
        times = [mark.time for mark in node.mark_list]
        assert times == sorted(times)
        assert abs(times[0] - psutil.Process(node.process.pid).create_time()) < 1
        assert times[-1] - times[0] < 30

    client = nodes.connect()
    assert client.submit(sum, [1, 2], resources={"GPU": 1}).result(timeout=30) == 3
    assert client.submit(os.getcwd).result(timeout=30) == str(folder)
    assert worker_names(client) == {"cpu-0", "cpu-1"}
    assert set(client.nthreads().values()) == {2}
    assert {worker["memory_limit"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()} == {2**30}
    assert all(address.startswith("tls://127.0.0.1:") for address in client.nthreads())
    client.close()

    for node in (workers, scheduler):
        before = time.monotonic()
        node.process.terminate()
        assert node.exit_code() == 0
        assert time.monotonic() - before < 10
        assert node.mark_list[-1].phase == "stopped"
        assert node.marks.registered == {}
        assert "daskfleet_images" not in node.log, "a traceback of the node's own"
    await_true(lambda: not find_processes(nodes.folder), "the end of every process of the nodes")
    assert list((nodes.folder / "cpu-scratch").rglob("worker-*")) == []


def test_everything_listens_on_the_loopback_interface_only(nodes: Nodes):
    scheduler, _ = nodes.start_fleet("cpu-0", "cpu-1")
    listening = {
        process.pid: [each.laddr for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
        for process in find_processes(nodes.folder)
    }
    addresses = [address for every in listening.values() for address in every]
    assert {address.ip for address in addresses} == {"127.0.0.1"}
    assert {address.port for address in listening[scheduler.process.pid]} == {nodes.port, nodes.dashboard_port}
    assert len(addresses) >= 2 + 2 * 2, "scheduler, dashboard, and each worker with its nanny"


def test_a_client_without_the_fleets_certificate_is_refused(nodes: Nodes):
    nodes.make_scheduler().start()
    await_phase(nodes.started[0], "registered")
    with pytest.raises((OSError, TypeError)):
        Client(f"tcp://127.0.0.1:{nodes.port}", timeout=2, set_as_default=False)
    with socket.create_connection(("127.0.0.1", nodes.port), timeout=10) as stream:
        stream.sendall(b"\0" * 64)
        try:
            answer = stream.recv(1024)
        except ConnectionResetError:
            answer = b""
        assert answer[:1] in (b"", b"\x15"), "the end of the connection, or an alert of TLS"


def test_the_document_read_again_grows_and_shrinks_and_hands_over_what_only_the_leaving_hold(nodes: Nodes):
    _, workers = nodes.start_fleet("cpu-0")
    client = nodes.connect()
    first = ask_workers(client)["cpu-0"]["pid"]

    workers.reload(workers=["cpu-0", "cpu-1", "cpu-2"])
    await_registered(workers, "cpu-0", "cpu-1", "cpu-2")
    assert ask_workers(client)["cpu-0"]["pid"] == first, "who stays is not touched"

    futures = scatter_to(client, "cpu-0", 5) + scatter_to(client, "cpu-1", 5)
    before = client.gather(futures)
    workers.reload(workers=["cpu-2"])
    await_registered(workers, "cpu-2")
    await_true(lambda: worker_names(client) == {"cpu-2"}, "the scheduler sees one worker")
    assert client.gather(futures) == before
    assert len(ask_workers(client)["cpu-2"]["keys"]) == 10

    workers.reload(workers=[])
    await_registered(workers)
    await_true(lambda: find_worker_processes(workers) == [], "no worker process is left")
    workers.reload(workers=["cpu-7"])
    await_registered(workers, "cpu-7")
    assert workers.process.poll() is None


def test_a_worker_that_is_wanted_again_while_it_leaves_is_there_once(nodes: Nodes):
    _, workers = nodes.start_fleet("cpu-0", "cpu-1")
    client = nodes.connect()
    futures = scatter_to(client, "cpu-1", 30, size=2**20)
    workers.reload_at_once(workers=["cpu-0"])
    workers.reload_at_once(workers=["cpu-0", "cpu-1"])

    history = ["registered", "left", "registered"]
    await_true(
        lambda: len([mark for mark in workers.mark_list if mark.worker == "cpu-1"]) >= len(history), "cpu-1 is back"
    )
    await_true(lambda: worker_names(client) == {"cpu-0", "cpu-1"}, "two workers")
    assert len(client.gather(futures)) == 30
    assert [mark.phase for mark in workers.mark_list if mark.worker == "cpu-1"] == history
    assert set(workers.marks.registered) == {"cpu-0", "cpu-1"}
    assert len(find_worker_processes(workers)) == 2, "no worker runs besides the wanted"


def test_a_worker_that_is_sent_away_twice_while_it_leaves_is_gone_and_its_data_is_not(nodes: Nodes):
    _, workers = nodes.start_fleet("cpu-0", "cpu-1")
    client = nodes.connect()
    futures = scatter_to(client, "cpu-1", 30, size=2**20)
    for wanted in (["cpu-0"], ["cpu-0", "cpu-1"], ["cpu-0"]):
        workers.reload_at_once(workers=wanted)
    await_true(lambda: worker_names(client) == {"cpu-0"}, "one worker")
    await_true(lambda: len(find_worker_processes(workers)) == 1, f"no worker runs besides the wanted\n{workers.log}")
    assert len(client.gather(futures)) == 30
    await_registered(workers, "cpu-0")
    workers.reload(workers=["cpu-0", "cpu-1"])
    await_registered(workers, "cpu-0", "cpu-1")


def test_a_wrong_document_at_a_reload_changes_nothing(nodes: Nodes):
    _, workers = nodes.start_fleet("cpu-0")
    client = nodes.connect()
    pid = ask_workers(client)["cpu-0"]["pid"]
    contents = ("", "{", '{"role": "scheduler"}', '{"role": "workers", "workers": []}', None)
    for count, content in enumerate(contents, start=1):
        if content is None:
            workers.document_file.unlink()
        else:
            workers.document_file.write_text(content)
        workers.process.send_signal(signal.SIGHUP)
        await_true(lambda count=count: workers.log.count("the node goes on as it was") == count, "a refusal in the log")
        assert client.submit(sum, [count, 2]).result(timeout=30) == count + 2
    assert ask_workers(client)["cpu-0"]["pid"] == pid
    workers.reload(workers=["cpu-0", "cpu-1"])
    await_registered(workers, "cpu-0", "cpu-1")


def test_a_document_of_another_role_at_a_reload_changes_nothing(nodes: Nodes):
    scheduler, workers = nodes.start_fleet("cpu-0")
    document = workers.document_file.read_text()
    workers.document_file.write_text(scheduler.document_file.read_text())
    workers.process.send_signal(signal.SIGHUP)
    await_true(lambda: "the node goes on as workers" in workers.log, "the refusal in the log")
    assert set(workers.marks.registered) == {"cpu-0"}
    scheduler.document_file.write_text(document)
    scheduler.process.send_signal(signal.SIGHUP)
    assert nodes.connect().submit(sum, [1, 2]).result(timeout=30) == 3


def test_a_reload_while_the_node_starts_is_heeded_and_does_not_end_it(nodes: Nodes):
    nodes.make_scheduler().start()
    workers = nodes.make_workers("cpu-0").start()
    await_phase(workers, "document")
    workers.reload(workers=["cpu-0", "cpu-1"])
    await_registered(workers, "cpu-0", "cpu-1")


@pytest.mark.parametrize("phase", ["document", "daemon"])
def test_a_stop_while_the_node_starts_ends_it_and_leaves_no_process(nodes: Nodes, phase: str):
    nodes.make_scheduler().start()
    workers = nodes.make_workers("cpu-0", "cpu-1").start()
    await_phase(workers, phase)
    workers.process.terminate()
    assert workers.exit_code() == 0, workers.log
    assert "Traceback" not in workers.log
    nodes.started[0].process.terminate()
    nodes.started[0].exit_code()
    await_true(lambda: not find_processes(nodes.folder), "the end of every process of the nodes")


def test_standard_input_that_closes_ends_the_nodes_where_the_document_says_so(nodes: Nodes):
    scheduler = nodes.make_scheduler(exit_on_stdin_eof=True).start()
    workers = nodes.make_workers("cpu-0", exit_on_stdin_eof=True).start()
    other = nodes.make_workers("other-0", name="other", exit_on_stdin_eof=False).start()
    await_registered(workers, "cpu-0")
    await_registered(other, "other-0")
    for node in (workers, scheduler):
        assert node.process.stdin is not None
        node.process.stdin.write(b"what is written does not matter\n")
        node.process.stdin.close()
        assert node.exit_code() == 0
        assert node.mark_list[-1].phase == "stopped"
    assert other.process.stdin is not None
    other.process.stdin.close()
    other.process.terminate()
    assert other.exit_code() == 0
    await_true(lambda: not find_processes(nodes.folder), "the end of every process of the nodes")


@pytest.mark.parametrize("kind", ["a closed pipe", "the null device"])
def test_standard_input_that_is_closed_before_the_node_is_ready_ends_it(nodes: Nodes, kind: str):
    node = nodes.make_workers("cpu-0", exit_on_stdin_eof=True)
    if kind == "a closed pipe":
        node.start()
        assert node.process.stdin is not None
        node.process.stdin.close()
    else:
        node.start(stdin=subprocess.DEVNULL)
    assert node.exit_code() == 0, node.log
    assert "daskfleet_images" not in node.log, "a traceback of the node's own"
    await_true(lambda: not find_processes(nodes.folder), "the end of every process of the nodes")


def test_a_killed_worker_is_back_under_its_name_and_the_others_are_not_touched(nodes: Nodes):
    _, workers = nodes.start_fleet("cpu-0", "cpu-1")
    client = nodes.connect()
    before = {name: worker["pid"] for name, worker in ask_workers(client).items()}
    os.kill(before["cpu-0"], signal.SIGKILL)

    def is_back() -> bool:
        now = {name: worker["pid"] for name, worker in ask_workers(client).items()}
        return now.keys() == before.keys() and now["cpu-0"] not in (None, before["cpu-0"])

    await_true(is_back, f"cpu-0 in a new process\n{workers.log}")
    assert ask_workers(client)["cpu-1"]["pid"] == before["cpu-1"]
    assert client.submit(sum, [1, 2]).result(timeout=30) == 3
    assert [mark.worker for mark in workers.mark_list if mark.phase == "registered"].count("cpu-0") == 2


def test_workers_rejoin_a_scheduler_that_was_killed_and_started_at_the_same_address(nodes: Nodes):
    scheduler, workers = nodes.start_fleet("cpu-0", "cpu-1")
    scheduler.process.kill()
    scheduler.exit_code()
    await_true(lambda: workers.marks.registered == {}, "the workers notice")
    assert workers.process.poll() is None
    scheduler.start()
    await_registered(workers, "cpu-0", "cpu-1")
    client = nodes.connect()
    assert worker_names(client) == {"cpu-0", "cpu-1"}
    assert client.submit(sum, [1, 2]).result(timeout=30) == 3
    assert scheduler.marks.failure is None


def test_workers_that_come_before_their_scheduler_wait_for_it(nodes: Nodes):
    workers = nodes.make_workers("cpu-0").start()
    await_phase(workers, "daemon")
    nodes.make_scheduler().start()
    await_registered(workers, "cpu-0")


def test_a_node_that_is_taken_away_hands_its_data_to_the_workers_of_another(nodes: Nodes):
    nodes.make_scheduler().start()
    leaving = nodes.make_workers("old-0", "old-1", name="old", retire_on_stop=True).start()
    staying = nodes.make_workers("new-0", name="new").start()
    await_registered(leaving, "old-0", "old-1")
    await_registered(staying, "new-0")
    client = nodes.connect()
    futures = scatter_to(client, "old-0", 20) + scatter_to(client, "old-1", 20)
    before = client.gather(futures)
    leaving.process.terminate()
    assert leaving.exit_code() == 0
    assert worker_names(client) == {"new-0"}
    assert len(ask_workers(client)["new-0"]["keys"]) == 40, leaving.log
    assert client.gather(futures) == before


def test_data_that_nobody_can_take_does_not_keep_a_node_from_stopping(nodes: Nodes):
    _, workers = nodes.start_fleet("cpu-0", retire_on_stop=True)
    client = nodes.connect()
    futures = scatter_to(client, "cpu-0", 3)
    workers.process.terminate()
    assert workers.exit_code() == 0
    assert len(futures) == 3


@pytest.mark.parametrize("retire", [False, True])
def test_a_node_stops_within_seconds_also_when_its_scheduler_is_gone(nodes: Nodes, retire: bool):
    scheduler, workers = nodes.start_fleet("cpu-0", retire_on_stop=retire)
    scheduler.process.kill()
    scheduler.exit_code()
    before = time.monotonic()
    workers.process.terminate()
    assert workers.exit_code() == 0
    assert time.monotonic() - before < 12, "the supervisor gives it 15 s before it kills"
    await_true(lambda: not find_processes(nodes.folder), "the end of every process of the nodes")


def test_a_client_that_shuts_the_fleet_down_ends_the_scheduler_in_order(nodes: Nodes):
    scheduler = nodes.make_scheduler().start()
    await_phase(scheduler, "registered")
    nodes.connect().shutdown()
    assert scheduler.exit_code() == 0
    assert scheduler.mark_list[-1].phase == "stopped"


@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_the_log_has_the_level_that_the_document_says(nodes: Nodes, level: str):
    scheduler = nodes.make_scheduler(log_level=level).start()
    await_phase(scheduler, "registered")
    assert ("distributed.scheduler - INFO" in scheduler.log) == (level != "error")
    assert "phase: registered" in scheduler.log
    scheduler.process.terminate()
    assert scheduler.exit_code() == 0
    assert (" - DEBUG - " in scheduler.log) == (level == "debug")


def test_the_dashboard_answers_on_its_port(nodes: Nodes):
    scheduler = nodes.make_scheduler().start()
    await_true(lambda: "the dashboard is ready" in scheduler.log, "the dashboard")
    with urllib.request.urlopen(f"http://127.0.0.1:{nodes.dashboard_port}/status", timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_says_how_to_use_it(option: str):
    done = subprocess.run(
        [sys.executable, "-m", "daskfleet_images.node", option], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: daskfleet-node DOCUMENT")
