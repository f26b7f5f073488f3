"""What a document leaves open, decided from the machine's facts."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

import pytest
from dask.system import CPU_COUNT

from daskfleet_images.node import gpus, network
from daskfleet_images.node.document import AwsSecret, SchedulerDocument, TLSFiles, WorkersDocument
from daskfleet_images.node.errors import NodeFailed, NotYet
from daskfleet_images.node.resolve import Facts, read_facts, resolve_scheduler, resolve_workers, share_cores

TLS = TLSFiles.model_validate({"ca_file": "/tls/ca.pem", "cert": "/tls/c.pem", "key": "/tls/k.pem"})
SECRET = AwsSecret(secret="s", region="eu-west-1")
FACTS = Facts("vm-7", "10.0.0.7", 8, ("GPU-a", "GPU-b"))


def scheduler(**changes: Any) -> SchedulerDocument:
    common = {"fleet": "x", "scheduler_address": "tls://10.0.0.1:8786", "tls": SECRET}
    return SchedulerDocument.model_validate({**common, **changes})


def workers(**changes: Any) -> WorkersDocument:
    common = {"fleet": "x", "group": "cpu", "scheduler_address": "tls://10.0.0.1:8786", "tls": SECRET}
    return WorkersDocument.model_validate({**common, "workers": 2, "threads": "auto", **changes})


def test_what_the_document_says_counts_and_the_machine_says_the_rest():
    left = resolve_scheduler(scheduler(), FACTS, TLS)
    assert (left.node, left.host, left.tls) == ("vm-7", "10.0.0.7", TLS)
    said = resolve_scheduler(scheduler(node="n", host="::1"), Facts(), TLS)
    assert (said.node, said.host) == ("n", "::1")
    assert said.scheduler_address == "tls://10.0.0.1:8786"


def test_a_number_of_workers_takes_the_names_of_the_node():
    assert resolve_workers(workers(workers=3), FACTS, TLS).workers == ("vm-7-0", "vm-7-1", "vm-7-2")
    assert resolve_workers(workers(workers=1, node="n"), FACTS, TLS).workers == ("n-0",)
    assert resolve_workers(workers(workers=["a", "b"]), FACTS, TLS).workers == ("a", "b")
    assert resolve_workers(workers(workers=[]), FACTS, TLS).workers == ()


@pytest.mark.parametrize(("cores", "count", "threads"), [(8, 2, 4), (8, 3, 2), (2, 8, 1), (8, 0, 8), (1, 1, 1)])
def test_the_cores_are_shared_among_the_workers(cores: int, count: int, threads: int):
    assert share_cores(cores, count) == threads
    names = [f"w{number}" for number in range(count)]
    assert resolve_workers(workers(workers=names), Facts("n", "h", cores), TLS).threads == threads
    assert resolve_workers(workers(workers=names, threads=5), Facts("n", "h"), TLS).threads == 5


def test_each_gpu_has_a_worker_that_has_the_resource():
    document = resolve_workers(workers(workers="per-gpu"), FACTS, TLS)
    assert document.gpus == {"vm-7-0": "GPU-a", "vm-7-1": "GPU-b"}
    assert document.workers == ("vm-7-0", "vm-7-1")
    assert document.threads == 4
    assert document.resources == {"GPU": 1}
    own = resolve_workers(workers(workers="per-gpu", resources={"GPU": 4, "MEMORY": 2}), FACTS, TLS)
    assert own.resources == {"GPU": 4, "MEMORY": 2}, "the document's own word counts"
    plain = resolve_workers(workers(workers=2, resources={"GPU": 1}), FACTS, TLS)
    assert plain.gpus == {}, "who only counts keeps sharing the GPUs"


def test_what_was_resolved_resolves_to_itself():
    for document in (workers(), workers(workers="per-gpu"), workers(workers=["a"], threads=1)):
        once = resolve_workers(document, FACTS, TLS)
        assert resolve_workers(once, Facts(), TLS).model_dump(exclude={"gpus"}) == once.model_dump(exclude={"gpus"})


def test_nothing_is_asked_that_the_document_says(monkeypatch: pytest.MonkeyPatch):
    for module in ("daskfleet_images.node.network", "daskfleet_images.node.gpus", "dask.system"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr(socket, "gethostname")
    said = {"node": "n", "host": "127.0.0.1"}
    assert read_facts(scheduler(**said)) == Facts()
    assert read_facts(workers(**said, workers=["a"], threads=1)) == Facts()
    assert read_facts(workers(), FACTS) == FACTS, "nor what is known"


def test_a_document_that_leaves_nothing_open_needs_neither_dask_nor_what_only_machines_need():
    text = workers(node="n", host="127.0.0.1", workers=["a"], threads=1, tls=TLS).model_dump_json()
    code = f"""
import sys
from daskfleet_images.node import main
from daskfleet_images.node.document import parse_node_document
from daskfleet_images.node.resolve import read_facts, resolve_workers
document = parse_node_document({text!r})
resolve_workers(document, read_facts(document), document.tls)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.removeprefix("daskfleet_images.node.") for name in done.stdout.split()}
    assert "resolve" in loaded
    assert not loaded & {"dask", "distributed", "yaml", "botocore", "aws", "gpus", "network", "user_data"}


