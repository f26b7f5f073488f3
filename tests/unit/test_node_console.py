"""The log as the journal wants it, and what systemd is told."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from daskfleet_images.node import main
from daskfleet_images.node.console import (
    NOTABLE,
    JournalFormatter,
    dask_setup,
    find_priority,
    is_journal,
    prefix_lines,
    tell_error,
)
from daskfleet_images.node.marks import MarkWriter
from daskfleet_images.node.notify import Notifier


def record(level: int, message: str, **extra: object) -> logging.LogRecord:
    return logging.getLogger("daskfleet.node").makeRecord(
        "daskfleet.node", level, __file__, 1, message, (), None, extra=extra or None
    )


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (25, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 3)],
)
def test_a_level_of_the_log_is_a_priority_of_the_journal(level: int, priority: int):
    assert find_priority(level) == priority
    assert JournalFormatter().format(record(level, "x")).startswith(f"<{priority}>daskfleet.node - ")


def test_a_journal_line_has_no_time_and_what_is_notable_says_so():
    assert JournalFormatter().format(record(logging.INFO, "phase: x", **NOTABLE)) == (
        "<5>daskfleet.node - INFO - phase: x"
    )


def test_each_line_of_a_traceback_has_the_priority():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        failed = record(logging.ERROR, "it failed")
        failed.exc_info = sys.exc_info()
    lines = JournalFormatter().format(failed).splitlines()
    assert len(lines) > 4
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(("text", "expected"), [("", "<4>"), ("a", "<4>a"), ("a\n\nb", "<4>a\n<4>\n<4>b")])
def test_a_priority_is_before_each_line(text: str, expected: str):
    assert prefix_lines(text, 4) == expected


def test_only_the_stream_that_systemd_names_is_the_journal(tmp_path: Path):
    with (tmp_path / "log").open("w") as file:
        status = os.fstat(file.fileno())
        name = f"{status.st_dev}:{status.st_ino}"
        assert is_journal(name, file.fileno())
        for other in ("", "1:2", f"{name}0", "x", name.replace(":", " ")):
            assert not is_journal(other, file.fileno())
        closed = os.dup(file.fileno())
        os.close(closed)
        assert not is_journal(name, closed)


def test_an_error_before_there_is_a_node_is_for_the_console_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    tell_error("why")
    monkeypatch.setattr("daskfleet_images.node.console.writes_to_journal", lambda: True)
    tell_error("why")
    assert capsys.readouterr().err == "daskfleet-node: why\n<3>daskfleet-node: why\n"


def test_the_preload_gives_the_handlers_of_standard_error_the_journals_format(tmp_path: Path):
    logger = logging.getLogger("daskfleet-test-preload")
    handlers = [logging.StreamHandler(sys.stderr), logging.FileHandler(tmp_path / "file")]
    for handler in handlers:
        logger.addHandler(handler)
    try:
        dask_setup(None)
        assert [isinstance(handler.formatter, JournalFormatter) for handler in handlers] == [True, False]
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_each_phase_and_that_the_node_is_ready(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name = f"@daskfleet-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.delenv("SYSTEMD_EXEC_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name[1:]}" if abstract else name)
        systemd.settimeout(5)
        notifier = Notifier()
        assert notifier
        assert "NOTIFY_SOCKET" not in os.environ, "what the node starts is not the service"
        marks = MarkWriter(notifier)
        marks.mark("booted")
        marks.mark("daemon", detail="tls://x:1")
        marks.mark("failed", detail="two\nlines")
        notifier.send(STOPPING=1)
        heard = [systemd.recv(1000).decode() for _ in range(4)]
    assert heard == ["STATUS=booted", "READY=1\nSTATUS=daemon tls://x:1", "STATUS=failed two lines", "STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/proc/none", "@nobody-listens-here", "x" * 300])
def test_a_systemd_that_does_not_listen_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.delenv("SYSTEMD_EXEC_PID", raising=False)
    Notifier().send(READY=1)


def test_a_machine_started_with_its_kernel_and_a_container_with_its_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    container = tmp_path / "container"
    monkeypatch.setattr(main, "CONTAINER", container)
    assert main.find_machine_start() == psutil.boot_time()
    container.write_text("systemd-nspawn")
    os.utime(container, (7.5, 7.5))
    assert main.find_machine_start() == psutil.Process(1).create_time()

    def hide(_pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil, "Process", hide)
    assert main.find_machine_start() == 7.5, "where the first process is hidden"


def test_a_socket_inherited_from_a_service_above_is_not_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("SYSTEMD_EXEC_PID", "1")
    assert not Notifier()
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    assert Notifier()
