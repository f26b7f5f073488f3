"""What a SIGKILL of a command and all its processes would leave, at many moments of one run of the command.

At each moment all processes of the command are stopped, as a SIGKILL would end them; the files that they have written
are copied, and so is the server that plays the cloud. Then they go on. So one run of a command has all its moments.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psutil

from cloud_calls import Call
from clouds.region import Region
from harness import CommandLine, await_true

QUIET_SECONDS = 0.3


@dataclass(frozen=True)
class Moment:
    """When the cloud had done some calls, and nobody had heard of it yet."""

    calls: tuple[Call, ...]
    region: Region
    """A copy of the region and of the command line's home, as they were then."""

    def __str__(self) -> str:
        return ", ".join(f"{call.action} ({call.number})" for call in self.calls)

    def has(self, action: str) -> bool:
        return any(call.action == action for call in self.calls)


def record_moments(region: Region, *arguments: str, apart: bool) -> list[Moment]:
    """Run the command, and return its moments: each call that changes something is unheard of in one of them.

    They are to be used after: in each, the processes of the command have ended.

    Args:
        apart: a moment for each call. Otherwise calls that are made at the same time share one: no answer is heard
            until no more calls come, so that as few moments as can be have it all, and much is unheard of in each.
    """
    process = region.cli.start(*arguments)
    recorder = _Recorder(region, arguments[0], psutil.Process(process.pid), apart)
    region.proxy.after = recorder.take
    region.proxy.interfere = recorder.notice
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
        region.proxy.clear()
    assert process.returncode == 0, f"{out}\n{err}"
    return recorder.moments


class _Recorder:
    """Takes moments in the threads of the proxy: of those that wait together, the first does it for all."""

    def __init__(self, region: Region, name: str, root: psutil.Process, apart: bool) -> None:
        self.moments: list[Moment] = []
        self._name = name
        self._region = region
        self._root = root
        self._apart = apart
        self._change = threading.Condition()
        self._waiting: list[Call] = []
        self._last = 0.0

    def notice(self, call: Call) -> None:
        """A call is to be done."""
        with self._change:
            self._last = time.monotonic()

    def take(self, call: Call) -> None:
        """A call is done: return when there is a moment of it."""
        if not call.changes:
            return
        with self._change:
            self._waiting.append(call)
            if self._apart or self._waiting[0] is call:
                while not self._apart and (left := self._last + QUIET_SECONDS - time.monotonic()) > 0:
                    self._change.wait(left)
                self._record()
            else:
                self._change.wait_for(lambda: call not in self._waiting)

    def _record(self) -> None:
        with stopped(self._root):
            copy = copy_region(self._region, f"{self._name}-{self._waiting[0].number}")
        self.moments.append(Moment(tuple(self._waiting), copy))
        self._waiting = []
        self._change.notify_all()


@contextlib.contextmanager
def stopped(root: psutil.Process) -> Iterator[None]:
    """Have a process and all its descendants stand still meanwhile."""
    family = [root, *root.children(recursive=True)]
    try:
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.suspend()
        await_true(lambda: all(map(_stands_still, family)), "all processes of the command stand still")
        yield
    finally:
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


def _stands_still(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def copy_region(region: Region, name: str) -> Region:
    """Another region that holds what this one does now, for a command line with the same files."""
    folder = region.folder / re.sub(r"\W", "-", name)
    folder.mkdir()
    if region.cli.home.exists():
        shutil.copytree(region.cli.home, folder / "home", symlinks=True)
    shutil.copytree(region.cli.cwd, folder / "work")
    url = region.copy_server()
    cli = CommandLine(folder / "home", folder / "work", region.cli.temporary)
    cli.variables = {**region.cli.variables, **region.render_settings(folder, url)}
    return replace(region, url=url, cli=cli, folder=folder, proxy=region.make_proxy(url))


@contextlib.contextmanager
def watched_copy(region: Region, name: str) -> Iterator[Region]:
    """A copy of the region with a proxy of its own, which is on while the block lasts."""
    copy = copy_region(region, name)
    with copy.proxy:
        copy.cli.variables |= copy.render_settings(copy.folder, copy.proxy.url)
        yield copy
