"""Nodes that only pretend: for each machine that a region without machines has, the marks that its node would write."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from clouds.region import Pretended, Region

LIFE = ("kernel", "booted", "document", "secrets", "daemon", "registered")
POLL_SECONDS = 1.0

Story = Callable[[Pretended], list[dict[str, Any]]]
"""The marks of a machine, without their times."""


def lives(machine: Pretended) -> list[dict[str, Any]]:
    """All goes well."""
    worker = {} if machine.group == "scheduler" else {"worker": f"{machine.node}-0"}
    return [{"phase": phase, **(worker if phase == "registered" else {})} for phase in LIFE]


@contextlib.contextmanager
def pretend_nodes(region: Region, story: Story = lives) -> Iterator[None]:
    """Have every machine that is launched meanwhile tell its story once."""
    stop, told = threading.Event(), set[str]()

    def run() -> None:
        while not stop.wait(POLL_SECONDS):
            for machine in list(region.list_machines()):
                if machine.id not in told and _tell(region, machine, story):
                    told.add(machine.id)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _tell(region: Region, machine: Pretended, story: Story) -> bool:
    now = time.time()
    marks = [{**mark, "time": now} for mark in story(machine)]
    return not marks or region.write_log(machine, marks, "INFO daskfleet.node: hello")
