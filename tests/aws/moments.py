"""What a SIGKILL of a command and all its processes would leave, at many moments of one run of the command.

At each moment all processes of the command are stopped, as a SIGKILL would end them; the files that they have written
are copied, and so is the server that plays AWS. Then they go on. So one run of a command gives all of its moments.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import psutil

from aws.moto_server import COPY
from aws.region import Region
from aws_calls import Call, CallProxy
from harness import CommandLine, await_true

THREADS = 2


@dataclass(frozen=True)
class Moment:
    """When AWS had done a call, and nobody had heard of it yet."""

    call: Call
    region: Region
    """A copy of the region and of the command line's home, as they were then."""

    def __str__(self) -> str:
        return f"{self.call.action} (call {self.call.number})"


def record_moments(region: Region, *arguments: str) -> list[Moment]:
    """Run the command, and return its moments: one for each call that changes something.

    They are to be used after: in each, the processes of the command have ended.
    """
    moments: list[Moment] = []
    lock = threading.Lock()
    process = region.cli.start(*arguments)
    root = psutil.Process(process.pid)

    def take(call: Call) -> None:
        if not call.changes:
            return
        with lock, stopped(root):
            moments.append(Moment(call, copy_region(region, f"moment-{call.number}")))

    region.proxy.after = take
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
        region.proxy.clear()
    assert process.returncode == 0, f"{out}\n{err}"
    return moments


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
    folder = region.folder / name
    home = folder / "home"
    shutil.copytree(region.cli.home, home, symlinks=True)
    (folder / "work").mkdir()
    with urllib.request.urlopen(f"{region.url}{COPY}", timeout=60) as answer:
        port = json.loads(answer.read())["port"]
    url = urlsplit(region.url)._replace(netloc=f"127.0.0.1:{port}").geturl()
    cli = CommandLine(home, folder / "work", region.cli.temporary)
    cli.variables = {**region.cli.variables, "AWS_ENDPOINT_URL": url}
    for file in region.cli.cwd.iterdir():
        shutil.copy(file, cli.cwd)
    return replace(region, url=url, cli=cli, folder=folder, proxy=CallProxy(url))


def sweep(cases: list[Moment], check: Callable[[Moment], object]) -> dict[str, str]:
    """Check several at a time; returns what failed, by its name."""

    def judge(case: Moment) -> str:
        try:
            check(case)
        except (Exception, AssertionError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(THREADS) as pool:
        return {str(case): found for case, found in zip(cases, pool.map(judge, cases), strict=True) if found}
