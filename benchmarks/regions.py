"""Commands of somebody in a cloud of the tests, what they take, and what they import."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import BenchmarkFailed

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # The clouds, the engine and its plugins are those of the tests.

SAMPLE_SECONDS = 300.0
LOOK_SECONDS = 0.05
MEMORY = {"all": "MiB at most", "daskfleet": "daskfleet and its program", "pulumi": "engine", "plugins": "plugins"}

# `daskfleet` as it is started, telling at its end which modules it has loaded. Some of Pulumi's are placeholders.
LIST_MODULES = """
import atexit, json, sys, types
def tell():
    loaded = [name for name, module in list(sys.modules.items()) if type(module) is types.ModuleType]
    print("MODULES", json.dumps(sorted(loaded)))
atexit.register(tell)
from daskfleet.commands.app import main
main(sys.argv[1:])
"""


@dataclass
class Runner:
    """The commands."""

    region: Any

    @property
    def daskfleet(self) -> list[str]:
        return [sys.executable, "-m", "daskfleet"]

    @contextlib.contextmanager
    def start(self, command: list[str]) -> Iterator[subprocess.Popen[str]]:
        """Start a command; it and all that it has started are gone when the block has ended, or after some minutes."""
        process = subprocess.Popen(
            command,
            cwd=self.region.cli.cwd,
            env=self.region.cli.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        watch = threading.Timer(SAMPLE_SECONDS, process.kill)
        watch.start()
        try:
            yield process
        finally:
            watch.cancel()
            _kill_tree(process)

    def run(self, command: list[str]) -> tuple[float, str]:
        """Run a command to its end; returns its seconds and what it printed."""
        begin = time.perf_counter()
        with self.start(command) as process:
            output, _ = process.communicate()
        if process.returncode != 0:
            raise _fail(command, process.returncode, output)
        return time.perf_counter() - begin, output

    def list_modules(self, *arguments: str) -> list[str]:
        """The modules that a command of daskfleet's loads."""
        _, output = self.run([sys.executable, "-c", LIST_MODULES, *arguments])
        found: list[str] = json.loads(output.rpartition("MODULES ")[2])
        return found

    def measure_memory(self, command: list[str]) -> dict[str, float]:
        """MiB at the most, by whose they are, and the calls to the cloud, of a run of its own."""
        self.region.proxy.clear()
        with self.start(command) as process, _watch_memory(process.pid) as peaks:
            output, _ = process.communicate()
        if process.returncode != 0:
            raise _fail(command, process.returncode, output)
        used: dict[str, float] = {words: round(peaks[role] / 2**20) for role, words in MEMORY.items()}
        return {**used, "calls of the cloud": len(self.region.proxy.calls)}


def _fail(command: list[str], code: int, output: str) -> BenchmarkFailed:
    return BenchmarkFailed(f"`{' '.join(command)}` ended with {code}\n{output[-4000:]}")


@contextlib.contextmanager
def _watch_memory(pid: int) -> Iterator[dict[str, int]]:
    """The most that a process and its children use, by role."""
    peaks = dict.fromkeys(MEMORY, 0)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_SECONDS):
            now = dict.fromkeys(peaks, 0)
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(pid)
                for each in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        used = each.memory_full_info().pss
                        words = " ".join(each.cmdline()[:2])
                        role = "plugins" if "pulumi-resource" in words else "daskfleet" if each.pid == pid else "pulumi"
                        now[role] += used
                        now["all"] += used
            for role, used in now.items():
                peaks[role] = max(peaks[role], used)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        stop.set()
        thread.join()


def _kill_tree(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
