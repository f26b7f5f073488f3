"""What `status` looks like, in every state and at every width."""

from __future__ import annotations

import dataclasses
import io
import itertools
import time
import typing
from pathlib import Path

import pytest
from rich.console import Console

from daskfleet.commands.status_view import _bar, export_svg, format_bytes, format_duration, render_status
from daskfleet.errors import FleetError
from daskfleet.providers.base import FleetState, FleetStatus, GroupStatus, NodeStatus, WorkerStatus, iterate_nodes

STATES = typing.get_args(FleetState)
START = 1_700_000_000.0


def make_worker(name: str, **values: object) -> WorkerStatus:
    worker = WorkerStatus(name, f"tls://127.0.0.1:{hash(name) % 60000}", 4242, 2, 3 * 2**29, 2**32, 99.6, 3)
    return dataclasses.replace(worker, **values)  # type: ignore[arg-type]


def make_status(**values: object) -> FleetStatus:
    phases = {
        "booted": START,
        "document": START + 0.25,
        "daemon": START + 1.5,
        "registered": START + 2.0,
        "left": START + 9,
    }
    groups = (
        GroupStatus(
            "cpu",
            2,
            2,
            "auto",
            {},
            (make_worker("cpu-0"), make_worker("cpu-1")),
            (NodeStatus("cpu", "running", 11, phases),),
        ),
        GroupStatus(
            "big",
            3,
            1,
            "0",
            {"BIG": 1.0},
            (make_worker("big-0", memory_limit=0, memory=0, cpu=0.0, executing=0),),
            (NodeStatus("big", "running", 12, {"booted": START}, "OSError: no"),),
        ),
        GroupStatus("none", 1, 1, "auto", {}, (), (NodeStatus("none", "backoff", None),)),
    )
    status = FleetStatus(
        "research",
        "local",
        "running",
        "tls://127.0.0.1:8786",
        "http://127.0.0.1:8787/status",
        time.time() - 7200,
        NodeStatus("scheduler", "running", 10, phases),
        groups,
        {"team": "climate"},
    )
    return dataclasses.replace(status, **values)  # type: ignore[arg-type]


def render(status: FleetStatus, width: int = 120, **options: object) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False, **options)  # type: ignore[arg-type]
    console.print(render_status(status, width))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_shown_at_every_width(state: FleetState, width: int):
    text = render(make_status(state=state, problems=("its scheduler does not answer: see `daskfleet logs x`",)), width)
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    for word in ("research", state, "tls://127.0.0.1:8786", "team=climate", "cpu", "big", "none"):
        assert word in text, word
    assert "! its scheduler does not answer" in text


def test_a_wide_view_shows_each_worker_with_its_figures():
    lines = render(make_status()).splitlines()
    (first,) = [line for line in lines if "cpu-0" in line]
    assert first.split() == ["cpu", "2/2", "cpu-0", "2", "████░░░░░░", "1.5", "GiB", "of", "4.0", "GiB", "100%", "3"]
    (unlimited,) = [line for line in lines if "big-0" in line]
    assert unlimited.split() == ["big", "1/3", "big-0", "2", "0", "B", "0%", "0"]
    (none,) = [line for line in lines if "0/1" in line]
    assert none.split() == ["none", "0/1", "none"]


def test_a_narrow_view_leaves_out_the_bars_and_keeps_the_figures():
    (first,) = [line for line in render(make_status(), 60).splitlines() if "cpu-0" in line]
    assert first.split() == ["cpu", "2/2", "cpu-0", "2", "1.5", "GiB", "of", "4.0", "GiB", "100%", "3"]


def test_the_phases_are_shown_in_seconds_since_the_start():
    lines = render(make_status()).splitlines()
    (scheduler,) = [line for line in lines if line.startswith("scheduler") and "booted" in line]
    assert scheduler.rstrip().split(maxsplit=2) == [
        "scheduler",
        "10",
        "booted +0.00 s  document +0.25 s  daemon +1.50 s  registered +2.00 s",
    ]
    assert any(line.split() == ["none", "backoff", "none", "yet"] for line in lines)


