"""The log on its way to append blobs: bounded, in order, never in the way, and every line once, whatever gets lost."""

from __future__ import annotations

import json
import logging
import random
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from daskfleet_images.node import azure, azure_logs, shipping
from daskfleet_images.node.azure_logs import MOST_BATCH_BYTES, AppendBlobHandler
from daskfleet_images.node.azure_marks import MOST_BYTES as MOST_MARKS_BYTES
from daskfleet_images.node.azure_marks import condense_marks, parse_metadata, render_metadata
from daskfleet_images.node.console import NOTABLE
from daskfleet_images.node.document import AzureLogs, SchedulerDocument
from daskfleet_images.node.logs import EventFormatter, LogShipper
from daskfleet_images.node.marks import Mark, replay_marks
from daskfleet_images.node.shipping import MOST_BYTES, MOST_WAITING
from fake_azure import CLIENT, CONTAINER, FakeAzure, serve_azure
from harness import await_true
from unit.test_node_azure_secrets import point_to

BLOB = "gpu/vm-1/00000"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    monkeypatch.setattr(azure_logs, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(azure_logs, "CLOSE_SECONDS", 1.0)
    monkeypatch.setattr(shipping, "grow_pauses", lambda: iter([0.02] * 10_000))
    with serve_azure() as fake:
        point_to(monkeypatch, fake.url)
        yield fake


def open_handler(cloud: FakeAzure, stream: str = "gpu/vm-1") -> AppendBlobHandler:
    logs = AzureLogs(container=CONTAINER, client_id=CLIENT, endpoint_url=cloud.url)
    handler = AppendBlobHandler(logs, stream)
    handler.setFormatter(EventFormatter())
    return handler


def record(text: str, **fields: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "distributed.x", "levelno": 20, "levelname": "INFO", "msg": text, **fields})


def mark(*arguments: Any) -> logging.LogRecord:
    return record("phase", mark=Mark(*arguments), **NOTABLE)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith("the log cannot be sent")]


def lines(*numbers: int) -> list[str]:
    return [f"distributed.x - INFO - line {number}" for number in numbers]


def test_a_line_is_json_with_its_time_and_a_mark_is_an_object(cloud: FakeAzure):
    handler = open_handler(cloud)
    handler.handle(record("two\nlines, 100% größer 😀", created=1790000000.25))
    handler.handle(record("phase", created=1790000002.5, mark=Mark("registered", 1790000001.5, "cpu-0"), **NOTABLE))
    handler.close()
    assert cloud.entries == [
        {"time": 1790000000.25, "line": "distributed.x - INFO - two\nlines, 100% größer 😀"},
        {"time": 1790000002.5, "mark": {"phase": "registered", "time": 1790000001.5, "worker": "cpu-0"}},
    ]
    assert list(cloud.blobs) == [BLOB]
    assert cloud.blobs[BLOB].content.count(b"\n") == 2


def test_long_lines_and_what_utf_8_cannot_say_are_cut(cloud: FakeAzure):
    handler = open_handler(cloud)
    handler.handle(record("\ud800" + "ä" * MOST_BYTES))
    handler.handle(mark("failed", 1.0, "w", "\udfff" + "y" * 2 * MOST_BYTES))
    handler.close()
    assert len(cloud.texts[0].encode()) <= MOST_BYTES
    assert cloud.marks[0]["detail"] == "?" + "y" * (MOST_BYTES - 1)
    assert parse_metadata(cloud.blobs[BLOB].marks)[0].detail == "\udfff" + "y" * 999


def test_a_name_that_no_address_can_hold_is_encoded(cloud: FakeAzure):
    handler = open_handler(cloud, "größe ?#%/vm 1")
    handler.handle(record("x"))
    handler.close()
    assert list(cloud.blobs) == ["größe ?#%/vm 1/00000"]


