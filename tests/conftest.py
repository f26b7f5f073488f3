"""Fixtures and rules for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import CommandLine, find_cache, make_command_line
from patience import STRICT

if TYPE_CHECKING:
    from engine.engine import Engine

FIRST_ENGINE_SECONDS = 30 * 60
"""For whichever test comes first: it builds the Pulumi engine."""


def pytest_configure(config: pytest.Config) -> None:
    # Where a shell started this in the background, Ctrl-C is ignored, and would be by every command under test.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


SLOW_SECONDS = 15 * 60
"""For a test that is known to take long, and for every one beside others."""

LONGEST = (
    "clouds",
    "ssh",
    "machines_library",
    "image",
    "local",
    "azure_fleets",
    "gcp",
    "aws",
)
"""What a strict run begins with, so that its lanes end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is not None:
            continue
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(FIRST_ENGINE_SECONDS))
        elif STRICT or item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
    if STRICT:
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    path = item.path.relative_to(Path(__file__).parent).as_posix()
    return next((rank for rank, begin in enumerate(LONGEST) if path.startswith(begin)), len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in a strict run: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def engine() -> Engine:
    """A real Pulumi engine, for programs that need no account."""
    from engine.engine import require_engine

    return require_engine(find_cache())


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line with an empty home; nothing of its fleets outlives the test."""
    line = make_command_line(tmp_path)
    try:
        yield line
    finally:
        line.cleanup()


TWO_GROUPS = """\
name: shared
provider: local
workers:
  - {name: cpu, count: 2, threads: 1}
  - {name: big, count: 1, threads: 1, memory_limit: 1GiB, resources: {BIG: 1}}
tags: {team: tests}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A command line with a running fleet `shared` of two groups, for tests that leave it as it is."""
    line = make_command_line(tmp_path_factory.mktemp("shared"))
    try:
        line.ok("up", line.write(TWO_GROUPS))
        yield line
    finally:
        line.cleanup()
