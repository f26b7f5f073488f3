"""A node's log and marks in its fleet's log group; whatever the log service does, the node does its work."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_logs import FakeLogs, serve_logs
from node_runner import Node, Nodes, await_phase, await_registered, failure, run_nodes

from daskfleet_images.node.marks import render_mark
from harness import await_true

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
HOST = socket.gethostname().partition(".")[0]
STREAMS = {"scheduler": f"scheduler/{HOST}", "cpu": f"cpu/{HOST}"}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with run_nodes(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def service() -> Iterator[FakeLogs]:
    with serve_logs() as fake:
        yield fake


def marks_in(messages: list[str]) -> list[str]:
    return [message for message in messages if message.startswith("{")]


def complaints(node: Node) -> list[str]:
    return [line for line in node.log.splitlines() if "the log cannot be sent" in line]


def stop(*nodes: Node) -> float:
    """Stop the nodes; returns the seconds that it took."""
    before = time.monotonic()
    for node in nodes:
        node.process.terminate()
    for node in nodes:
        assert node.exit_code() == 0, node.log
    return time.monotonic() - before


def test_marks_and_log_of_all_processes_arrive_in_a_stream_for_each_machine(nodes: Nodes, service: FakeLogs):
    scheduler = nodes.make_scheduler(logs=service.reference).start(**CREDENTIALS)
    workers = nodes.make_workers("cpu-0", logs=service.reference).start(**CREDENTIALS)
    await_registered(workers, "cpu-0")
    await_true(lambda: '"registered"' in "".join(service.streams.get(STREAMS["cpu"], [])), "the mark, at once", 2.0)
    client = nodes.connect()

    def complain() -> None:
        import logging

        logging.getLogger("distributed.worker").warning("two\nlines, 100%")

    client.run(complain)
    told = "distributed.worker - WARNING - two\nlines, 100%"
    await_true(lambda: told in service.streams[STREAMS["cpu"]], "the line of the worker's process", 10.0)
    client.close()
    stop(workers, scheduler)

    for node in (scheduler, workers):
        sent = service.streams[STREAMS[node.name]]
        assert marks_in(sent) == [render_mark(mark).rstrip("\n") for mark in node.mark_list]
        assert [json.loads(mark)["phase"] for mark in marks_in(sent)][-1] == "stopped"
        assert "phase: " not in "".join(sent), "a mark is sent once"
        assert not any(name in "".join(sent) for name in ("botocore", "urllib3"))
        assert complaints(node) == []
    assert any(line.startswith("distributed.scheduler - INFO - ") for line in service.streams[STREAMS["scheduler"]])
    assert any(line.startswith("distributed.nanny - INFO - ") for line in service.streams[STREAMS["cpu"]])
    assert set(service.calls) == {"PutLogEvents", "CreateLogStream"}, "the role needs no more"
    assert set(service.streams) == set(STREAMS.values())


def test_a_machine_that_starts_anew_goes_on_with_its_stream(nodes: Nodes, service: FakeLogs):
    for _ in range(2):
        node = nodes.make_scheduler(logs=service.reference).start(**CREDENTIALS)
        await_phase(node, "registered")
        stop(node)
        Path(node.document["marks_file"]).unlink()
    phases = [json.loads(mark)["phase"] for mark in marks_in(service.streams[STREAMS["scheduler"]])]
    assert phases.count("stopped") == 2
    assert service.calls.count("CreateLogStream") == 1


def test_the_service_may_be_named_by_the_environment(nodes: Nodes, service: FakeLogs):
    logs = {**service.reference, "endpoint_url": None}
    node = nodes.make_scheduler(logs=logs).start(**CREDENTIALS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{service.port}")
    await_phase(node, "registered")
    stop(node)
    assert marks_in(service.streams[STREAMS["scheduler"]])


def test_the_marks_and_the_last_lines_of_a_failed_boot_get_out(nodes: Nodes, service: FakeLogs):
    node = nodes.make_workers("cpu-0", logs=service.reference, local_directory="/proc/none/scratch")
    told = failure(node, **CREDENTIALS)
    marks = [json.loads(mark) for mark in marks_in(service.streams[STREAMS["cpu"]])]
    assert [mark["phase"] for mark in marks] == ["booted", "document", "secrets", "failed"]
    assert marks[-1]["detail"] == told


@pytest.mark.parametrize(
    ("operation", "code", "remedy"),
    [
        ("PutLogEvents", "AccessDeniedException",
         "allow the machine's role logs:CreateLogStream and logs:PutLogEvents on the log group"),
        ("CreateLogStream", "ResourceNotFoundException", "make the log group, or correct `logs.group`"),
    ],
)  # fmt: skip
def test_a_service_that_refuses_is_told_once_with_the_remedy(
    nodes: Nodes, service: FakeLogs, operation: str, code: str, remedy: str
):
    service.refusals[operation] = [code]
    node = nodes.make_scheduler(logs=service.reference).start(**CREDENTIALS)
    await_phase(node, "registered")
    await_true(lambda: service.calls.count(operation) >= 4, "some attempts")
    assert stop(node) < 10
    (line,) = complaints(node)
    assert code in line
    assert remedy in line
    assert "Traceback" not in node.log


def test_a_role_that_is_given_later_gets_everything_out(nodes: Nodes, service: FakeLogs):
    service.refusals["CreateLogStream"] = ["AccessDeniedException", "AccessDeniedException", ""]
    service.refusals["PutLogEvents"] = ["ThrottlingException", ""]
    node = nodes.make_scheduler(logs=service.reference).start(**CREDENTIALS)
    await_phase(node, "registered")
    await_true(lambda: '"registered"' in "".join(service.streams.get(STREAMS["scheduler"], [])), "the mark")
    stop(node)
    marks = marks_in(service.streams[STREAMS["scheduler"]])
    assert marks == [render_mark(mark).rstrip("\n") for mark in node.mark_list]
    assert "ThrottlingException" not in node.log, "what mends itself is no news"


def test_a_machine_without_credentials_is_told(nodes: Nodes, service: FakeLogs):
    node = nodes.make_scheduler(logs=service.reference)
    node.start(AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/none", AWS_SHARED_CREDENTIALS_FILE="/none")
    await_phase(node, "registered")
    await_true(lambda: complaints(node), "the complaint")
    stop(node)
    (line,) = complaints(node)
    assert "credentials" in line
    assert "instance profile" in line


def test_a_service_that_never_answers_delays_neither_the_start_nor_the_end_for_long(nodes: Nodes, service: FakeLogs):
    service.silent.clear()
    scheduler = nodes.make_scheduler(logs=service.reference).start(**CREDENTIALS)
    workers = nodes.make_workers("cpu-0", logs=service.reference).start(**CREDENTIALS)
    await_registered(workers, "cpu-0")
    assert stop(workers, scheduler) < 12


def test_a_node_that_is_told_to_stop_while_it_sends_its_last_lines_ends_as_it_would_have(
    nodes: Nodes, service: FakeLogs
):
    service.silent.clear()
    node = nodes.make_workers("cpu-0", logs=service.reference, local_directory="/proc/none/scratch").start(
        **CREDENTIALS
    )
    await_true(lambda: "phase: failed" in node.log, "the failure")
    node.process.terminate()
    service.silent.set()
    assert node.exit_code() == 1
    assert "Traceback" not in node.log
    assert [json.loads(mark)["phase"] for mark in marks_in(service.streams[STREAMS["cpu"]])][-1] == "failed"


def test_nobody_at_the_address_of_the_service_is_told_and_the_node_works(nodes: Nodes, service: FakeLogs):
    logs = {**service.reference, "endpoint_url": "http://127.0.0.1:9"}
    node = nodes.make_scheduler(logs=logs).start(**CREDENTIALS)
    await_phase(node, "registered")
    await_true(lambda: complaints(node), "the complaint")
    assert stop(node) < 10
    (line,) = complaints(node)
    assert "VPC endpoint for logs" in line


def test_without_watchtower_one_line_says_so_and_the_node_works(nodes: Nodes, service: FakeLogs):
    (nodes.folder / "sitecustomize.py").write_text("import sys; sys.modules['watchtower'] = None\n")
    node = nodes.make_scheduler(logs=service.reference).start(**CREDENTIALS, PYTHONPATH=str(nodes.folder))
    await_phase(node, "registered")
    stop(node)
    assert node.log.count("watchtower is not installed; add it to the image") == 1


def test_a_node_without_a_destination_imports_nothing_for_it(nodes: Nodes):
    node = nodes.make_scheduler().start(PYTHONPROFILEIMPORTTIME="1")
    await_phase(node, "registered")
    stop(node)
    assert "distributed" in node.log
    assert not any(name in node.log for name in ("boto3", "watchtower", "botocore"))
