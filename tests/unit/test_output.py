"""How commands speak: plain where a program or a file listens, in colour on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator

import pytest

from daskfleet.commands.output import has_colour, print_json, print_note, print_problem, show_progress
from daskfleet.progress import Quiet

ESCAPE = "\x1b"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal for `standard_error`: put there by a fixture, pytest would replace it with its own."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return Terminal()


@contextlib.contextmanager
def standard_error(stream: Terminal) -> Iterator[None]:
    before, sys.stderr = sys.stderr, stream
    try:
        yield
    finally:
        sys.stderr = before


def work() -> None:
    with show_progress() as progress:
        progress.step("issuing [the fleet's] certificates")
        progress.step("waiting for the scheduler")
        for done in (0, 0, 1, 1, 1, 2):
            progress.count("workers registered", done, 2)
        progress.step("done")


def test_progress_is_a_plain_line_for_each_step_where_no_terminal_is(capsys: pytest.CaptureFixture[str]):
    work()
    out, err = capsys.readouterr()
    assert out == ""
    assert ESCAPE not in err
    assert "\r" not in err
    assert [re.sub(r"^\[ *\d+\.\d s\] ", "", line) for line in err.splitlines()] == [
        "issuing [the fleet's] certificates",
        "waiting for the scheduler",
        "workers registered: 0 of 2",
        "workers registered: 1 of 2",
        "workers registered: 2 of 2",
        "done",
    ]


def test_progress_is_plain_on_a_terminal_that_wants_no_colour(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with standard_error(terminal):
        work()
    assert ESCAPE not in terminal.getvalue()
    assert "workers registered: 2 of 2" in terminal.getvalue()


def test_progress_moves_on_a_terminal_and_tells_brackets_as_they_are(terminal: Terminal):
    with standard_error(terminal), show_progress() as progress:
        progress.count("workers registered", 1, 2)
        progress.step("issuing [the fleet's] [red]certificates[/red]")
    assert ESCAPE in terminal.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "issuing [the fleet's] [red]certificates[/red]" in plain
    assert "1/2" in plain


def test_progress_ends_in_order_when_the_work_fails(terminal: Terminal):
    with pytest.raises(ZeroDivisionError), standard_error(terminal), show_progress():
        raise ZeroDivisionError
    assert f"{ESCAPE}[?25l" in terminal.getvalue()
    assert terminal.getvalue().count(f"{ESCAPE}[?25l") == terminal.getvalue().count(f"{ESCAPE}[?25h"), (
        "the cursor is back"
    )


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]):
    Quiet().step("x")
    Quiet().count("workers registered", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_problems_and_notes_go_to_standard_error_without_escape_codes(capsys: pytest.CaptureFixture[str]):
    print_problem("it broke: [red]x[/red]")
    print_note("by the way")
    assert capsys.readouterr() == ("", "error: it broke: [red]x[/red]\nnote: by the way\n")


def test_problems_and_notes_are_coloured_on_a_terminal_only_in_their_mark(terminal: Terminal):
    with standard_error(terminal):
        print_problem("it broke")
        print_note("by the way")
    assert (
        terminal.getvalue() == f"{ESCAPE}[1;31merror:{ESCAPE}[0m it broke\n{ESCAPE}[1;33mnote:{ESCAPE}[0m by the way\n"
    )


@pytest.mark.parametrize(
    ("variables", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_want_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colour: bool
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_colour(terminal) is colour
    assert has_colour(io.StringIO()) is False


def test_json_is_json(capsys: pytest.CaptureFixture[str]):
    data = {"a": [1, 2.5, None, True], "ü": "[x]"}
    print_json(data)
    out, err = capsys.readouterr()
    assert json.loads(out) == data
    assert err == ""
