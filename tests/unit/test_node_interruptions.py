"""What the metadata of a machine says about its end."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daskfleet_images.node import interruptions
from daskfleet_images.node.interruptions import AwsWatch, await_notice, describe_notice
from harness import await_true
from machines import metadata_service

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
    program = [sys.executable, metadata_service.__file__, "127.0.0.1", str(port), str(file), str(log)]
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
        def read(self) -> str | None:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setitem(interruptions.WATCHES, "aws-interruptions", Watch)
    with caplog.at_level(logging.INFO, logger="daskfleet.node"):
        assert asyncio.run(await_notice("aws-interruptions", poll_seconds=0)) == "the end"
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
