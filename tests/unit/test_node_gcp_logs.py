"""The log on its way to Cloud Logging: bounded, in order, never in the way, and whole once the service is back."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from daskfleet_images.node import gcp, gcp_logs, shipping
from daskfleet_images.node.console import NOTABLE
from daskfleet_images.node.document import GcpLogs, SchedulerDocument
from daskfleet_images.node.gcp_logs import (
    MOST_BATCH_BYTES,
    CloudLoggingHandler,
    cut,
    describe_entries,
    find_severity,
    render_entry,
    render_payload,
    render_request,
)
from daskfleet_images.node.logs import EventFormatter, LogShipper
from daskfleet_images.node.marks import Mark, render_mark
from daskfleet_images.node.shipping import MOST_BYTES, MOST_WAITING
from fake_google import LOG, PROJECT, TOKEN, FakeGoogle, serve_google
from harness import await_true
from unit.test_node_gcp_secrets import point_to


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    monkeypatch.setattr(gcp_logs, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(gcp_logs, "CLOSE_SECONDS", 1.0)
    monkeypatch.setattr(shipping, "grow_pauses", lambda: iter([0.02] * 10_000))
    with serve_google() as fake:
        point_to(monkeypatch, fake.host)
        yield fake


def open_handler(google: FakeGoogle, stream: str = "gpu/vm-1") -> CloudLoggingHandler:
    handler = CloudLoggingHandler(GcpLogs(log=LOG, endpoint_url=google.url), stream)
    handler.setFormatter(EventFormatter())
    return handler


def record(text: str, **fields: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "distributed.x", "levelno": 20, "levelname": "INFO", "msg": text, **fields})


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith("the log cannot be sent")]


def test_an_entry_says_where_it_is_from_and_a_mark_is_an_object(google: FakeGoogle):
    handler = open_handler(google)
    handler.handle(record("two\nlines, 100% größer 😀", created=1790000000.25))
    handler.handle(record("phase: registered cpu-0", mark=Mark("registered", 1790000001.5, "cpu-0"), **NOTABLE))
    handler.close()
    text, mark = google.entries
    assert text == {
        "logName": f"projects/{PROJECT}/logs/daskfleet%2Feurope-west1%2Fx",
        "resource": {
            "type": "gce_instance",
            "labels": {"project_id": PROJECT, "instance_id": "4815162342", "zone": "europe-west1-b"},
        },
        "labels": {"daskfleet-group": "gpu", "daskfleet-node": "vm-1"},
        "timestamp": "2026-09-21T14:13:20.250000Z",
        "severity": "INFO",
        "insertId": text["insertId"],
        "textPayload": "distributed.x - INFO - two\nlines, 100% größer 😀",
    }
    assert mark["jsonPayload"] == {"phase": "registered", "time": 1790000001.5, "worker": "cpu-0"}
    assert mark["severity"] == "NOTICE"
    assert text["insertId"] < mark["insertId"]


def test_handlers_of_two_machines_never_give_an_entry_the_same_id(google: FakeGoogle):
    handlers = [open_handler(google) for _ in range(2)]
    for handler in handlers:
        handler.handle(record("same", created=1.0))
        handler.close()
    assert len({entry["insertId"] for entry in google.entries}) == 2


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"levelno": 10}, "DEBUG"),
        ({"levelno": 20}, "INFO"),
        ({"levelno": 20, **NOTABLE}, "NOTICE"),
        ({"levelno": 30, **NOTABLE}, "WARNING"),
        ({"levelno": 40}, "ERROR"),
        ({"levelno": 50}, "CRITICAL"),
    ],
)
def test_a_level_is_a_severity(fields: dict[str, Any], severity: str):
    assert find_severity(record("x", **fields)) == severity


def test_a_request_is_the_common_part_and_its_entries():
    common = describe_entries(GcpLogs(log=LOG), "scheduler/vm", "1", "z", "p")
    entries = [render_entry(record("x"), {"textPayload": each}, each) for each in ('"', "ä\n")]
    request = json.loads(render_request(common, entries))
    assert [each["textPayload"] for each in request["entries"]] == ['"', "ä\n"]
    assert request["labels"] == {"daskfleet-group": "scheduler", "daskfleet-node": "vm"}
    assert request["partialSuccess"] is True


def test_long_lines_and_what_utf_8_cannot_say_are_cut():
    assert len(cut("ä" * MOST_BYTES).encode()) == MOST_BYTES
    assert cut("\ud800x") == "?x"
    (payload,) = render_payload(Mark("failed", 1.0, "w", "\udfff" + "y" * 2 * MOST_BYTES)).values()
    assert payload["detail"] == "?" + "y" * (MOST_BYTES - 1)


def test_a_mark_is_sent_at_once_and_lines_are_gathered(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gcp_logs, "SEND_SECONDS", 60)
    handler = open_handler(google)
    for number in range(50):
        handler.handle(record(f"line {number}"))
    assert google.entries == []
    handler.handle(record("phase", mark=Mark("booted", 1.0)))
    await_true(lambda: google.marks, "the mark", 10)
    assert len(google.texts) == 50
    assert google.calls.count("write") == 1
    handler.close()


def test_a_service_that_is_away_and_comes_back_has_every_line_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(gcp_logs, "SEND_SECONDS", 0.02)
    monkeypatch.setattr(shipping, "grow_pauses", lambda: iter([0.02] * 10_000))
    with serve_google() as fake:
        point_to(monkeypatch, fake.host)
        handler = open_handler(fake)
        handler.handle(record("line 0"))
        await_true(lambda: fake.texts, "the first line")
    for number in range(1, 400):
        handler.handle(record(f"line {number}"))
        if number == 200:
            await_true(lambda: complaints(caplog), "that it is told")
    with serve_google(fake.port, fake):
        await_true(lambda: len(fake.texts) == 400, "all lines")
        handler.close()
    assert fake.texts == [f"distributed.x - INFO - line {number}" for number in range(400)]
    assert len(complaints(caplog)) == 1, "and it is told once"
    assert "open a way to the service: private Google access" in complaints(caplog)[0]


def test_a_batch_whose_answer_was_lost_is_sent_again_with_the_same_ids(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    write = FakeGoogle._write
    answers = [(0, None)]

    def lose(self: FakeGoogle, body: dict[str, Any]) -> tuple[int, Any]:
        taken = write(self, body)
        return answers.pop() if answers else taken

    monkeypatch.setattr(FakeGoogle, "_write", lose)
    handler = open_handler(google)
    handler.handle(record("once"))
    await_true(lambda: google.calls.count("write") == 2, "the second attempt")
    handler.close()
    assert google.texts == ["distributed.x - INFO - once"]


def test_a_service_that_does_not_answer_fills_no_memory_and_marks_still_find_room(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gcp, "READ_SECONDS", 60)
    google.go.clear()
    handler = open_handler(google)
    before = time.monotonic()
    for number in range(5 * MOST_WAITING):
        handler.handle(record(f"{number} " + "ä" * MOST_BYTES))
    mark = Mark("failed", 1.0, None, "why")
    handler.handle(record("phase", mark=mark))
    assert time.monotonic() - before < 10, "nobody waits"
    assert len(handler._waiting) <= MOST_WAITING + 1
    google.go.set()
    await_true(lambda: google.marks == [json.loads(render_mark(mark))], "the mark")
    handler.close()
    assert 0 < len(google.texts) <= 2 * MOST_WAITING
    assert max(len(text.encode()) for text in google.texts) <= MOST_BYTES
    numbers = [int(text.removeprefix("distributed.x - INFO - ").partition(" ")[0]) for text in google.texts]
    assert numbers == sorted(numbers)
    assert any("lines of the log were not sent: too many waited" in message for message in caplog.messages)


def test_no_request_is_larger_than_google_takes(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    answer = FakeGoogle.answer

    def measure(self: FakeGoogle, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        sizes.append(len(body))
        return answer(self, method, path, headers, body)

    monkeypatch.setattr(FakeGoogle, "answer", measure)
    monkeypatch.setattr(gcp_logs, "SEND_SECONDS", 60)
    google.go.clear()
    handler = open_handler(google)
    for _ in range(MOST_WAITING):
        handler.handle(record("\x01" * MOST_BYTES))  # Six bytes each in JSON.
    assert handler._size < (MOST_WAITING + 6) * MOST_BYTES
    google.go.set()
    await_true(lambda: not handler._waiting, "all that found room is sent, without waiting for more", 30)
    handler.close()
    assert MOST_BATCH_BYTES / 2 < max(sizes) <= MOST_BATCH_BYTES + 256 * 1024 < 10_000_000
    assert all(len(json.dumps(entry)) < 256 * 1024 for entry in google.entries)


def test_the_end_waits_for_a_service_that_does_not_answer_as_long_as_is_said_and_once(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gcp, "READ_SECONDS", 60)
    google.go.clear()
    handler = open_handler(google)
    handler.handle(record("x"))
    before = time.monotonic()
    handler.close()
    handler.close()
    assert 0.9 < time.monotonic() - before < 3


def test_the_end_sends_what_is_left_and_a_handler_that_has_nothing_ends_at_once(google: FakeGoogle):
    before = time.monotonic()
    open_handler(google).close()
    assert time.monotonic() - before < 0.9
    handler = open_handler(google)
    handler.handle(record("last"))
    handler.close()
    assert google.texts == ["distributed.x - INFO - last"]
    handler.handle(record("too late"))


def test_the_end_does_not_wait_for_a_service_that_refuses(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shipping, "grow_pauses", lambda: iter([60.0] * 10))
    google.refusals["write"] = [(403, "PERMISSION_DENIED", "")]
    handler = open_handler(google)
    handler.handle(record("x"))
    await_true(lambda: "write" in google.calls, "the first attempt")
    before = time.monotonic()
    handler.close()
    assert time.monotonic() - before < 0.9
    assert google.calls.count("write") == 2, "once more"


@pytest.mark.parametrize(
    ("refusals", "told"),
    [
        (
            [(403, "PERMISSION_DENIED", "")],
            "PERMISSION_DENIED: it is refused; grant the machine's service account roles",
        ),
        ([(403, "PERMISSION_DENIED", "SERVICE_DISABLED")], "SERVICE_DISABLED: it is refused; enable logging.google"),
        ([(401, "UNAUTHENTICATED", "")], "UNAUTHENTICATED: it is refused; see whether"),
        ([(503, "UNAVAILABLE", ""), (503, "UNAVAILABLE", ""), (503, "UNAVAILABLE", "")], "UNAVAILABLE: it is refused"),
    ],
)
def test_each_kind_of_refusal_is_told_once_and_the_line_arrives_afterwards(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture, refusals: list[Any], told: str
):
    google.refusals["write"] = [*refusals, *refusals, (200, "", "")]
    handler = open_handler(google)
    handler.handle(record("x"))
    await_true(lambda: google.texts, "the line")
    handler.close()
    (complaint,) = complaints(caplog)
    assert complaint.startswith(f"the log cannot be sent to the log '{LOG}' of Cloud Logging: {told}")


def test_a_service_that_asks_for_less_is_told_only_when_it_goes_on(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture
):
    busy = (429, "RESOURCE_EXHAUSTED", "")
    google.refusals["write"] = [busy, busy, (200, "", "")]
    handler = open_handler(google)
    handler.handle(record("x"))
    await_true(lambda: google.texts, "the line")
    assert complaints(caplog) == []
    google.refusals["write"] = [*[busy] * 8, (200, "", "")]
    handler.handle(record("y"))
    await_true(lambda: len(google.texts) == 2, "the next line")
    assert len(complaints(caplog)) == 1
    handler.close()


def test_lines_that_are_never_taken_do_not_hold_up_those_after_them(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture
):
    google.refusals["write"] = [(400, "INVALID_ARGUMENT", ""), (200, "", "")]
    handler = open_handler(google)
    handler.handle(record("wrong"))
    await_true(lambda: "write" in google.calls, "the refusal")
    handler.handle(record("right"))
    handler.close()
    assert google.texts == ["distributed.x - INFO - right"]
    assert len(complaints(caplog)) == 1


def test_a_machine_whose_metadata_service_comes_late_sends_nevertheless(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture
):
    identity = google.metadata.pop("instance/id")
    handler = open_handler(google)
    handler.handle(record("x"))
    await_true(lambda: complaints(caplog), "that it is told")
    assert "the metadata service answers 404 to instance/id; let the machine" in complaints(caplog)[0]
    google.metadata["instance/id"] = identity
    await_true(lambda: google.texts, "the line")
    handler.close()


def test_a_record_that_cannot_be_written_is_no_error_of_whoever_logs_it(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = open_handler(google)
    handler.handle(record("%d", args=("x",)))
    handler.handle(record("next"))
    handler.close()
    assert google.texts == ["distributed.x - INFO - next"]


def test_the_token_is_never_logged_even_at_debug(
    google: FakeGoogle, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    for name in ("google", "google.auth", "requests", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    handler = open_handler(google)
    google.refusals["write"] = [(401, "UNAUTHENTICATED", ""), (200, "", "")]
    handler.handle(record("x"))
    await_true(lambda: google.texts, "the line")
    handler.close()
    shown = "".join((*capfd.readouterr(), *(str(vars(each)) for each in caplog.records)))
    assert TOKEN not in shown


def test_the_shipper_opens_it_from_the_document_and_the_marks_before_come_first(google: FakeGoogle):
    document = SchedulerDocument.model_validate(
        {
            "fleet": "x",
            "scheduler_address": "tls://127.0.0.1:8786",
            "tls": {"ca_file": "/a", "cert": "/b", "key": "/c"},
            "logs": google.logs_reference,
        }
    )
    shipper = LogShipper()
    shipper.start(document, [Mark("booted", 1.0), Mark("document", 2.0)])
    logging.getLogger("distributed.x").warning("hello")
    logging.getLogger("urllib3.x").warning("not this")
    shipper.close()
    assert [mark["phase"] for mark in google.marks] == ["booted", "document"]
    assert google.texts == ["distributed.x - WARNING - hello"]
    assert google.entries[0]["labels"]["daskfleet-group"] == "scheduler"


def test_without_google_auth_it_is_told_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name in ("gcp", "gcp_logs"):
        monkeypatch.delitem(sys.modules, f"daskfleet_images.node.{name}")
        monkeypatch.delattr(f"daskfleet_images.node.{name}")
    monkeypatch.setitem(sys.modules, "google.auth", None)
    document = SchedulerDocument.model_validate(
        {
            "fleet": "x",
            "scheduler_address": "tls://127.0.0.1:8786",
            "tls": {"ca_file": "/a", "cert": "/b", "key": "/c"},
            "logs": {"destination": "gcp-cloud-logging", "log": LOG},
        }
    )
    shipper = LogShipper()
    shipper.start(document, [])
    shipper.close()
    assert any("google.auth is not installed; add it to the image" in message for message in caplog.messages)
