"""A node on a machine in Google Cloud: its secret, its log, its health and the notice of its end; real processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from node_runner import Node, Nodes, await_node, await_phase, await_registered, failure, find_free_port, run_nodes

from daskfleet_images.node.marks import describe_mark
from fake_google import SECRET, TOKEN, FakeGoogle, serve_google
from harness import await_true

HOST = socket.gethostname().partition(".")[0]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with run_nodes(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def google(nodes: Nodes) -> Iterator[FakeGoogle]:
    with serve_google() as fake:
        parts = {"ca": "ca", "cert": "worker", "key": "worker-key"}
        fake.secrets[SECRET] = json.dumps(
            {part: (nodes.folder / f"{name}.pem").read_text() for part, name in parts.items()}
        )
        yield fake


def environment(google: FakeGoogle) -> dict[str, str]:
    """As on a machine of the tests: the document says no addresses."""
    overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": google.url for name in ("SECRETMANAGER", "LOGGING")}
    return {"GCE_METADATA_HOST": google.host, **overrides}


def ask(node: Node) -> tuple[int, str]:
    """What the health check gets; status 0 is that nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", node.document["health_port"], timeout=5)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def make_workers(nodes: Nodes, google: FakeGoogle, *names: str) -> Node:
    tls, logs = (
        {key: value for key, value in each.items() if key != "endpoint_url"}
        for each in (google.secret_reference, google.logs_reference)
    )
    return nodes.make_workers(*names, tls=tls, logs=logs, watch="gcp-interruptions", health_port=find_free_port())


def test_a_machine_reads_its_secret_sends_its_log_and_leaves_when_it_is_preempted(nodes: Nodes, google: FakeGoogle):
    node = make_workers(nodes, google, "cpu-0", "cpu-1").start(**environment(google))
    await_node(node, lambda: ask(node)[0] == 503, "a node that waits for its scheduler, and says so")
    assert ask(node)[1] == "2 of 2 workers have not registered yet"
    scheduler = nodes.make_scheduler(health_port=find_free_port()).start()
    await_registered(node, "cpu-0", "cpu-1")
    assert ask(node) == (200, "ok")
    assert ask(scheduler) == (200, "ok")
    google.metadata["instance/preempted"] = "TRUE"
    assert node.exit_code() == 0, node.log
    assert node.mark_list[-1].detail == "Google Cloud takes this machine away: it is preempted"
    assert ask(node)[0] == 0
    assert google.marks == [describe_mark(mark) for mark in node.mark_list]
    assert {entry["labels"]["daskfleet-node"] for entry in google.entries} == {HOST}
    assert {entry["labels"]["daskfleet-group"] for entry in google.entries} == {"cpu"}
    assert any(text.startswith("distributed.nanny - INFO - ") for text in google.texts)
    everything = node.log + json.dumps(google.entries)
    for secret in (TOKEN, google.secrets[SECRET].splitlines()[0][:80], "PRIVATE KEY"):
        assert secret not in everything
    assert "the log cannot be sent" not in node.log


def test_a_node_whose_worker_dies_and_comes_again_stays_well_and_answers_while_workers_are_busy(
    nodes: Nodes, google: FakeGoogle
):
    nodes.make_scheduler().start()
    node = make_workers(nodes, google, "cpu-0").start(**environment(google))
    await_registered(node, "cpu-0")
    assert ask(node) == (200, "ok")
    client = nodes.connect()
    pid = next(iter(client.run(os.getpid).values()))
    process = psutil.Process(pid)
    process.send_signal(signal.SIGSTOP)
    assert ask(node) == (200, "ok")
    process.kill()
    await_true(lambda: len([mark for mark in node.mark_list if mark.phase == "registered"]) == 2, "the worker again")
    assert ask(node) == (200, "ok")


def test_a_service_that_is_away_keeps_no_node_from_its_work_and_is_told_once(nodes: Nodes, google: FakeGoogle):
    nodes.make_scheduler().start()
    google.refusals["write"] = [(403, "PERMISSION_DENIED", "")]
    node = make_workers(nodes, google, "cpu-0").start(**environment(google))
    await_registered(node, "cpu-0")
    node.process.terminate()
    assert node.exit_code() == 0, node.log
    assert node.log.count("the log cannot be sent") == 1
    assert "roles/logging.logWriter" in node.log


def test_a_secret_that_may_not_be_read_is_told_with_the_remedy(nodes: Nodes, google: FakeGoogle):
    google.refusals["secret"] = [(403, "PERMISSION_DENIED", "")]
    node = make_workers(nodes, google, "cpu-0")
    node.write(join_timeout=1)
    told = failure(node, **environment(google))
    assert "PERMISSION_DENIED: it is refused; grant the machine's service account roles/secretmanager" in told
    await_phase(node, "failed")
    assert google.marks[-1]["detail"] == told, "also in the log"


def test_a_health_port_that_is_taken_is_told(nodes: Nodes):
    with socket.create_server(("127.0.0.1", 0)) as other:
        scheduler = nodes.make_scheduler(health_port=other.getsockname()[1])
        assert "the health check cannot listen on 127.0.0.1:" in failure(scheduler)
