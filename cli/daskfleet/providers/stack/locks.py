"""Locks that a killed update has left on a stack: whose they are, and whether they may go."""

from __future__ import annotations

import datetime
import re
import socket
from dataclasses import dataclass

import psutil

_HOLDER = re.compile(r"created by (?P<user>.*?)@(?P<host>\S+) \(pid (?P<pid>\d+)\)(?: at (?P<time>\S+))?")

CLOCK_SECONDS = 5.0


@dataclass(frozen=True)
class LockHolder:
    """Who holds a stack's lock."""

    user: str
    host: str
    pid: int
    since: float | None
    """Seconds since the epoch."""

    def describe(self) -> str:
        """`ann on laptop, process 123, since 2026-01-31 10:00 UTC`."""
        when = ""
        if self.since is not None:
            when = f", since {datetime.datetime.fromtimestamp(self.since, datetime.UTC):%Y-%m-%d %H:%M} UTC"
        return f"{self.user} on {self.host}, process {self.pid}{when}"


def parse_lock_holders(text: str) -> list[LockHolder]:
    """The holders that the engine's refusal names. Pure."""
    return [
        LockHolder(match["user"], match["host"], int(match["pid"]), _parse_time(match["time"]))
        for match in _HOLDER.finditer(text)
    ]


def _parse_time(text: str | None) -> float | None:
    try:
        return datetime.datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return None


def is_dead(holder: LockHolder) -> bool:
    """Whether the holder is a process of this machine that has ended; of other machines nobody knows here."""
    if holder.host != socket.gethostname():
        return False
    try:
        process = psutil.Process(holder.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        # The number was given again: whoever has it now began after the lock was made.
        return holder.since is not None and process.create_time() > holder.since + CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
