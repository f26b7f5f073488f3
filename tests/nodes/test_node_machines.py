"""A node as a machine of a cloud has it: secrets in a store, systemd above it, much left to the machine itself."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from dask.system import CPU_COUNT
from moto.server import ThreadedMotoServer
from node_runner import (
    Node,
    Nodes,
    ask_workers,
    await_node,
    await_phase,
    await_registered,
    failure,
    find_free_port,
    run_nodes,
    worker_names,
)

from daskfleet.providers.certificates import issue_certificates
from daskfleet.providers.local.processes import find_processes
from harness import await_true
from machines import metadata_service

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "eu-west-1"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with run_nodes(tmp_path) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A secret store."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def silent() -> Iterator[str]:
    """A service that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def store(endpoint: str, name: str, value: str) -> None:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("secretsmanager", endpoint_url=endpoint, region_name=REGION, **keys)
    client.create_secret(Name=name, SecretString=value)


def material(nodes: Nodes, role: str) -> str:
    files = {"ca": "ca.pem", "cert": f"{role}.pem", "key": f"{role}-key.pem"}
    return json.dumps({part: (nodes.folder / file).read_text() for part, file in files.items()})


def secret(endpoint: str, nodes: Nodes, role: str) -> dict[str, str]:
    """A reference to a secret that only this test has."""
    return {
        "source": "aws-secrets-manager",
        "secret": f"{nodes.folder.name}/{role}",
        "region": REGION,
        "endpoint_url": endpoint,
    }


def journal_of(node: Node) -> dict[str, str]:
    """The environment of a node whose log is the journal."""
    log = node.folder / f"{node.name}.log"
    log.touch()
    return {"JOURNAL_STREAM": f"{log.stat().st_dev}:{log.stat().st_ino}"}


