"""What a machine has written on its console."""

from __future__ import annotations

import re
from pathlib import Path

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|\r|\x00")
"""Colours, titles and cursor movements of terminals; carriage returns."""

PROGRESS = re.compile(r"^\[[* ]+\] .* running \(.*\)$")
"""What systemd writes several times a second while it waits."""

TAIL_LINES = 40


def read_console(path: Path) -> str:
    """The text on the console without what only a terminal understands; empty before there is any."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return ESCAPES.sub("", text)


def tail_console(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines, indented, for an error."""
    told = text.rstrip().splitlines()
    kept = [line for line in told[:-1] if not PROGRESS.match(line)] + told[-1:]
    return "\n".join(f"    {line}" for line in kept[-lines:]) or "    (nothing)"
