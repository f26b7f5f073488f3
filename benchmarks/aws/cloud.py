"""The cloud of these benchmarks: moto's server, emptied before each sample, behind a proxy that counts the calls."""

from __future__ import annotations

import contextlib
import shutil
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkFailed
from benchmarks.regions import SAMPLE_SECONDS, Runner
from benchmarks.workspace import Workspace

INSTANCE_TYPE = "m7i.large"

# Writes down when the engine starts and ends.
SHIM = """\
#!/bin/sh
printf '%s begin %s\\n' "$(date +%s.%N)" "$*" >>'{log}'
'{pulumi}' "$@"
code=$?
printf '%s end\\n' "$(date +%s.%N)" >>'{log}'
exit "$code"
"""


@dataclass
class Cloud(Runner):
    """A region, and the commands that are measured in it."""

    runs: Path
    """What the shim in the engine's place writes down."""
    launches: list[float] = field(default_factory=list)
    """When the calls that launch machines were answered, by `time.time`."""

    LAUNCHING = ("CreateAutoScalingGroup", "RunInstances", "SetDesiredCapacity", "UpdateAutoScalingGroup")

    def empty(self) -> None:
        """As if nobody had ever used it, but for the image of fleets; and nobody here remembers a fleet."""
        from aws.region import own_facts
        from machines.aws.images import register_image

        urllib.request.urlopen(f"{self.region.url}/moto-api/reset", data=b"").close()
        self.region.image_id = register_image(self.region.client("ec2"), "daskfleet", own_facts())
        shutil.rmtree(self.region.cli.home, ignore_errors=True)
        self.runs.unlink(missing_ok=True)
        self.launches.clear()
        self.region.proxy.clear()
        self.region.proxy.after = self._note_launch

    def _note_launch(self, call: Any) -> None:
        if call.action in self.LAUNCHING:
            self.launches.append(time.time())

    def await_line(self, command: list[str], words: str, then: str = "") -> float:
        """Run a command until it says `words`, then end it; returns when it was started, by `time.time`.

        Args:
            then: an action of AWS's for which it goes on, so that what comes before is counted in every run.
        """
        said = []
        begin = time.time()
        with self.start(command) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if words in line:
                    self._await_call(then)
                    return begin
            process.wait()
        raise BenchmarkFailed(f"`{' '.join(command)}` ended with {process.returncode}\n{''.join(said[-40:])}")

    def _await_call(self, action: str) -> None:
        deadline = time.monotonic() + SAMPLE_SECONDS
        while action and not self.region.proxy.count(action=action):
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"no call of {action} came")
            time.sleep(0.01)

    def write_fleet(self, name: str, groups: int = 1, count: int = 1) -> str:
        """Write a fleet file; returns its name."""
        from aws.lab import render_fleet

        workers = ", ".join(
            f"{{name: group-{number}, instance_types: [{INSTANCE_TYPE}], count: {count}}}" for number in range(groups)
        )
        text: str = self.region.cli.write(
            render_fleet(name, workers=f"[{workers}]", access="{mode: private}"), f"{name}.yaml"
        )
        return text

    def count_running(self) -> int:
        """Machines of anybody that run, as moto says."""
        wanted = [{"Name": "instance-state-name", "Values": ["running"]}]
        pages = self.region.client("ec2").get_paginator("describe_instances").paginate(Filters=wanted)
        return sum(len(each["Instances"]) for page in pages for each in page["Reservations"])

    def read_runs(self) -> list[tuple[str, float, float]]:
        """What the engine was asked, and when it began and ended."""
        found, open_run = [], ("", 0.0)
        for line in self.runs.read_text().splitlines():
            moment, what, *words = line.split()
            if what == "begin":
                words = [word for word in words if not word.startswith("-")]
                open_run = (" ".join(words[: 2 if words[0] == "stack" else 1]), float(moment))
            else:
                found.append((*open_run, float(moment)))
        return found


@contextlib.contextmanager
def open_cloud(workspace: Workspace) -> Iterator[Cloud]:
    """Open it, with the engine of the tests, which is built if it is not there."""
    import pytest

    from aws.region import open_region
    from engine.engine import require_engine
    from harness import find_cache

    try:
        engine = require_engine(find_cache())
    except pytest.skip.Exception as skipped:
        raise BenchmarkFailed(str(skipped)) from None
    folder = workspace.folder / "cloud"
    shim = folder / "bin" / "pulumi"
    shim.parent.mkdir(parents=True)
    runs = folder / "runs.txt"
    shim.write_text(SHIM.format(log=runs, pulumi=engine.bin / "pulumi"))
    shim.chmod(0o755)
    with open_region(folder, engine) as region:
        region.cli.variables["PATH"] = f"{shim.parent}:{region.cli.variables['PATH']}"
        yield Cloud(region, runs)
