"""Phase marks: written a line each, read whatever has become of the file."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from daskfleet_images.node.marks import (
    PHASES,
    Mark,
    MarkWriter,
    NodeMarks,
    parse_marks,
    read_marks,
    render_mark,
    replay_marks,
)

LIFE = [
    Mark("booted", 1.0),
    Mark("document", 1.25),
    Mark("secrets", 1.5),
    Mark("daemon", 2.0, detail="tls://127.0.0.1:8786 größer “x”\u2028y\n"),
    Mark("registered", 3.0, worker="cpu-0"),
    Mark("registered", 3.5, worker="cpu-1"),
    Mark("left", 4.0, worker="cpu-0"),
    Mark("failed", 5.0, worker="cpu-0", detail="OSError: no"),
]
TEXT = "".join(render_mark(mark) for mark in LIFE)


def replay(*marks: tuple[object, ...]) -> NodeMarks:
    return replay_marks(Mark(*mark) for mark in marks)  # type: ignore[arg-type]


def test_every_mark_is_one_line_and_comes_back():
    assert len(TEXT.strip("\n").split("\n")) == len(LIFE)
    assert parse_marks(TEXT.splitlines()) == LIFE


def test_a_mark_holds_only_what_it_says():
    assert json.loads(render_mark(Mark("booted", 1.23456))) == {"phase": "booted", "time": 1.235}


def test_marks_cut_at_any_byte_are_the_whole_marks_before_the_cut(tmp_path: Path):
    file, whole = tmp_path / "marks", TEXT.encode()
    for end in range(len(whole) + 1):
        file.write_bytes(whole[:end])
        complete = LIFE[: whole[:end].count(b"\n")]
        # A line that only lacks its end is whole.
        if end < len(whole) and whole[end : end + 1] == b"\n":
            complete = LIFE[: len(complete) + 1]
        assert read_marks(file) == replay_marks(complete), end


def test_after_a_mark_cut_anywhere_the_next_life_of_the_node_is_read_whole(tmp_path: Path):
    file, whole = tmp_path / "marks", TEXT.encode()
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        writer = MarkWriter()
        writer.mark("booted", at=100.0)
        writer.write_to(file)
        writer.mark("registered", worker="new-0", at=101.0)
        assert read_marks(file) == NodeMarks({"booted": 100.0, "registered": 101.0}, {"new-0": 101.0}), end


@pytest.mark.parametrize(
    "line",
    ["", "{", "null", "[]", "3", '"x"', "{}", '{"phase": "booted"}', '{"phase": "dancing", "time": 1}', "[" * 5000,
     '{"phase": "booted", "time": "now"}', '{"phase": "booted", "time": 1, "zebra": 2}',
     '{"phase": null, "time": null}', '{"phase": ["booted"], "time": 1}',
     '{"phase": "registered", "time": 1, "worker": ["a"]}', "\x00" * 20],
)  # fmt: skip
def test_a_line_that_is_no_mark_is_passed_over(line: str, tmp_path: Path):
    file = tmp_path / "marks"
    file.write_text(f"{render_mark(LIFE[0])}{line}\n{render_mark(LIFE[4])}")
    assert read_marks(file) == replay_marks([LIFE[0], LIFE[4]])


def test_bytes_that_are_no_text_cost_only_their_line(tmp_path: Path):
    file = tmp_path / "marks"
    file.write_bytes(render_mark(LIFE[0]).encode() + b"\xff\xfe\x00\n" + render_mark(LIFE[4]).encode())
    assert read_marks(file).registered == {"cpu-0": 3.0}


def test_no_file_is_a_node_that_has_not_started(tmp_path: Path):
    assert read_marks(tmp_path / "none") == NodeMarks({}, {}, None)


def test_the_first_time_of_each_phase_counts():
    marks = replay(("booted", 1.0), ("registered", 2.0, "a"), ("registered", 3.0, "b"))
    assert marks.phases == {"booted": 1.0, "registered": 2.0}
    assert marks.registered == {"a": 2.0, "b": 3.0}


def test_a_restart_forgets_what_was_before():
    marks = replay(("booted", 1.0), ("registered", 2.0, "a"), ("failed", 3.0, None, "why"), ("booted", 9.0))
    assert marks == NodeMarks({"booted": 9.0}, {}, None)


def test_the_start_of_the_machine_is_before_its_first_node_and_no_later_one():
    first = (("kernel", 1.0), ("booted", 5.0), ("registered", 6.0))
    assert replay(*first).phases == {"kernel": 1.0, "booted": 5.0, "registered": 6.0}
    assert next(iter(replay(*first).phases)) == "kernel"
    assert replay(*first, ("booted", 9.0)).phases == {"booted": 9.0}
    assert replay(("kernel", 1.0), ("stopped", 2.0), ("booted", 9.0)).phases == {"booted": 9.0}


def test_a_node_whose_marks_are_there_already_does_not_say_when_the_machine_started(tmp_path: Path):
    file = tmp_path / "marks"
    for expected in (["kernel", "booted", "document"], ["booted", "document"]):
        writer = MarkWriter()
        writer.mark("kernel", at=1.0)
        writer.mark("booted", at=5.0)
        writer.write_to(file)
        writer.mark("document")
        assert [mark.phase for mark in parse_marks(file.read_text().splitlines())] == expected


def test_a_worker_that_left_is_not_registered_until_it_is_again():
    assert replay(("registered", 1.0, "a"), ("left", 2.0, "a")).registered == {}
    assert replay(("registered", 1.0, "a"), ("left", 2.0, "a"), ("registered", 3.0, "a")).registered == {"a": 3.0}
    assert replay(("left", 2.0, "a"), ("registered", 3.0, "b"), ("left", 4.0, "c")).registered == {"b": 3.0}


def test_a_failure_counts_until_something_registers():
    assert replay(("failed", 1.0, None, "why")).failure == "why"
    assert replay(("failed", 1.0, None, "why"), ("left", 2.0, "a")).failure == "why"
    assert replay(("failed", 1.0, None, "why"), ("failed", 2.0, None, "then")).failure == "then"
    assert replay(("failed", 1.0, None, "why"), ("registered", 2.0)).failure is None


def test_a_node_that_stopped_has_no_workers():
    marks = replay(("booted", 1.0), ("registered", 2.0, "a"), ("stopped", 3.0))
    assert marks.registered == {}
    assert marks.phases["stopped"] == 3.0


def test_marks_before_the_file_is_known_are_written_when_it_is(tmp_path: Path):
    file = tmp_path / "marks"
    writer = MarkWriter()
    writer.mark("booted", at=1.0)
    assert not file.exists()
    writer.write_to(file)
    writer.mark("registered", worker="a", at=2.0)
    assert parse_marks(file.read_text().splitlines()) == [Mark("booted", 1.0), Mark("registered", 2.0, "a")]


def test_every_phase_can_be_written_and_read(tmp_path: Path):
    writer = MarkWriter()
    writer.write_to(tmp_path / "marks")
    for phase in PHASES:
        writer.mark(phase)  # type: ignore[arg-type]
    assert set(read_marks(tmp_path / "marks").phases) == set(PHASES)


@pytest.mark.parametrize("file", ["/proc/none/marks", "/dev/full", "/"])
def test_a_marks_file_that_cannot_be_written_does_not_stop_the_node(file: str, caplog: pytest.LogCaptureFixture):
    writer = MarkWriter()
    with caplog.at_level(logging.INFO, logger="daskfleet.node"):
        writer.mark("booted")
        writer.write_to(Path(file))
        writer.mark("failed", detail="why")
    assert "phase: failed why" in caplog.text
    assert caplog.text.count(f"the phase mark cannot be written to {file}: ") == 2


def test_a_failure_is_an_error_in_the_log_and_the_rest_is_not(caplog: pytest.LogCaptureFixture):
    writer = MarkWriter()
    with caplog.at_level(logging.INFO, logger="daskfleet.node"):
        writer.mark("daemon", detail="tls://x:1")
        writer.mark("failed", worker="a", detail="why")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "phase: daemon tls://x:1"),
        ("ERROR", "phase: failed a why"),
    ]