def test_phases_without_a_beginning_are_shown_all_the_same():
    scheduler = NodeStatus("scheduler", "running", 1, {"registered": START})
    assert "registered +0.00 s" in render(make_status(scheduler=scheduler))


def test_a_damaged_fleet_is_shown_with_what_to_do():
    nobody = NodeStatus("scheduler", "unknown", None)
    status = FleetStatus("x", "local", "damaged", "", "", 0.0, nobody, (), {}, ("it is damaged; `daskfleet down x`",))
    text = render(status, 60)
    assert "damaged" in text
    assert "! it is damaged; `daskfleet down x`" in text


def test_a_fleet_without_workers_is_shown():
    text = render(make_status(groups=()))
    assert "research" in text
    assert "WORKER" not in text


@pytest.mark.parametrize("value", ["[bold]x[/bold]", "[/x]", "[red]", "a[0]", "\\", "[link=http://x]y"])
def test_tags_are_shown_as_they_are(value: str):
    assert f"team={value}" in render(make_status(tags={"team": value}))


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/x]", "list index [0]"])
def test_problems_are_shown_as_they_are(text: str):
    assert f"! {text}" in render(make_status(problems=(text,)))


def test_the_state_is_coloured_on_a_terminal_and_the_dashboard_is_a_link():
    texts = {
        state: render(make_status(state=state), force_terminal=True, color_system="standard", legacy_windows=False)
        for state in STATES
    }
    assert all("\x1b]8;" in text for text in texts.values())
    assert "\x1b[1;32mrunning" in texts["running"]
    assert "\x1b[1;33mdegraded" in texts["degraded"]
    assert "\x1b[1;31mdead" in texts["dead"]


def test_the_scheduler_comes_first_among_the_nodes():
    assert [node.name for node in iterate_nodes(make_status())] == ["scheduler", "cpu", "big", "none"]


def test_the_view_can_be_saved_as_a_picture(tmp_path: Path):
    export_svg(make_status(), tmp_path / "status.svg", title="daskfleet status research")
    text = (tmp_path / "status.svg").read_text()
    assert text.startswith("<svg")
    assert "research" in text


def test_a_picture_that_cannot_be_saved_is_told(tmp_path: Path):
    with pytest.raises(FleetError, match="cannot be written: No such file or directory"):
        export_svg(make_status(), tmp_path / "none" / "status.svg", title="x")


# Figures


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (2**20, "1.0 MiB"),
        (2**30, "1.0 GiB"),
        (3.5 * 2**40, "3.5 TiB"),
        (5000 * 2**40, "5000.0 TiB"),
    ],
)
def test_bytes_are_written_with_the_unit_that_fits(size: float, text: str):
    assert format_bytes(size) == text


@pytest.mark.parametrize("exponent", [20, 30, 40])
def test_a_size_just_below_a_unit_is_not_written_as_1024_of_the_one_below(exponent: int):
    assert not format_bytes(2**exponent - 1).startswith("1024")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (86400, "1 d"),
        (86400 * 400, "400 d"),
    ],
)
def test_durations_are_written_with_the_unit_that_fits(seconds: float, text: str):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("seconds", "wrong"), [(59.9, "60 s"), (3599, "60 min"), (86399, "24 h")])
def test_a_duration_just_below_a_unit_is_not_written_as_a_whole_one(seconds: float, wrong: str):
    assert format_duration(seconds) != wrong


@pytest.mark.parametrize(
    ("share", "filled"), [(-1, 0), (0, 0), (0.04, 0), (0.06, 1), (0.5, 5), (1, 10), (1.7, 10), (float("inf"), 10)]
)
def test_a_bar_is_always_ten_wide(share: float, filled: int):
    assert _bar(share) == "█" * filled + "░" * (10 - filled)


def test_a_bar_never_shrinks_as_the_share_grows():
    bars = [_bar(percent / 100).count("█") for percent in range(-10, 130)]
    assert all(before <= after for before, after in itertools.pairwise(bars))
