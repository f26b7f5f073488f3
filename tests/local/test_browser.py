"""The dashboard, in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness import CommandLine, await_true

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_dashboard_comes_alive_in_a_browser(shared: CommandLine, tmp_path: Path):
    url = shared.ok("dashboard", "shared", "--no-browser").strip()

    def read_console() -> str:
        """What the page said while it was open; empty until it has talked to the scheduler."""
        command = [str(CHROMIUM), *OPTIONS, f"--user-data-dir={tmp_path}", "--dump-dom", url]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr
        return said if "Websocket connection 0 is now open" in said else ""

    said = await_true(read_console, "the dashboard's page, connected to the scheduler", timeout=60)
    assert "ERROR:CONSOLE" not in said
