"""What the metadata of a machine says about its end."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daskfleet_images.node import interruptions
from daskfleet_images.node.interruptions import (
    AwsWatch,
    AzureWatch,
    GcpWatch,
    await_notice,
    describe_notice,
    find_azure_notice,
)
from fake_azure import FakeAzure, serve_azure
from fake_google import serve_google
from harness import await_true

PROGRAM = Path(__file__).parents[1] / "machines" / "metadata_programs" / "aws.py"
ACTION = '{"action": "terminate", "time": "2026-11-24T10:02:00Z"}'
REBALANCE = '{"noticeTime": "2026-11-24T10:00:00Z"}'


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets the metadata of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file, log = tmp_path / "instances.json", tmp_path / "requests.jsonl"
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{port}/")

    def publish(**paths: str) -> None:
        instance = {f"meta-data/{path.replace('__', '/').replace('_', '-')}": text for path, text in paths.items()}
        file.write_text(json.dumps({"127.0.0.1": instance}))

    publish()
    program = [sys.executable, str(PROGRAM), "127.0.0.1", str(port), str(file), str(log)]
    with subprocess.Popen(program) as process:
        watch = AwsWatch()

        def answers() -> bool:
            try:
                return watch.read() is None
            except OSError:
                return False

        await_true(answers, "the metadata service")
        yield publish
        process.kill()


def test_no_notice_is_none_and_a_notice_says_when(publish: Callable[..., None]):
    watch = AwsWatch()
    assert watch.read() is None
    publish(events__recommendations__rebalance=REBALANCE)
    assert watch.read() is None, "it may come to nothing"
    publish(events__recommendations__rebalance=REBALANCE, spot__instance_action=ACTION)
    assert watch.read() == "AWS takes this machine away: terminate at 2026-11-24T10:02:00Z"


def test_a_token_that_is_too_old_is_replaced(publish: Callable[..., None]):
    watch = AwsWatch()
    watch._token = "old"
    publish(spot__instance_action=ACTION)
    assert watch.read() is not None


def test_a_metadata_service_that_is_not_there_is_told_once_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    answers: list[str | Exception | None] = [OSError("refused"), None, OSError("refused"), "the end"]

    class Watch:
        poll_seconds = 0.0

        def read(self) -> str | None:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setitem(interruptions.WATCHES, "aws-interruptions", Watch)
    with caplog.at_level(logging.INFO, logger="daskfleet.node"):
        assert asyncio.run(await_notice("aws-interruptions")) == "the end"
    assert len(caplog.messages) == 1
    assert "let it reach its metadata service" in caplog.messages[0]


def test_nobody_at_the_address_is_an_error_of_the_network(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="refused"):
        AwsWatch().read()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ACTION, "terminate at 2026-11-24T10:02:00Z"),
        ("soon\nnow", "soon now"),
        ("[1]", "[1]"),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_a_notice_is_one_line(text: str, told: str):
    assert describe_notice(text) == told


@pytest.mark.parametrize(
    ("preempted", "maintenance", "notice"),
    [
        ("FALSE", "NONE", None),
        ("FALSE\n", "MIGRATE_ON_HOST_MAINTENANCE", None),
        ("TRUE", "NONE", "Google Cloud takes this machine away: it is preempted"),
        ("TRUE\n", "TERMINATE_ON_HOST_MAINTENANCE", "Google Cloud takes this machine away: it is preempted"),
        ("FALSE", "TERMINATE_ON_HOST_MAINTENANCE", "Google Cloud takes this machine away: its host is maintained"),
        ("<html>", "", None),
    ],
)
def test_what_google_says_about_the_end_and_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, preempted: str, maintenance: str, notice: str | None
):
    with serve_google() as fake:
        monkeypatch.setenv("GCE_METADATA_HOST", fake.host)
        fake.metadata |= {"instance/preempted": preempted, "instance/maintenance-event": maintenance}
        assert GcpWatch().read() == notice


def test_google_is_asked_often_enough_for_its_30_seconds():
    assert GcpWatch.poll_seconds <= 1 < AwsWatch.poll_seconds


def test_a_metadata_service_of_google_that_does_not_answer_is_an_error_of_the_network(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    with pytest.raises(OSError, match="refused"):
        GcpWatch().read()
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:x")
    with pytest.raises(OSError, match="nonnumeric port"):
        GcpWatch().read()
    with serve_google() as fake:
        monkeypatch.setenv("GCE_METADATA_HOST", fake.host)
        del fake.metadata["instance/preempted"]
        with pytest.raises(OSError, match="answers 404 to instance/preempted"):
            GcpWatch().read()


def event(kind: str, *names: str, when: str = "Mon, 23 Nov 2026 22:26:58 GMT") -> dict[str, Any]:
    return {
        "EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
        "EventType": kind,
        "ResourceType": "VirtualMachine",
        "Resources": list(names),
        "EventStatus": "Scheduled" if when else "Started",
        "NotBefore": when,
        "Description": "",
        "EventSource": "Platform",
        "DurationInSeconds": -1,
    }


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    with serve_azure() as fake:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake.url)
        yield fake


@pytest.mark.parametrize(
    ("events", "notice"),
    [
        ([], None),
        ([event("Preempt", "vm_1", "vm_0")], "Azure takes this machine away: Preempt at Mon, 23 Nov 2026 22:26:58 GMT"),
        ([event("Preempt", "VM_0", when="")], "Azure takes this machine away: Preempt"),
        ([event("Terminate", "vm_0", when="")], "Azure takes this machine away: Terminate"),
        ([event("Freeze", "vm_0"), event("Terminate", "vm_0", when="")], "Azure takes this machine away: Terminate"),
        ([event("Preempt", "vm_1"), event("Terminate", "vm_00"), event("Terminate")], None),
        ([event("Reboot", "vm_0"), event("Redeploy", "vm_0"), event("Freeze", "vm_0")], None),
        ([event("Preempt", "vm_0", when="a\nb")], "Azure takes this machine away: Preempt at a b"),
    ],
)
def test_what_azure_says_about_the_end_of_this_machine_and_what_goes_on(
    azure: FakeAzure, events: list[dict[str, Any]], notice: str | None
):
    azure.name = "Vm_0"
    azure.events = {"DocumentIncarnation": 2, "Events": events}
    assert AzureWatch().read() == notice


def test_azure_is_asked_for_the_machines_name_once_and_often_enough_for_its_30_seconds(azure: FakeAzure):
    watch = AzureWatch()
    assert [watch.read() for _ in range(3)] == [None] * 3
    assert azure.calls == ["name", "events", "events", "events"]
    assert watch.poll_seconds <= 1


@pytest.mark.parametrize(
    "text", ["", "no", "[]", "{}", '{"Events": [1]}', '{"Events": [{"Resources": [1]}]}', "[" * 10**5]
)
def test_what_is_no_scheduled_events_is_an_error_of_the_network_in_one_line(text: str):
    with pytest.raises(OSError, match="are no scheduled events") as caught:
        find_azure_notice(text, "x_0")
    assert len(str(caught.value)) < 300


def test_azure_that_does_not_answer_is_an_error_of_the_network(azure: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    watch = AzureWatch()
    azure.refusals["name"] = [(500, ""), (200, "")]
    with pytest.raises(OSError, match="answers 500 to instance/compute/name"):
        watch.read()
    azure.refusals["events"] = [(410, ""), (0, ""), (200, "")]
    with pytest.raises(OSError, match="answers 410 to scheduledevents"):
        watch.read()
    with pytest.raises(OSError, match="RemoteDisconnected"):
        watch.read()
    assert watch.read() is None
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="refused"):
        watch.read()


def test_azure_may_be_silent_while_it_begins_to_schedule_events_and_no_longer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(interruptions, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(AzureWatch, "begin_seconds", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        watch = AzureWatch()
        with pytest.raises(TimeoutError):
            watch.read()
        watch._name = "x_0"
        assert watch.read() is None
        watch._began = time.monotonic() - 60
        with pytest.raises(TimeoutError):
            watch.read()
