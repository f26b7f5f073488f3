"""Taking samples in turn, and the figures that come of them."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

BUSY_PERCENT = 10.0
"""A machine that is busier than this before anything is started is too busy to measure on."""


class BenchmarkFailed(Exception):
    """Something that should have been measured did not work."""


@dataclass(frozen=True)
class Target:
    """What a ratio, or a count, should be."""

    at_most: float | None = None
    at_least: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether `value` keeps it."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"


@dataclass(frozen=True)
class Comparison:
    """One subject against its peer."""

    subject: str
    peer: str
    ratio: float
    """Of the medians: times for `of == "time"`, throughputs for `of == "throughput"`."""
    quartiles: tuple[float, float]
    """Lower and upper quartile of the ratios in each round: how sure the ratio is."""
    of: str
    target: Target | None
    met: bool | None


@dataclass(frozen=True)
class Case:
    """Subjects that were measured in turn, under the same circumstances."""

    name: str
    seconds: dict[str, list[list[float]]]
    """For each subject, the samples of each round."""
    comparisons: list[Comparison]
    facts: dict[str, Any] = field(default_factory=dict)
    """What else was seen, such as bytes moved."""
    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    """For a subject, what is exact or was looked at once, and is shown beside its time."""

    @property
    def medians(self) -> dict[str, float]:
        return {subject: median(rounds) for subject, rounds in self.seconds.items()}


@dataclass(frozen=True)
class Check:
    """A count, or a ratio of counts, with a target: what is not a time."""

    name: str
    value: float
    target: Target
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.target.is_met(self.value)


@dataclass(frozen=True)
class Figure:
    """What one benchmark found."""

    title: str
    settings: dict[str, Any]
    cases: list[Case]
    checks: list[Check] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        kept = [comparison.met for case in self.cases for comparison in case.comparisons]
        return all(met is not False for met in kept) and all(check.met for check in self.checks)

    def describe(self) -> str:
        """The figure for a terminal."""
        lines = []
        for case in self.cases:
            lines.append(f"  {case.name}")
            for subject, seconds in case.medians.items():
                facts = case.facts.get(subject, {})
                used = "".join(f", {name} {statistics.median(values):.2f}" for name, values in facts.items())
                used += "".join(f", {name} {value:g}" for name, value in case.counts.get(subject, {}).items())
                lines.append(f"    {seconds:8.3f} s  {subject}{used}")
            for each in case.comparisons:
                verdict = "" if each.target is None else f", {'met' if each.met else 'MISSED'}: {each.target}"
                spread = f"{each.quartiles[0]:.2f} to {each.quartiles[1]:.2f}"
                lines.append(f"    {each.ratio:8.2f}    {each.of}, {each.subject} / {each.peer} ({spread}{verdict})")
        for check in self.checks:
            verdict = "met" if check.met else "MISSED"
            lines.append(f"    {check.value:8}    {check.name} ({verdict}: {check.target})")
        return "\n".join(lines)


Sampler = Callable[[], Sequence[float]]


def take_turns(subjects: Mapping[str, Sampler], rounds: int) -> dict[str, list[list[float]]]:
    """Sample every subject in each round, the first one of a round in turn, so that no one always follows another."""
    names = list(subjects)
    samples: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken = list(subjects[name]())
            samples[name].append(taken)
            print(f"  {number + 1}/{rounds}  {name}: {', '.join(f'{seconds:.3f}' for seconds in taken)} s", flush=True)
    return samples


def median(rounds: list[list[float]]) -> float:
    """The median of all samples."""
    return statistics.median(sample for samples in rounds for sample in samples)


def compare_times(
    seconds: dict[str, list[list[float]]], subject: str, peer: str, target: Target | None = None
) -> Comparison:
    """How many times as long the subject takes as its peer."""
    return _compare(seconds, subject, peer, target, of="time")


def compare_throughput(
    seconds: dict[str, list[list[float]]], subject: str, peer: str, target: Target | None = None
) -> Comparison:
    """How much the subject gets done in the time in which the peer gets 1 done."""
    return _compare(seconds, subject, peer, target, of="throughput")


def _compare(
    seconds: dict[str, list[list[float]]], subject: str, peer: str, target: Target | None, of: str
) -> Comparison:
    above, below = (subject, peer) if of == "time" else (peer, subject)
    ratio = median(seconds[above]) / median(seconds[below])
    each_round = [
        statistics.median(one) / statistics.median(other)
        for one, other in zip(seconds[above], seconds[below], strict=True)
    ]
    low, _, high = statistics.quantiles(each_round, n=4, method="inclusive") if len(each_round) > 1 else each_round * 3
    met = None if target is None else target.is_met(ratio)
    return Comparison(subject, peer, ratio, (low, high), of, target, met)


def describe_machine() -> dict[str, Any]:
    """What the figures were taken on, and how busy it was just before."""
    packages = ("daskfleet", "dask", "distributed", "pandas", "pyarrow", "pydantic", "typer", "tornado", "cryptography")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _read_processor(),
        "cpus": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "busy_before_percent": psutil.cpu_percent(interval=1.0),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "commit": _read_commit(),
    }


def _read_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _read_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def find_doubts(machine: dict[str, Any], rounds: int, least: int) -> list[str]:
    """Why a figure that is taken now should not be published."""
    doubts = []
    if rounds < least:
        doubts.append(f"{rounds} rounds, fewer than {least}")
    if machine["busy_before_percent"] > BUSY_PERCENT:
        doubts.append(f"the machine was {machine['busy_before_percent']:.0f} % busy with something else")
    return doubts


def write_figure(path: Path, figure: Figure, machine: dict[str, Any], doubts: list[str]) -> None:
    """Write everything that was measured, and what follows from it, as JSON."""
    data = {
        "title": figure.title,
        "met": figure.met,
        "doubts": doubts,
        "machine": machine,
        "settings": figure.settings,
        "cases": [{**dataclasses.asdict(case), "medians": case.medians} for case in figure.cases],
        "checks": [{**dataclasses.asdict(check), "met": check.met} for check in figure.checks],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_round(data), indent=1) + "\n")


def _round(value: Any) -> Any:
    """Six digits after the point: microseconds."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_round(item) for item in value]
    return value
