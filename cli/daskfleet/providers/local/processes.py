"""Find and end every process of a fleet: the local counterpart of a cloud's audit by tag.

Each process of a fleet, and everything it starts, carries the fleet's folder in its environment from the moment that
it exists. That holds also when the state is lost and the supervisor was killed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from daskfleet.providers.supervision import MARK, SOCKET

POLL_SECONDS = 0.05

TRACKER = "multiprocessing.resource_tracker"
TRACKER_SECONDS = 2.0
"""How long a resource tracker may take after the others are gone."""


def find_processes(root: Path) -> list[psutil.Process]:
    """The processes that carry the mark of the fleet in `root`, but for this one."""
    found = []
    uid = os.getuid()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.uids().real == uid and process.environ().get(MARK) == str(root):
                found.append(process)
        except psutil.Error:
            continue  # It has ended, or it is not ours to look into.
    return found


def find_runtime_folders(processes: list[psutil.Process]) -> set[Path]:
    """The runtime folders that these processes of a fleet know of; also when the fleet's own files are lost."""
    found = set()
    for process in processes:
        try:
            found.add(Path(process.environ()[SOCKET]).parent)
        except (psutil.Error, KeyError):
            continue
    return found


def await_end(root: Path, timeout: float) -> None:
    """Wait until no process of the fleet in `root` is left, or `timeout` seconds are over.

    It looks anew each time instead of waiting for process numbers: a process that has ended keeps its number until
    its parent takes notice, and an `up` that waits for workers does not.
    """
    deadline = time.monotonic() + timeout
    while find_processes(root) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def is_tracker(process: psutil.Process) -> bool:
    """Whether it is Python's resource tracker: it ends by itself when those are gone whose semaphores it removes.

    Killed with them, it would leave these in `/dev/shm`.
    """
    return any(TRACKER in word for word in process.cmdline())


def end_processes(root: Path, *, grace: float) -> list[psutil.Process]:
    """End every process of the fleet in `root`; returns those that would not.

    Args:
        grace: seconds between SIGTERM and SIGKILL.
    """
    deadline = time.monotonic() + grace + 5.0
    asked: set[int] = set()
    kill_at = time.monotonic() + grace
    # In rounds: a process that was about to start another may have done so meanwhile.
    while processes := find_processes(root):
        if time.monotonic() > deadline:
            return processes
        for process in processes:
            try:
                over = time.monotonic() - kill_at
                if over > TRACKER_SECONDS or (over > 0 and not is_tracker(process)):
                    process.kill()
                elif process.pid not in asked:
                    asked.add(process.pid)
                    process.terminate()
            except psutil.NoSuchProcess:
                continue
        time.sleep(POLL_SECONDS)
    return []