def test_nodes_that_know_only_their_secrets_and_the_scheduler_become_a_fleet(nodes: Nodes, endpoint: str):
    runtime = nodes.folder / "run"
    runtime.mkdir()
    for role in ("scheduler", "worker"):
        store(endpoint, f"{nodes.folder.name}/{role}", material(nodes, role))
    scheduler = nodes.make_scheduler(tls=secret(endpoint, nodes, "scheduler"), node=None, host=None)
    workers = nodes.make_workers(
        tls=secret(endpoint, nodes, "worker"), node=None, host=None, workers=2, threads="auto", retire_on_stop=True
    )
    scheduler.start(**CREDENTIALS, RUNTIME_DIRECTORY=str(runtime))
    workers.start(**CREDENTIALS, TMPDIR=str(nodes.folder))
    names = [f"{socket.gethostname()}-{number}" for number in range(2)]
    await_registered(workers, *names)

    client = nodes.connect()
    assert worker_names(client) == set(names)
    assert set(client.nthreads().values()) == {max(1, CPU_COUNT // 2)}
    assert all(address.startswith("tls://127.0.0.1:") for address in client.nthreads())
    assert client.submit(sum, [1, 2]).result(timeout=30) == 3
    written = [*(runtime / "tls").iterdir(), *nodes.folder.glob("daskfleet-tls-*/*")]
    assert sorted(path.name for path in written) == sorted(2 * ["ca.pem", "cert.pem", "key.pem"])
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}

    workers.reload(workers=3)
    await_registered(workers, *names, f"{socket.gethostname()}-2")
    workers.reload(workers=1)
    await_registered(workers, names[0])
    client.close()
    for node in (workers, scheduler):
        node.process.terminate()
        assert node.exit_code() == 0
    assert not any(path.exists() for path in written), "what was fetched is gone with the node"
    key = (nodes.folder / "worker-key.pem").read_text().splitlines()[1]
    assert key not in workers.log + scheduler.log


def test_a_secret_that_is_missing_is_given_up_in_time_with_its_name_and_the_remedy(nodes: Nodes, endpoint: str):
    node = nodes.make_workers("cpu-0", tls=secret(endpoint, nodes, "none"), join_timeout=2)
    told = failure(node, **CREDENTIALS)
    place = f"the secret '{nodes.folder.name}/none' of AWS Secrets Manager in {REGION}"
    assert told.startswith(f"no TLS material could be read from {place} in 2 s: ResourceNotFoundException: ")
    assert told.endswith("; make the secret, or correct `tls.secret` and `tls.region`")
    assert [mark.phase for mark in node.mark_list] == ["booted", "document", "failed"]
    assert node.log.count(f"{place} yet: ") == 1, "each reason once"


@pytest.mark.parametrize("value", ["KEYKEYKEY", '{"ca": "KEYKEYKEY"}', '{"ca": "-----BEGIN KEYKEYKEY", "cert": 1}'])
def test_a_secret_that_holds_something_else_is_told_without_what_it_holds(nodes: Nodes, endpoint: str, value: str):
    store(endpoint, f"{nodes.folder.name}/wrong", value)
    told = failure(nodes.make_scheduler(tls=secret(endpoint, nodes, "wrong"), join_timeout=1), **CREDENTIALS)
    assert 'its value must be JSON, {"ca": PEM, "cert": PEM, "key": PEM}' in told
    assert "KEYKEYKEY" not in nodes.started[0].log


def test_a_service_that_is_not_to_be_reached_is_told_with_the_way_to_it(nodes: Nodes):
    tls = secret(f"http://127.0.0.1:{nodes.port}", nodes, "worker")
    told = failure(nodes.make_workers("cpu-0", tls=tls, join_timeout=1), **CREDENTIALS)
    assert "the service cannot be reached: Could not connect to the endpoint URL" in told
    assert "a NAT gateway, or a VPC endpoint" in told


def test_a_machine_without_a_role_is_told_so(nodes: Nodes, endpoint: str):
    tls = secret(endpoint, nodes, "worker")
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_CONFIG_FILE": "/none"}
    told = failure(nodes.make_workers("cpu-0", tls=tls, join_timeout=1), **nothing)
    assert "this machine has no credentials: Unable to locate credentials; give the machine an instance profile" in told


def test_a_secret_that_appears_later_is_found(nodes: Nodes, endpoint: str):
    node = nodes.make_scheduler(tls=secret(endpoint, nodes, "late")).start(**CREDENTIALS)
    await_node(node, lambda: "yet: ResourceNotFoundException" in node.log, "the first attempt")
    store(endpoint, f"{nodes.folder.name}/late", material(nodes, "scheduler"))
    await_phase(node, "registered")
    assert node.marks.failure is None


@pytest.mark.parametrize("where", ["between attempts", "in an attempt"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_a_secret_is_waited_for_is_heeded_at_once(
    nodes: Nodes, endpoint: str, silent: str, where: str, signum: signal.Signals
):
    url = endpoint if where == "between attempts" else silent
    node = nodes.make_workers("cpu-0", tls=secret(url, nodes, "none")).start(**CREDENTIALS, TMPDIR=str(nodes.folder))

    def is_waiting() -> bool:
        if where == "between attempts":
            return "yet: ResourceNotFoundException" in node.log
        connections = psutil.Process(node.process.pid).net_connections("tcp")
        return any(each.raddr and f":{each.raddr.port}" in url for each in connections)

    await_node(node, is_waiting, "an attempt")
    before = time.monotonic()
    node.process.send_signal(signum)
    assert node.exit_code() == 0, node.log
    assert time.monotonic() - before < 2
    assert [mark.phase for mark in node.mark_list] == ["booted", "document", "stopped"]
    assert "Traceback" not in node.log
    assert list(nodes.folder.glob("daskfleet-tls-*")) == []


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_a_clock_that_is_off_is_told_with_what_it_says_and_what_it_should(nodes: Nodes, role: str):
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=5 * 365)
    for name, text in issue_certificates("x", start).items():
        (nodes.folder / name).write_text(text)
    node = nodes.make_scheduler() if role == "scheduler" else nodes.make_workers("cpu-0")
    told = failure(node)
    assert told.startswith(f"this machine's clock says {datetime.datetime.now(datetime.UTC):%Y-%m-%d} ")
    assert f"are valid from {start - datetime.timedelta(days=1):%Y-%m-%d} " in told
    assert "set the clock" in told
    assert [mark.phase for mark in node.mark_list] == ["booted", "document", "secrets", "failed"]


def test_a_full_disk_is_told_before_any_worker_dies_of_it(nodes: Nodes):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system that is small enough to be full")
    small = nodes.folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        with pytest.raises(OSError, match="No space left"):
            (small / "full").write_bytes(bytes(128 * 1024))
        told = failure(nodes.make_workers("cpu-0", local_directory=str(small)))
        assert told == (
            f"workers cannot spill data to {small}: No space left on device; give the machine a larger volume"
        )
        (small / "full").unlink()
        nodes.make_scheduler().start()
        await_registered(nodes.started[0].start(), "cpu-0")
    finally:
        for node in nodes.started:
            node.process.terminate()
            node.exit_code()
        subprocess.run(["umount", str(small)], check=True)


def test_a_spill_folder_that_cannot_be_made_is_told(nodes: Nodes):
    told = failure(nodes.make_workers("cpu-0", local_directory="/proc/none/scratch"))
    assert told.startswith("workers cannot spill data to /proc/none/scratch: No such file or directory; ")


def test_a_machine_that_does_not_know_the_scheduler_by_name_says_so(nodes: Nodes):
    node = nodes.make_workers("cpu-0", host=None, scheduler_address="tls://no-such-host.invalid:8786", join_timeout=1)
    told = failure(node)
    assert told.startswith("the address to listen on could not be found in 1 s: the scheduler's host name ")
    assert "'no-such-host.invalid' is not known here" in told


SMI = """#!/bin/sh
[ "$*" = '--query-gpu=index,uuid,name --format=csv,noheader' ] || exit 4
echo '0, GPU-aaaa, NVIDIA L4'
echo '1, GPU-bbbb, NVIDIA L4'
"""


def test_each_gpu_has_one_worker_that_sees_no_other(nodes: Nodes):
    program = nodes.folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(SMI)
    program.chmod(0o755)
    nodes.make_scheduler().start()
    node = nodes.make_workers(name="gpu", workers="per-gpu", resources={"BIG": 1})
    node.start(PATH=f"{program.parent}:{os.environ['PATH']}")
    await_registered(node, "gpu-0", "gpu-1")
    client = nodes.connect()
    addresses = {worker["address"]: name for name, worker in ask_workers(client).items()}
    seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
    assert {addresses[address]: value for address, value in seen.items()} == {"gpu-0": "GPU-aaaa", "gpu-1": "GPU-bbbb"}
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    assert [worker["resources"] for worker in workers] == 2 * [{"GPU": 1.0, "BIG": 1.0}]
    task = client.submit(os.getenv, "CUDA_VISIBLE_DEVICES", resources={"GPU": 1})
    assert task.result(timeout=30) in ("GPU-aaaa", "GPU-bbbb")


def test_a_machine_without_gpus_says_so_when_the_document_wants_one_worker_for_each(nodes: Nodes):
    told = failure(nodes.make_workers(name="gpu", workers="per-gpu"), PATH=str(Path(sys.executable).parent))
    assert told.startswith("this machine has no NVIDIA GPU that the driver knows: there is no program nvidia-smi; ")


def test_a_reload_that_wants_gpus_where_there_are_none_changes_nothing(nodes: Nodes):
    _, node = nodes.start_fleet("cpu-0")
    node.reload(workers="per-gpu")
    await_true(lambda: "; the node goes on as it was" in node.log, "the refusal in the log")
    assert "this machine has no NVIDIA GPU" in node.log
    node.reload(workers=["cpu-0", "cpu-1"])
    await_registered(node, "cpu-0", "cpu-1")


def test_systemd_hears_how_far_the_node_is_and_the_marks_begin_with_the_machine(nodes: Nodes):
    scheduler = nodes.make_scheduler()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(nodes.folder / "notify"))
        systemd.settimeout(30)
        scheduler.start(NOTIFY_SOCKET=str(nodes.folder / "notify"))
        heard: list[str] = []
        while not heard or heard[-1] != "STATUS=registered":
            heard.append(systemd.recv(4096).decode())
        scheduler.process.terminate()
        while heard[-1] != "STATUS=stopped":
            heard.append(systemd.recv(4096).decode())
    assert scheduler.exit_code() == 0
    limit = heard.pop(3)
    assert limit.startswith("EXTEND_TIMEOUT_USEC=")
    assert int(limit.partition("=")[2]) > 2 * 300e6, "systemd waits as long as the document says"
    assert heard == [
        "STATUS=kernel",
        "STATUS=booted",
        "STATUS=document",
        "STATUS=secrets",
        f"READY=1\nSTATUS=daemon tls://127.0.0.1:{nodes.port}",
        "STATUS=registered",
        "STOPPING=1",
        "STOPPING=1",
        "STATUS=stopped",
    ]
    phases = [mark.phase for mark in scheduler.mark_list]
    assert phases == ["kernel", "booted", "document", "secrets", "daemon", "registered", "stopped"]
    times = scheduler.marks.phases
    assert next(iter(times)) == "kernel"
    assert times["kernel"] <= times["booted"]

    scheduler.start(NOTIFY_SOCKET=str(nodes.folder / "notify"))
    await_node(scheduler, lambda: scheduler.marks.phases.get("booted", 0) > times["booted"], "its second life")
    await_phase(scheduler, "registered")
    assert "kernel" not in scheduler.marks.phases, "only the first node of a machine tells its start"


def test_what_the_journal_gets_has_the_priority_before_each_line_and_the_workers_too(nodes: Nodes):
    scheduler, workers = nodes.make_scheduler(), nodes.make_workers("cpu-0")
    for node in (scheduler, workers):
        node.start(**journal_of(node))
    await_registered(workers, "cpu-0")
    client = nodes.connect()

    def complain() -> None:
        import logging

        logging.getLogger("distributed.worker").warning("two\nlines")

    client.run(complain)
    await_true(lambda: "lines" in workers.log, "the worker's log")
    assert "<4>distributed.worker - WARNING - two\n<4>lines\n" in workers.log
    assert "<5>daskfleet.node - INFO - phase: registered cpu-0\n" in workers.log
    assert "<5>daskfleet.node - INFO - phase: daemon tls://" in scheduler.log
    assert "<6>distributed.scheduler - INFO - " in scheduler.log
    client.close()
    workers.process.terminate()
    assert workers.exit_code() == 0
    assert "<6>daskfleet.node - INFO - phase: left cpu-0\n" in workers.log
    assert "<5>daskfleet.node - INFO - phase: stopped\n" in workers.log
    assert all(line.startswith("<") for line in scheduler.log.splitlines())


@pytest.mark.parametrize("text", ['{"role": "queen"}', '{"role": "workers", "fleet": "x", "gro', ""], ids=repr)
def test_a_wrong_document_is_an_error_on_the_console_and_ends_the_node_with_2(nodes: Nodes, text: str):
    node = nodes.make_scheduler()
    node.document_file.write_text(text)
    node.start(**journal_of(node))
    assert node.exit_code() == 2
    lines = node.log.splitlines()
    assert lines[0] == "<5>daskfleet.node - INFO - phase: booted"
    assert len(lines) == 2
    assert lines[1].startswith("<3>daskfleet-node: the node document is not valid: ")


def test_a_failure_is_an_error_on_the_console(nodes: Nodes):
    node = nodes.make_workers("cpu-0", local_directory="/proc/none/scratch")
    told = failure(node, **journal_of(node))
    assert f"<3>daskfleet.node - ERROR - phase: failed {told}\n" in node.log


def test_a_mistake_of_ours_is_a_traceback_with_the_priority_and_a_failed_mark(nodes: Nodes):
    (nodes.folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'daskfleet_images.node.scheduler': raise ZeroDivisionError('two\\nlines')\n"
        "sys.meta_path.insert(0, Broken())\n"
    )
    node = nodes.make_scheduler()
    node.start(**journal_of(node), PYTHONPATH=str(nodes.folder))
    assert node.exit_code() == 1
    assert node.marks.failure == "ZeroDivisionError: two lines"
    assert "<3>Traceback (most recent call last):\n" in node.log
    assert all(line.startswith("<") for line in node.log.splitlines())


@pytest.mark.parametrize("signum", [signal.SIGSTOP, signal.SIGKILL])
def test_a_machine_that_is_taken_away_does_not_wait_long_for_a_scheduler_that_is_gone(
    nodes: Nodes, signum: signal.Signals
):
    scheduler, workers = nodes.start_fleet("cpu-0", "cpu-1", retire_on_stop=True)
    client = nodes.connect()
    held: list[Any] = [client.scatter(os.urandom(10), broadcast=False, hash=False) for _ in range(4)]
    scheduler.process.send_signal(signum)  # Stopped, it is as a machine that answers no more: nothing is refused.
    before = time.monotonic()
    workers.process.terminate()
    assert workers.exit_code() == 0, workers.log
    assert time.monotonic() - before < 20, workers.log
    assert len(held) == 4
    scheduler.process.kill()
    scheduler.exit_code()
    await_true(lambda: not find_processes(nodes.folder), "the end of every process of the nodes")


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Sets what the metadata service tells of this machine, and returns its port."""
    port, instances, requests = find_free_port(), tmp_path / "instances.json", tmp_path / "requests.jsonl"
    service = metadata_service.PROGRAMS / "aws.py"
    program = [sys.executable, str(service), "127.0.0.1", str(port), str(instances), str(requests)]

    def publish(**texts: str) -> int:
        new = instances.with_suffix(".new")
        new.write_text(json.dumps({"127.0.0.1": {f"meta-data/{path}": text for path, text in texts.items()}}))
        new.rename(instances)
        return port

    publish()
    with subprocess.Popen(program) as metadata:
        yield publish
        metadata.kill()


def test_a_machine_that_will_be_taken_away_hands_its_data_over_and_stops(nodes: Nodes, publish: Callable[..., int]):
    nodes.make_scheduler().start()
    leaving = nodes.make_workers("old-0", name="old", watch="aws-interruptions")
    leaving.start(AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{publish()}")
    staying = nodes.make_workers("new-0", name="new").start()
    for node, worker in ((leaving, "old-0"), (staying, "new-0")):
        await_registered(node, worker)
    client = nodes.connect()
    address = ask_workers(client)["old-0"]["address"]
    held = [client.scatter(number, workers=[address], broadcast=False, hash=False) for number in range(20)]
    publish(**{"spot/instance-action": '{"action": "terminate", "time": "2026-11-24T10:02:00Z"}'})
    assert leaving.exit_code() == 0, "in order: nothing is to start it again"
    assert client.gather(held) == list(range(20))
    assert worker_names(client) == {"new-0"}
    stopped = leaving.mark_list[-1]
    assert stopped.phase == "stopped"
    assert stopped.detail is not None
    assert stopped.detail.endswith(": terminate at 2026-11-24T10:02:00Z")
    assert "the workers hand their data over and stop" in leaving.log
