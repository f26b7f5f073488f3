"""A node on a machine in Azure: its secret, its log and the notice of its end; real processes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_runner import Node, Nodes, await_phase, await_registered, failure, run_nodes

from daskfleet_images.node.azure_marks import parse_metadata
from daskfleet_images.node.marks import describe_mark, replay_marks
from fake_azure import SECRET, FakeAzure, serve_azure

HOST = socket.gethostname().partition(".")[0]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with run_nodes(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def azure(nodes: Nodes) -> Iterator[FakeAzure]:
    with serve_azure() as fake:
        parts = {"ca": "ca", "cert": "worker", "key": "worker-key"}
        fake.secrets[SECRET] = json.dumps(
            {part: (nodes.folder / f"{name}.pem").read_text() for part, name in parts.items()}
        )
        yield fake


def make_workers(nodes: Nodes, azure: FakeAzure, *names: str) -> Node:
    tls, logs = azure.secret_reference, azure.logs_reference
    return nodes.make_workers(*names, tls=tls, logs=logs, watch="azure-interruptions")


def environment(azure: FakeAzure) -> dict[str, str]:
    return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": azure.url}


def test_a_machine_reads_its_secret_sends_its_log_and_leaves_when_it_is_preempted(nodes: Nodes, azure: FakeAzure):
    node = make_workers(nodes, azure, "cpu-0", "cpu-1").start(**environment(azure))
    nodes.make_scheduler().start()
    await_registered(node, "cpu-0", "cpu-1")
    azure.events = {"Events": [{"EventType": "Preempt", "Resources": [azure.name], "NotBefore": ""}]}
    assert node.exit_code() == 0, node.log
    assert node.mark_list[-1].detail == "Azure takes this machine away: Preempt"
    assert azure.marks == [describe_mark(mark) for mark in node.mark_list]
    assert list(azure.blobs) == [f"cpu/{HOST}/00000"]
    told = parse_metadata(azure.blobs[f"cpu/{HOST}/00000"].marks)
    assert replay_marks(told) == replay_marks(node.mark_list)
    assert any(text.startswith("distributed.nanny - INFO - ") for text in azure.texts)
    everything = node.log + json.dumps(azure.entries)
    for secret in ("TOKENTOKEN", azure.secrets[SECRET].splitlines()[0][:80], "PRIVATE KEY"):
        assert secret not in everything
    assert "the log cannot be sent" not in node.log


def test_a_service_that_is_away_keeps_no_node_from_its_work_and_is_told_once(nodes: Nodes, azure: FakeAzure):
    nodes.make_scheduler().start()
    azure.refusals["create"] = [(403, "AuthorizationPermissionMismatch")]
    node = make_workers(nodes, azure, "cpu-0").start(**environment(azure))
    await_registered(node, "cpu-0")
    node.process.terminate()
    assert node.exit_code() == 0, node.log
    assert node.log.count("the log cannot be sent") == 1
    assert "Storage Blob Data Contributor" in node.log


def test_a_secret_that_may_not_be_read_is_told_with_the_remedy(nodes: Nodes, azure: FakeAzure):
    azure.refusals["secret"] = [(403, "Forbidden/ForbiddenByRbac")]
    node = make_workers(nodes, azure, "cpu-0")
    node.write(join_timeout=1)
    told = failure(node, **environment(azure))
    assert "ForbiddenByRbac: it is refused; grant the machine's identity the role Key Vault Secrets User" in told
    await_phase(node, "failed")
    assert azure.marks[-1]["detail"] == told, "also in the log"