def test_a_mark_is_sent_at_once_and_lines_are_gathered(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(azure_logs, "SEND_SECONDS", 60)
    handler = open_handler(cloud)
    for number in range(50):
        handler.handle(record(f"line {number}"))
    assert cloud.blobs == {}
    handler.handle(mark("booted", 1.0))
    await_true(lambda: cloud.marks, "the mark", 10)
    assert cloud.texts == lines(*range(50))
    assert cloud.calls == ["token", "create", "append"], "and the blob began with what the mark says"
    assert parse_metadata(cloud.blobs[BLOB].marks) == [Mark("booted", 1.0)]
    handler.close()


def test_lines_alone_leave_the_metadata_as_it_is_and_marks_change_it(cloud: FakeAzure):
    handler = open_handler(cloud)
    handler.handle(mark("booted", 1.0))
    await_true(lambda: cloud.marks, "the mark")
    handler.handle(record("line 0"))
    await_true(lambda: cloud.texts, "the line")
    assert "describe" not in cloud.calls
    handler.handle(mark("registered", 2.0, "w-0"))
    handler.close()
    assert cloud.calls.count("describe") == 1
    assert parse_metadata(cloud.blobs[BLOB].marks) == [Mark("booted", 1.0), Mark("registered", 2.0, "w-0")]


@pytest.mark.parametrize("operation", ["create", "look", "append", "describe"])
@pytest.mark.parametrize("failure", ["no answer", "busy", "broken", "late role"])
def test_whatever_fails_every_line_is_there_once_and_in_order(cloud: FakeAzure, operation: str, failure: str):
    refusals = {
        "no answer": (0, ""),
        "busy": (503, "ServerBusy"),
        "broken": (500, ""),
        "late role": (403, "AuthorizationPermissionMismatch"),
    }
    earlier = open_handler(cloud)
    earlier.handle(mark("booted", 1.0))
    earlier.handle(record("line 0"))
    earlier.close()
    cloud.refusals[operation] = [refusals[failure]] * 3 + [(200, "")]
    handler = open_handler(cloud)
    handler.handle(mark("booted", 2.0))
    for number in range(1, 4):
        handler.handle(record(f"line {number}"))
        handler.handle(mark("registered", 2.0 + number, f"w-{number}"))
        await_true(lambda number=number: len(cloud.texts) == 1 + number, "the line")
    handler.close()
    assert cloud.calls.count(operation) >= 4
    assert cloud.texts == lines(0, 1, 2, 3)
    assert len(cloud.marks) == 5
    assert list(replay_marks(parse_metadata(cloud.blobs[BLOB].marks)).registered) == ["w-1", "w-2", "w-3"]


@pytest.mark.parametrize("operation", ["create", "append", "describe"])
def test_what_was_done_without_an_answer_is_not_done_twice(cloud: FakeAzure, operation: str):
    cloud.lost = [operation] * 2
    handler = open_handler(cloud)
    handler.handle(mark("booted", 1.0))
    for number in range(3):
        handler.handle(record(f"line {number}"))
        handler.handle(mark("registered", 2.0 + number, f"w-{number}"))
        await_true(lambda number=number: len(cloud.texts) == 1 + number, "the line")
    handler.close()
    assert cloud.lost == []
    assert list(cloud.blobs) == [BLOB]
    assert cloud.texts == lines(0, 1, 2)
    assert len(cloud.marks) == 4
    assert list(replay_marks(parse_metadata(cloud.blobs[BLOB].marks)).registered) == ["w-0", "w-1", "w-2"]


@pytest.mark.parametrize("is_counted_first", [False, True])
def test_an_answer_is_lost_for_the_last_block_of_a_blob_and_nothing_is_there_twice(
    cloud: FakeAzure, is_counted_first: bool
):
    cloud.most_blocks, cloud.is_counted_first = 1, is_counted_first
    cloud.lost = ["append"]
    handler = open_handler(cloud)
    handler.handle(mark("booted", 1.0))
    await_true(lambda: cloud.calls.count("look") == 1, "that it is looked whether the block was taken")
    handler.handle(record("line 0"))
    handler.close()
    assert [len(blob.content.splitlines()) for blob in cloud.blobs.values()] == [1, 1]


def test_a_full_blob_is_followed_by_the_next_which_says_all_that_the_marks_say(
    cloud: FakeAzure, caplog: pytest.LogCaptureFixture
):
    cloud.most_blocks = 2
    handler = open_handler(cloud)
    handler.handle(mark("booted", 1.0))
    await_true(lambda: cloud.marks, "the mark")
    for number in range(6):
        handler.handle(record(f"line {number}"))
        await_true(lambda number=number: len(cloud.texts) == number + 1, "the line")
    handler.close()
    assert list(cloud.blobs) == [f"gpu/vm-1/0000{number}" for number in range(4)]
    assert cloud.texts == lines(*range(6))
    assert all(parse_metadata(blob.marks) == [Mark("booted", 1.0)] for blob in cloud.blobs.values())
    assert complaints(caplog) == []


def test_a_node_that_starts_anew_goes_on_with_its_last_blob(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    cloud.most_blocks = 2
    monkeypatch.setattr(azure_logs, "MOST_BLOCKS", 2)
    for life in range(5):
        handler = open_handler(cloud)
        handler.handle(mark("booted", float(life)))
        handler.handle(record(f"line {life}"))
        handler.close()
    assert list(cloud.blobs) == [f"gpu/vm-1/0000{number}" for number in range(3)]
    assert cloud.texts == lines(*range(5))
    assert parse_metadata(cloud.blobs["gpu/vm-1/00002"].marks) == [Mark("booted", 4.0)]


def test_a_node_that_starts_anew_and_has_no_marks_yet_leaves_what_stands_there(cloud: FakeAzure):
    for each in (mark("booted", 1.0), record("line 0")):
        handler = open_handler(cloud)
        handler.handle(each)
        handler.close()
    assert cloud.texts == lines(0)
    assert parse_metadata(cloud.blobs[BLOB].marks) == [Mark("booted", 1.0)]


def test_a_blob_that_is_removed_is_made_again_with_what_the_marks_say(
    cloud: FakeAzure, caplog: pytest.LogCaptureFixture
):
    handler = open_handler(cloud)
    handler.handle(mark("booted", 1.0))
    await_true(lambda: cloud.marks, "the mark")
    cloud.blobs.clear()
    handler.handle(record("line 0"))
    handler.close()
    assert cloud.texts == lines(0)
    assert parse_metadata(cloud.blobs[BLOB].marks) == [Mark("booted", 1.0)]
    assert complaints(caplog) == []


def test_somebody_else_who_appends_to_the_blob_is_gone_around(cloud: FakeAzure):
    handler = open_handler(cloud)
    handler.handle(record("line 0"))
    await_true(lambda: cloud.texts, "the first line")
    cloud.blobs[BLOB].content += b'{"time": 1, "line": "another"}\n'
    handler.handle(record("line 1"))
    handler.close()
    assert cloud.texts == [*lines(0), "another", *lines(1)]


def test_a_service_that_is_away_and_comes_back_has_every_line_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(azure_logs, "SEND_SECONDS", 0.02)
    monkeypatch.setattr(shipping, "grow_pauses", lambda: iter([0.02] * 10_000))
    with serve_azure() as fake:
        point_to(monkeypatch, fake.url)
        handler = open_handler(fake)
        handler.handle(record("line 0"))
        await_true(lambda: fake.texts, "the first line")
    for number in range(1, 400):
        handler.handle(record(f"line {number}"))
        if number == 200:
            await_true(lambda: complaints(caplog), "that it is told")
    with serve_azure(fake.port, fake):
        await_true(lambda: len(fake.texts) == 400, "all lines")
        handler.close()
    assert fake.texts == lines(*range(400))
    assert len(complaints(caplog)) == 1, "and it is told once"
    assert "the service endpoint Microsoft.Storage" in complaints(caplog)[0]


def test_a_service_that_does_not_answer_fills_no_memory_and_marks_still_find_room(
    cloud: FakeAzure, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(azure, "READ_SECONDS", 60)
    cloud.go.clear()
    handler = open_handler(cloud)
    before = time.monotonic()
    for number in range(5 * MOST_WAITING):
        handler.handle(record(f"{number} " + "ä" * MOST_BYTES))
    handler.handle(mark("failed", 1.0, None, "why"))
    assert time.monotonic() - before < 10, "nobody waits"
    assert len(handler._waiting) <= MOST_WAITING + 1
    cloud.go.set()
    await_true(lambda: BLOB in cloud.blobs and parse_metadata(cloud.blobs[BLOB].marks), "the mark")
    handler.close()
    texts = cloud.texts
    assert 0 < len(texts) <= 2 * MOST_WAITING
    assert max(len(text.encode()) for text in texts) <= MOST_BYTES
    numbers = [int(text.removeprefix("distributed.x - INFO - ").partition(" ")[0]) for text in texts]
    assert numbers == sorted(set(numbers))
    assert any("lines of the log were not sent: too many waited" in message for message in caplog.messages)


def test_no_block_is_larger_than_is_said(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(azure_logs, "SEND_SECONDS", 60)
    cloud.go.clear()
    handler = open_handler(cloud)
    for _ in range(MOST_WAITING):
        handler.handle(record("\x01" * MOST_BYTES))  # Six bytes each in JSON.
    cloud.go.set()
    await_true(lambda: not handler._waiting, "all that found room is sent, without waiting for more", 30)
    handler.close()
    assert MOST_BATCH_BYTES / 2 < max(cloud.sizes) <= MOST_BATCH_BYTES


def test_the_end_waits_for_a_service_that_does_not_answer_as_long_as_is_said_and_once(
    cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(azure, "READ_SECONDS", 60)
    cloud.go.clear()
    handler = open_handler(cloud)
    handler.handle(record("x"))
    before = time.monotonic()
    handler.close()
    handler.close()
    assert 0.9 < time.monotonic() - before < 3


def test_the_end_does_not_wait_for_a_service_that_refuses(cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shipping, "grow_pauses", lambda: iter([60.0] * 10))
    cloud.refusals["create"] = [(403, "AuthorizationPermissionMismatch")]
    handler = open_handler(cloud)
    handler.handle(record("x"))
    await_true(lambda: "create" in cloud.calls, "the first attempt")
    before = time.monotonic()
    handler.close()
    assert time.monotonic() - before < 0.9
    assert cloud.calls.count("create") == 2, "once more"


@pytest.mark.parametrize(
    ("operation", "refusal", "told"),
    [
        ("create", (404, "ContainerNotFound"), "ContainerNotFound: it is refused.; make the container, or correct"),
        ("create", (403, "AuthorizationPermissionMismatch"), "AuthorizationPermissionMismatch: it is refused.; grant"),
        ("append", (403, "AuthorizationFailure"), "AuthorizationFailure: it is refused.; let the machine's subnet"),
        ("append", (401, "InvalidAuthenticationInfo"), "InvalidAuthenticationInfo: it is refused.; see whether the st"),
        ("append", (409, "InvalidBlobType"), "InvalidBlobType: it is refused.; remove the blob"),
        ("append", (502, ""), "HTTP 502; see what the service says"),
        ("describe", (500, "InternalError"), "InternalError: it is refused.; see what the service says"),
        ("token", (400, "identity_not_found"), "this machine has no credentials: identity_not_found: Identity not fou"),
        ("token", (503, ""), "the metadata service answers 503; let the machine reach its metadata service"),
    ],
)
def test_each_kind_of_refusal_is_told_once_and_the_line_arrives_afterwards(
    cloud: FakeAzure, caplog: pytest.LogCaptureFixture, operation: str, refusal: Any, told: str
):
    cloud.refusals[operation] = [refusal] * 3 + [(200, "")]
    handler = open_handler(cloud)
    handler.handle(record("line 0"))
    await_true(lambda: cloud.texts, "the line")
    handler.handle(mark("booted", 1.0))
    await_true(lambda: cloud.blobs and parse_metadata(cloud.blobs[BLOB].marks), "the mark")
    handler.close()
    assert cloud.texts == lines(0)
    (complaint,) = complaints(caplog)
    assert complaint.startswith(f"the log cannot be sent to the container {CONTAINER}: {told}")


def test_a_service_that_asks_for_less_is_told_only_when_it_goes_on(cloud: FakeAzure, caplog: pytest.LogCaptureFixture):
    busy = (503, "ServerBusy")
    cloud.refusals["append"] = [busy, busy, (200, "")]
    handler = open_handler(cloud)
    handler.handle(record("line 0"))
    await_true(lambda: cloud.texts, "the line")
    assert complaints(caplog) == []
    cloud.refusals["append"] = [*[busy] * 8, (200, "")]
    handler.handle(record("line 1"))
    await_true(lambda: len(cloud.texts) == 2, "the next line")
    assert len(complaints(caplog)) == 1
    handler.close()


def test_lines_that_are_never_taken_do_not_hold_up_those_after_them(cloud: FakeAzure, caplog: pytest.LogCaptureFixture):
    cloud.refusals["append"] = [(413, "RequestBodyTooLarge"), (200, "")]
    handler = open_handler(cloud)
    handler.handle(record("line 0"))
    await_true(lambda: "append" in cloud.calls, "the refusal")
    handler.handle(record("line 1"))
    handler.close()
    assert cloud.texts == lines(1)
    assert len(complaints(caplog)) == 1


def test_marks_that_are_never_taken_do_not_hold_up_the_lines(cloud: FakeAzure, caplog: pytest.LogCaptureFixture):
    cloud.refusals["describe"] = [(400, "MetadataTooLarge")]
    handler = open_handler(cloud)
    for number in range(3):
        handler.handle(record(f"line {number}"))
        handler.handle(mark("registered", 1.0, f"w-{number}"))
        await_true(lambda number=number: len(cloud.texts) == number + 1, "the line")
    handler.close()
    assert cloud.texts == lines(0, 1, 2)
    assert len(complaints(caplog)) == 1


def test_a_record_that_cannot_be_written_is_no_error_of_whoever_logs_it(
    cloud: FakeAzure, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = open_handler(cloud)
    handler.handle(record("%d", args=("x",)))
    handler.handle(record("line 0"))
    handler.close()
    assert cloud.texts == lines(0)


def test_the_token_is_never_logged_even_at_debug(
    cloud: FakeAzure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    for name in ("requests", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    handler = open_handler(cloud)
    cloud.refusals["append"] = [(401, "InvalidAuthenticationInfo"), (200, "")]
    handler.handle(record("x"))
    await_true(lambda: cloud.texts, "the line")
    handler.close()
    assert cloud.calls.count("token") == 2
    shown = "".join((*capfd.readouterr(), *(str(vars(each)) for each in caplog.records)))
    assert "TOKENTOKEN" not in shown


def test_the_shipper_opens_it_from_the_document_and_the_marks_before_come_first(cloud: FakeAzure):
    document = SchedulerDocument.model_validate(
        {
            "fleet": "x",
            "scheduler_address": "tls://127.0.0.1:8786",
            "tls": {"ca_file": "/a", "cert": "/b", "key": "/c"},
            "logs": cloud.logs_reference,
        }
    )
    shipper = LogShipper()
    shipper.start(document, [Mark("booted", 1.0), Mark("document", 2.0)])
    logging.getLogger("distributed.x").warning("hello")
    logging.getLogger("urllib3.x").warning("not this")
    shipper.close()
    assert [each["phase"] for each in cloud.marks] == ["booted", "document"]
    assert cloud.texts == ["distributed.x - WARNING - hello"]
    (name,) = cloud.blobs
    assert name.startswith("scheduler/")


def test_without_requests_it_is_told_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name in ("azure", "azure_logs", "requesting"):
        monkeypatch.delitem(sys.modules, f"daskfleet_images.node.{name}")
        monkeypatch.delattr(f"daskfleet_images.node.{name}")
    monkeypatch.setitem(sys.modules, "requests", None)
    document = SchedulerDocument.model_validate(
        {
            "fleet": "x",
            "scheduler_address": "tls://127.0.0.1:8786",
            "tls": {"ca_file": "/a", "cert": "/b", "key": "/c"},
            "logs": {"destination": "azure-blob", "container": CONTAINER, "client_id": CLIENT},
        }
    )
    shipper = LogShipper()
    shipper.start(document, [])
    shipper.close()
    assert any("requests is not installed; add it to the image" in message for message in caplog.messages)


def draw_marks(chance: random.Random) -> list[Mark]:
    phases = ("kernel", "booted", "document", "daemon", "registered", "registered", "left", "left", "failed", "stopped")
    marks = []
    for number in range(chance.randrange(30)):
        phase: Any = chance.choice(phases if chance.random() < 0.3 else phases[4:9])
        worker = chance.choice(["a", "b", "c", None]) if phase in ("registered", "left", "failed") else None
        marks.append(Mark(phase, float(number), worker, chance.choice(["why", None])))
    return marks


def test_condensed_marks_say_what_all_of_them_say_and_condensing_may_go_on():
    chance = random.Random(8786)
    for _ in range(3000):
        marks, more = draw_marks(chance), draw_marks(chance)
        condensed = condense_marks(marks)
        assert replay_marks(condensed) == replay_marks(marks)
        assert condensed[-1:] == marks[-1:]
        again = condense_marks([*condensed, *more])
        assert replay_marks(again) == replay_marks([*marks, *more])
        assert again == condense_marks([*marks, *more])


def test_workers_that_come_and_go_do_not_make_the_marks_more():
    marks = [Mark("kernel", 0.0), Mark("booted", 1.0)]
    for number in range(10_000):
        phase: Any = ("registered", "left")[number % 2]
        marks = condense_marks([*marks, Mark(phase, 2.0 + number, f"w-{number // 2 % 4}")])
    assert len(marks) <= 10
    assert marks[0].phase == "kernel"


def test_what_was_before_the_last_start_is_dropped_and_the_start_of_the_machine_before_it_kept():
    before = [Mark("kernel", 1.0), Mark("booted", 2.0), Mark("failed", 3.0, None, "why")]
    assert condense_marks(before) == before
    assert condense_marks([*before, Mark("booted", 4.0)]) == [Mark("booted", 4.0)]
    after = [Mark("kernel", 5.0), Mark("booted", 6.0), Mark("daemon", 7.0)]
    assert condense_marks([*before, *after]) == after


def test_the_metadata_is_a_list_of_json_that_is_percent_encoded():
    marks = [Mark("booted", 1.5), Mark("failed", 2.0, "w-0", "no größe\n100% 😀")]
    value = render_metadata(marks)
    assert value.isascii()
    assert value.isprintable()
    assert " " not in value
    assert json.loads(urllib.parse.unquote(value)) == [
        {"phase": "booted", "time": 1.5},
        {"phase": "failed", "time": 2.0, "worker": "w-0", "detail": "no größe\n100% 😀"},
    ]
    assert parse_metadata(value) == marks


@pytest.mark.parametrize("letter", ["x", " ", "ä", "😀", "\ud800"])
def test_details_are_cut_until_the_marks_fit(letter: str):
    marks = [Mark("booted", 1.0), Mark("failed", 2.0, "w", letter * 20_000), Mark("registered", 3.0, "w")]
    value = render_metadata(marks)
    assert len(value) <= MOST_MARKS_BYTES
    assert value.startswith("[")
    (failed,) = (each for each in parse_metadata(value) if each.phase == "failed")
    assert failed.detail in (letter * 1000, letter * 200)
    assert [replace(each, detail=None) for each in parse_metadata(value)] == [
        replace(each, detail=None) for each in marks
    ]


@pytest.mark.parametrize("count", [60, 192, 448])
def test_a_machine_of_many_workers_says_of_each_that_it_has_registered(count: int):
    chance = random.Random(count)
    marks = [Mark("booted", 1790000000.0)]
    for number in range(count):
        time_ = round(1790000000 + chance.uniform(5, 60), 3)
        marks.append(Mark("registered", time_, f"daskfleet-x-gpu_0a1b2c3d-{number}"))
    value = render_metadata(marks)
    assert value.startswith("[") == (count == 60)
    assert len(value) <= MOST_MARKS_BYTES
    assert parse_metadata(value) == marks


@pytest.mark.parametrize("value", ["", "[", "[1]", "{}", "null", "[null, {}]", "x", "eA==", "ä", "[" * 100_000, "AAAA"])
def test_metadata_that_is_something_else_holds_no_marks(value: str):
    assert parse_metadata(value) == []


def test_metadata_that_is_cut_holds_no_marks():
    for value in (
        render_metadata([Mark("booted", 1.0)]),
        render_metadata([Mark("left", 1.0, f"{n}") for n in range(999)]),
    ):
        assert parse_metadata(value)
        assert not any(parse_metadata(value[:end]) for end in range(len(value)))
