"""What tests share: the command line as a person has it, with a home of its own, and a sweep that nothing escapes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from daskfleet.providers.supervision import MARK
from patience import PATIENCE

CONNECTION_VARIABLES = ("DASK_", "DASKFLEET_")


def find_cache() -> Path:
    """Where tests keep what takes long to make."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daskfleet-tests"


def await_true(condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
    """Wait until `condition` holds and return its value; fail, naming `what`, when it does not in time."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


def fleet_processes(home: Path) -> list[psutil.Process]:
    """Every process of any fleet that lives in `home`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(f"{home}/") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@dataclass
class CommandLine:
    """`daskfleet`, run as a person runs it, with a home of its own."""

    home: Path
    cwd: Path
    temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="daskfleet-test-")))
    """Where temporary files go; a short path, since a socket's may have about a hundred bytes."""
    before: tuple[str, ...] = ()
    """Words before every command, which run it somewhere else."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables besides; what is there of the same name is replaced."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(CONNECTION_VARIABLES)}
        # The interpreter's folder first: `python` in `connect -- python` is the one under test.
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        own = {"DASKFLEET_HOME": str(self.home), "PATH": path, "TMPDIR": str(self.temporary)}
        return {**kept, **own, **self.variables}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the command without waiting for it."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("env", self.environment)
        return subprocess.Popen(
            [*self.before, sys.executable, "-m", "daskfleet", *arguments],
            cwd=self.cwd,
            text=True,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def run(self, *arguments: str, timeout: float = 120.0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=timeout * PATIENCE)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run the command, which must succeed; returns what it printed."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, f"daskfleet {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, code: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python code with this home, in a fresh interpreter."""
        environment = {**self.environment, **options.pop("env", {})}
        return subprocess.run(
            [*self.before, sys.executable, "-c", code],
            cwd=self.cwd,
            env=environment,
            text=True,
            capture_output=True,
            timeout=120 * PATIENCE,
            **options,
        )

    def status(self, name: str = "local") -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.ok("status", name, "--json"))
        return status

    def connection(self, name: str = "local") -> dict[str, Any]:
        connection: dict[str, Any] = json.loads(self.ok("connect", name, "--json"))
        return connection

    def processes(self) -> list[psutil.Process]:
        return fleet_processes(self.home)

    def write(self, text: str, file: str = "fleet.yaml") -> str:
        (self.cwd / file).write_text(text)
        return file

    def cleanup(self) -> None:
        """End everything, however the test went."""
        deadline = time.monotonic() + 20
        while processes := self.processes():
            for process in processes:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            psutil.wait_procs(processes, timeout=1)
            assert time.monotonic() < deadline, f"these processes do not end: {processes}"
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.temporary, ignore_errors=True)


def make_command_line(folder: Path) -> CommandLine:
    cwd = folder / "work"
    cwd.mkdir()
    return CommandLine(folder / "home", cwd)
