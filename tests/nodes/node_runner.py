"""Real nodes on the loopback interface, for one test: nothing of them outlives it."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client, Security

from daskfleet.providers.certificates import issue_certificates
from daskfleet.providers.local.processes import end_processes, find_processes
from daskfleet.providers.supervision import MARK
from daskfleet_images.node.marks import Mark, NodeMarks, parse_marks, read_marks
from harness import await_true


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Node:
    """One node: its document, its process, what it wrote."""

    name: str
    folder: Path
    document: dict[str, Any]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def document_file(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    @property
    def marks(self) -> NodeMarks:
        return read_marks(Path(self.document["marks_file"]))

    @property
    def mark_list(self) -> list[Mark]:
        return parse_marks(Path(self.document["marks_file"]).read_text().splitlines())

    def write(self, **changes: Any) -> None:
        self.document = {**self.document, **changes}
        self.document_file.write_text(json.dumps(self.document))

    def start(self, stdin: int = subprocess.PIPE, **environment: str) -> Node:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DASK_", "DASKFLEET_"))}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daskfleet_images.node", str(self.document_file)],
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**kept, MARK: str(self.folder), **environment},
                start_new_session=True,
            )
        return self

    def reload(self, **changes: Any) -> None:
        self.write(**changes)
        self.process.send_signal(signal.SIGHUP)

    def reload_at_once(self, **changes: Any) -> None:
        """As `reload`, and return only when the node has read the document: it is a pipe for that long."""
        text = json.dumps({**self.document, **changes})
        self.document_file.unlink()
        os.mkfifo(self.document_file)
        self.process.send_signal(signal.SIGHUP)
        self.document_file.write_text(text)
        self.document_file.unlink()
        self.write(**changes)

    def exit_code(self) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(60)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@dataclass
class Nodes:
    """The nodes of one small fleet."""

    folder: Path
    port: int = field(default_factory=find_free_port)
    dashboard_port: int = field(default_factory=find_free_port)
    started: list[Node] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, text in issue_certificates("x", datetime.datetime.now(datetime.UTC)).items():
            (self.folder / name).write_text(text)

    def _make(self, name: str, role: str, document: dict[str, Any]) -> Node:
        common = {
            "fleet": "x",
            "node": name,
            "scheduler_address": f"tls://127.0.0.1:{self.port}",
            "host": "127.0.0.1",
            "tls": {
                "ca_file": str(self.folder / "ca.pem"),
                "cert": str(self.folder / f"{role}.pem"),
                "key": str(self.folder / f"{role}-key.pem"),
            },
            "marks_file": str(self.folder / f"{name}.marks"),
        }
        node = Node(name, self.folder, {**common, **document})
        node.write()
        self.started.append(node)
        return node

    def make_scheduler(self, **document: Any) -> Node:
        own = {"role": "scheduler", "dashboard_address": f"127.0.0.1:{self.dashboard_port}"}
        return self._make("scheduler", "scheduler", {**own, **document})

    def make_workers(self, *workers: str, name: str = "cpu", **document: Any) -> Node:
        own = {
            "role": "workers",
            "group": name,
            "workers": workers,
            "threads": 1,
            "memory_limit": 2**30,
            "local_directory": str(self.folder / f"{name}-scratch"),
        }
        return self._make(name, "worker", {**own, **document})

    def start_fleet(self, *workers: str, **document: Any) -> tuple[Node, Node]:
        """A scheduler and one node with these workers, all registered."""
        scheduler = self.make_scheduler().start()
        node = self.make_workers(*workers, **document).start()
        await_registered(node, *workers)
        return scheduler, node

    def connect(self) -> Client:
        security = Security(
            require_encryption=True,
            tls_ca_file=str(self.folder / "ca.pem"),
            tls_client_cert=str(self.folder / "client.pem"),
            tls_client_key=str(self.folder / "client-key.pem"),
        )
        client = Client(f"tls://127.0.0.1:{self.port}", security=security, timeout=30, set_as_default=False)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close(timeout=1)
        left = end_processes(self.folder, grace=0)
        for node in self.started:
            if hasattr(node, "process"):
                node.process.wait(10)
                if node.process.stdin is not None:
                    node.process.stdin.close()
        assert left == []
        assert find_processes(self.folder) == []


@contextmanager
def run_nodes(folder: Path) -> Iterator[Nodes]:
    nodes = Nodes(folder)
    try:
        yield nodes
    finally:
        nodes.close()


def await_node(node: Node, condition: Callable[[], bool], what: str) -> None:
    """Wait for something that the node does; fail at once, with its log, when the node ends instead."""

    def is_settled() -> bool:
        return condition() or node.process.poll() is not None

    try:
        await_true(is_settled, what)
    except pytest.fail.Exception as error:
        pytest.fail(f"{error}\n{node.log}")
    if not condition():
        pytest.fail(f"the node {node.name} ended with {node.process.returncode} before: {what}\n{node.log}")


def await_registered(node: Node, *workers: str) -> None:
    """Wait until just these workers of the node are registered, by its marks."""
    await_node(node, lambda: set(node.marks.registered) == set(workers), f"registered workers {workers}")


def await_phase(node: Node, phase: str) -> None:
    """Wait until the node has reached a phase."""
    await_node(node, lambda: phase in node.marks.phases, f"phase {phase}")


def failure(node: Node, code: int = 1, **environment: str) -> str:
    """Start the node, which fails, and return what its `failed` mark says."""
    assert node.start(**environment).exit_code() == code, node.log
    assert "daskfleet_images" not in node.log, "a traceback of the node's own"
    last = node.mark_list[-1]
    assert last.phase == "failed"
    assert last.detail is not None
    assert last.detail.isprintable(), "a failure is one line"
    assert last.detail in node.log
    assert node.marks.failure == last.detail
    assert find_processes(node.folder) == [], "a node that failed leaves no process"
    return last.detail


def worker_names(client: Client) -> set[str]:
    """The workers that the scheduler has now."""
    return {worker["name"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()}


def ask_workers(client: Client) -> dict[str, dict[str, Any]]:
    """Status, process and data of each worker, as the scheduler has them now."""

    def ask(dask_scheduler: Any) -> dict[str, dict[str, Any]]:
        return {
            str(worker.name): {
                "status": worker.status.name,
                "pid": worker.metrics.get("pid"),
                "keys": sorted(str(task.key) for task in worker.has_what),
                "address": address,
            }
            for address, worker in dask_scheduler.workers.items()
        }

    workers: dict[str, dict[str, Any]] = client.run_on_scheduler(ask)
    return workers
