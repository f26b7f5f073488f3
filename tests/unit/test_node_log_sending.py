"""The log on its way out: bounded, never in the way, and a mark as the line that it is in the marks' file."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daskfleet_images.node import aws_logs, logs, relay
from daskfleet_images.node.aws_logs import MOST_BYTES, MOST_WAITING, CloudWatchHandler
from daskfleet_images.node.document import AwsLogs, SchedulerDocument, WorkersDocument
from daskfleet_images.node.logs import EventFormatter, LogShipper, name_stream
from daskfleet_images.node.marks import Mark, MarkWriter, render_mark
from daskfleet_images.node.relay import RelayHandler, parse_record, receive_records
from harness import await_true

LOGS = AwsLogs(group="/daskfleet/x/nodes", region="eu-west-1")
COMMON = {
    "fleet": "x",
    "scheduler_address": "tls://127.0.0.1:8786",
    "tls": {"ca_file": "/a", "cert": "/b", "key": "/c"},
}
SCHEDULER = SchedulerDocument.model_validate({**COMMON, "logs": LOGS.model_dump()})
WORKERS = WorkersDocument.model_validate({**COMMON, "group": "gpu", "workers": 1, "threads": 1})


def record(text: str, **fields: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "distributed.x", "levelno": 20, "levelname": "INFO", "msg": text, **fields})


class Service:
    """What the sender's client sends; it takes nothing before it is let."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()

    def put_log_events(self, **batch: Any) -> dict[str, Any]:
        self.go.wait()
        self.batches.append([event["message"] for event in batch["logEvents"]])
        return {}

    class exceptions:  # noqa: N801
        class ResourceNotFoundException(Exception): ...


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service()
    monkeypatch.setattr(aws_logs, "open_client", lambda *_arguments: service)
    monkeypatch.setattr(aws_logs, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(CloudWatchHandler, "FLUSH_TIMEOUT", 1.0)
    yield service
    service.go.set()


def test_a_stream_is_named_by_the_role_or_the_group_and_the_short_host_name():
    assert name_stream(SCHEDULER, "ip-10-77-0-12.eu-west-1.compute.internal") == "scheduler/ip-10-77-0-12"
    assert name_stream(WORKERS, "ip-10-77-0-12") == "gpu/ip-10-77-0-12"


def test_a_mark_is_its_json_line_and_anything_else_the_line_of_the_journal():
    mark = Mark("registered", 1.5, "cpu-0")
    assert EventFormatter().format(record("phase: registered", mark=mark)) == render_mark(mark).rstrip("\n")
    assert EventFormatter().format(record("50%\nmore")) == "distributed.x - INFO - 50%\nmore"


def test_a_service_that_does_not_answer_fills_no_memory_and_marks_still_find_room(
    service: Service, caplog: pytest.LogCaptureFixture
):
    handler = CloudWatchHandler(LOGS, "gpu/{host}")
    handler.setFormatter(EventFormatter())
    before = time.monotonic()
    for number in range(10 * MOST_WAITING):
        handler.handle(record(f"{number} " + "ä" * 2 * MOST_BYTES))
    mark = Mark("failed", 1.0, None, "why")
    handler.handle(record("phase", mark=mark))
    assert time.monotonic() - before < 10
    assert sum(each.qsize() for each in handler.queues.values()) <= MOST_WAITING + 2
    service.go.set()
    await_true(lambda: [render_mark(mark).rstrip("\n")] in [batch[-1:] for batch in service.batches], "the mark")
    handler.close()
    sent = [message for batch in service.batches for message in batch]
    assert 0 < len(sent) <= 2 * MOST_WAITING + 2
    assert max(len(message.encode()) for message in sent) <= MOST_BYTES
    assert any("lines of the log were not sent: too many waited" in message for message in caplog.messages)


def test_the_end_waits_for_a_service_that_does_not_answer_as_long_as_is_said_and_once(service: Service):
    handler = CloudWatchHandler(LOGS, "gpu/host")
    handler.handle(record("x"))
    before = time.monotonic()
    handler.close()
    handler.close()
    assert 0.9 < time.monotonic() - before < 3


def test_lines_that_are_never_taken_do_not_hold_up_those_after_them(service: Service, caplog: pytest.LogCaptureFixture):
    from botocore.exceptions import ClientError

    error = ClientError({"Error": {"Code": "InvalidParameterException", "Message": "no"}}, "PutLogEvents")
    answers: list[Exception | None] = [error, None]
    put = service.put_log_events

    def refuse_first(**batch: Any) -> dict[str, Any]:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return put(**batch)

    service.put_log_events = refuse_first  # type: ignore[method-assign]
    service.go.set()
    handler = CloudWatchHandler(LOGS, "gpu/host")
    handler.handle(record("wrong"))
    await_true(lambda: len(answers) == 1, "the refusal")
    handler.handle(record("right"))
    handler.close()
    assert service.batches == [["right"]]
    assert sum("InvalidParameterException: no" in message for message in caplog.messages) == 1


class Opened(logging.Handler):
    """A destination that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.closed = False

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))

    def close(self) -> None:
        self.closed = True


def test_what_is_logged_before_the_destination_is_open_comes_first_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="daskfleet.node")
    opened, go = Opened(), threading.Event()

    def open_slowly(_logs: AwsLogs, stream: str) -> logging.Handler:
        assert stream.startswith("scheduler/")
        go.wait()
        return opened

    monkeypatch.setitem(logs.DESTINATIONS, AwsLogs, open_slowly)
    marks, shipper = MarkWriter(), LogShipper()
    assert not shipper
    marks.mark("booted", at=1.0)
    shipper.start(SCHEDULER, marks.write_to(None))
    assert shipper
    marks.mark("document", at=2.0)
    for number in range(logs.MOST_EARLY):
        logging.getLogger("distributed.x").warning("line %d", number)
    go.set()
    await_true(lambda: opened.messages, "the early ones")
    marks.mark("secrets", at=3.0)
    shipper.close()
    assert opened.closed
    assert [json.loads(each)["phase"] for each in opened.messages[:2]] == ["booted", "document"]
    assert opened.messages[2] == "distributed.x - WARNING - line 0"
    assert json.loads(opened.messages[-1])["phase"] == "secrets"
    assert len(opened.messages) <= logs.MOST_EARLY + 1
    logging.getLogger("distributed.x").warning("later")
    assert "later" not in opened.messages[-1]


@pytest.mark.parametrize("error", [RuntimeError("no"), ModuleNotFoundError("no", name="watchtower")])
def test_a_destination_that_cannot_be_opened_is_told_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
):
    def fail(_logs: AwsLogs, _stream: str) -> logging.Handler:
        raise error

    monkeypatch.setitem(logs.DESTINATIONS, AwsLogs, fail)
    shipper = LogShipper()
    shipper.start(SCHEDULER, [Mark("booted", 1.0)])
    shipper.close()
    assert shipper._early is None
    (told,) = (message for message in caplog.messages if message.startswith("the log is not sent to the log group"))
    assert ("watchtower is not installed" in told) == isinstance(error, ModuleNotFoundError)


def test_a_record_of_a_worker_arrives_whole(tmp_path: Path):
    async def send() -> list[logging.LogRecord]:
        arrived: list[logging.LogRecord] = []
        both = asyncio.Event()

        def take(record: logging.LogRecord) -> None:
            arrived.append(record)
            if len(arrived) == 2:
                both.set()

        async with receive_records(take) as path:
            assert path is not None
            assert Path(path).parent.stat().st_mode & 0o777 == 0o700
            handler = RelayHandler(path)
            try:
                raise ZeroDivisionError("two\nlines")
            except ZeroDivisionError as error:
                handler.handle(
                    record("50%% of %s", args=("x",), created=12.5, levelno=30, exc_info=(type(error), error, None))
                )
            handler.handle(record("ä" * 10 * relay.MOST_CHARACTERS))
            await asyncio.wait_for(both.wait(), 10)
            handler.close()
        assert not Path(path).parent.exists()
        return arrived

    whole, cut = asyncio.run(send())
    assert EventFormatter().format(whole) == "distributed.x - WARNING - 50% of x\nZeroDivisionError: two\nlines"
    assert whole.created == 12.5
    assert cut.getMessage() == "ä" * relay.MOST_CHARACTERS


def test_a_worker_whose_node_does_not_listen_goes_on_logging(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    handler = RelayHandler(str(tmp_path / "none"))
    handler.handle(record("x"))

    async def fill() -> None:
        async with receive_records(lambda _record: None) as path:
            assert path is not None
            full = RelayHandler(path)
            for _ in range(5000):  # Nobody reads: the event loop is here.
                full.handle(record("y" * 1000))
            full.close()

    before = time.monotonic()
    asyncio.run(fill())
    assert time.monotonic() - before < 5
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[]", b"{}", b'{"name": 1}', b"[" * 10_000,
             b'{"name": "x", "level": "high", "created": 1, "text": "y"}'],
)  # fmt: skip
def test_what_is_no_record_is_passed_over(data: bytes):
    assert parse_record(data) is None