def test_the_machine_tells_its_name_its_address_and_its_cores():
    facts = read_facts(workers(scheduler_address="tls://127.0.0.1:8786"))
    assert facts == Facts(socket.gethostname(), "127.0.0.1", CPU_COUNT, None)


def test_a_scheduler_listens_on_its_own_address_in_the_document_even_if_another_leads_there():
    assert network.find_address("tls://127.0.0.3:8786", is_scheduler=True) == "127.0.0.3"
    assert network.find_address("tls://127.0.0.3:8786", is_scheduler=False) == "127.0.0.1"
    assert network.find_address("tls://localhost:8786", is_scheduler=True) in ("127.0.0.1", "::1")


def fake_network(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]], own: list[str]) -> None:
    """A machine with these addresses, the first of which leads everywhere."""

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, port)) for address in names[host]]

    class Socket:
        def __init__(self, *_: Any) -> None: ...
        def __enter__(self) -> Socket:
            return self

        def __exit__(self, *_: Any) -> None: ...
        def bind(self, address: tuple[str, int]) -> None:
            if address[0] not in own:
                raise OSError(99, "Cannot assign requested address")

        def connect(self, address: tuple[str, int]) -> None:
            if not own:
                raise OSError(101, "Network is unreachable")

        def getsockname(self) -> tuple[str, int]:
            return own[0], 1

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "socket", Socket)


def test_a_scheduler_behind_a_translated_address_listens_on_its_own(monkeypatch: pytest.MonkeyPatch):
    fake_network(monkeypatch, {"198.51.100.9": ["198.51.100.9"]}, ["10.0.0.5"])
    assert network.find_address("tls://198.51.100.9:8786", is_scheduler=True) == "10.0.0.5"


def test_a_scheduler_does_not_take_the_loopback_address_that_its_host_table_gives_its_name(
    monkeypatch: pytest.MonkeyPatch,
):
    fake_network(monkeypatch, {"vm": ["127.0.1.1"], "both": ["127.0.1.1", "10.0.0.6"]}, ["10.0.0.5", "10.0.0.6"])
    assert network.find_address("tls://vm:8786", is_scheduler=True) == "10.0.0.5"
    assert network.find_address("tls://both:8786", is_scheduler=True) == "10.0.0.6"


def test_a_scheduler_does_not_need_its_name_to_be_known_and_workers_do(monkeypatch: pytest.MonkeyPatch):
    fake_network(monkeypatch, {}, ["10.0.0.5"])
    assert network.find_address("tls://later.example:8786", is_scheduler=True) == "10.0.0.5"
    with pytest.raises(NotYet, match=r"host name 'later\.example' is not known here: Name or service not known"):
        network.find_address("tls://later.example:8786", is_scheduler=False)


def test_a_machine_without_a_way_says_so(monkeypatch: pytest.MonkeyPatch):
    fake_network(monkeypatch, {"10.0.0.1": ["10.0.0.1"]}, [])
    with pytest.raises(
        NodeFailed, match=r"^the address to listen on could not be found: no way leads to the scheduler"
    ):
        read_facts(workers())


@pytest.mark.parametrize(
    ("address", "parts"),
    [("tls://10.0.0.1:8786", ("10.0.0.1", 8786)), ("tls://[::1]:1", ("::1", 1)), ("tls://a.b:65535", ("a.b", 65535))],
)
def test_an_address_is_split_into_host_and_port(address: str, parts: tuple[str, int]):
    assert network.split_address(address) == parts


SMI = """\
0, GPU-6b4c2d0e-8a8f-2f4b-0c5e-000000000000, NVIDIA L4
1, GPU-6b4c2d0e-8a8f-2f4b-0c5e-000000000001, NVIDIA A100, 80 GB
"""


def test_the_gpus_are_read_from_what_the_driver_prints():
    assert gpus.parse_gpus(SMI) == (
        gpus.Gpu("GPU-6b4c2d0e-8a8f-2f4b-0c5e-000000000000", "NVIDIA L4"),
        gpus.Gpu("GPU-6b4c2d0e-8a8f-2f4b-0c5e-000000000001", "NVIDIA A100, 80 GB"),
    )


@pytest.mark.parametrize("text", ["", "\n", "No devices were found\n", "a, b", "x, GPU-1, name", "0, , name"])
def test_a_line_that_is_no_gpu_is_passed_over(text: str):
    assert gpus.parse_gpus(text) == ()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "there is no program nvidia-smi"),
        ("echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9",
         "nvidia-smi ended with 9: NVIDIA-SMI has failed because it could not communicate with the driver."),
        ("exit 3", "nvidia-smi ended with 3: it said nothing"),
        ("echo 'No devices were found'", "nvidia-smi lists none"),
    ],
)  # fmt: skip
def test_a_machine_without_gpus_says_why(
    script: str | None, reason: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    if script is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    gpus.list_gpus.cache_clear()
    with pytest.raises(NodeFailed) as caught:
        read_facts(workers(workers="per-gpu", host="127.0.0.1"))
    assert str(caught.value).startswith(f"this machine has no NVIDIA GPU that the driver knows: {reason}; choose ")
    assert str(caught.value).isprintable()
