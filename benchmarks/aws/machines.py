"""From nothing to N running machines: `daskfleet up` against dask-cloudprovider's `EC2Cluster`."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.aws.cloud import INSTANCE_TYPE, Cloud
from benchmarks.measure import BenchmarkFailed, Case, Check, Figure, Target, compare_times, take_turns

FLEET = "daskfleet up"
PEER = "EC2Cluster"
COUNTS = (1, 10, 100, 1000)
PEER_MOST = 100
"""With 1,000 calls at once moto answers later than the peer waits, which then repeats them: nothing to publish."""

TARGET = 1.1
CALLS = "calls of AWS"
PROGRAM = Path(__file__).parents[1] / "programs" / "ec2_cluster.py"
BEFORE, STACK, PLAN, UPDATE, REST = PARTS = (
    "before the engine: start, imports, checks",
    "engine: opening and reading the stack",
    "engine: plan",
    "engine: update",
    "between and after",
)


@dataclass
class Ups:
    """What is seen in each `up` of the smallest fleet."""

    parts: dict[str, list[list[float]]] = field(default_factory=lambda: {part: [] for part in PARTS})
    """Seconds of each part."""
    runs: list[str] = field(default_factory=list)
    """What the engine was asked in the last of them, one by one."""


def measure(cloud: Cloud, rounds: int) -> tuple[Figure, Ups]:
    """The figure, and what was seen beside it."""
    python, version = _build_peer()
    calls: dict[str, dict[int, set[int]]] = {FLEET: {}, PEER: {}}
    ups = Ups()
    cases = []
    for count in COUNTS:
        subjects = {FLEET: lambda n=count: [_time_fleet(cloud, n, calls[FLEET], ups)]}
        if count <= PEER_MOST:
            subjects[PEER] = lambda n=count: [_time_peer(cloud, python, n, calls[PEER])]
        name = f"{count:,} machine{'s' if count > 1 else ''} for workers"
        print(f"  {name}")
        seconds = take_turns(subjects, rounds)
        comparisons = [compare_times(seconds, FLEET, PEER)] if PEER in seconds else []
        counts = {each: {CALLS: max(calls[each][count])} for each in seconds}
        cases.append(Case(name, seconds, comparisons, counts=counts))
    few, many = (max(calls[FLEET][count]) for count in (COUNTS[0], COUNTS[-1]))
    check = Check(
        f"{CALLS}, `{FLEET}`: for {COUNTS[-1]:,} machines / for {COUNTS[0]}",
        round(many / few, 3),
        Target(at_most=TARGET),
        {name: {str(count): sorted(found) for count, found in each.items()} for name, each in calls.items()},
    )
    settings = {
        "rounds": rounds,
        "measured": "time: from the start of the command until the last machine runs; calls: all until it has looked "
        "at them for the first time",
        "cloud": "one moto server, emptied before each sample, behind a proxy that counts; no machine boots. The times "
        "are moto's, which answers one call at a time; those of AWS are others: a NAT gateway alone takes a minute or "
        "two",
        "engine": "Pulumi's own; its plugin for AWS is the stand-in of the tests, which asks less after each "
        "resource than the real one does: a constant, as the resources are the same for each number",
        "peer": f"dask-cloudprovider {version}, spared all it can be: image, network and security group are given, so "
        "that it looks for none, and the addresses are private ones, which it has without asking again",
        "replaced in the peer": "its wait for its scheduler to answer, which boots no more than ours: a scheduler on "
        "this computer answers at once",
        "the peer at 1,000": "left out: it launches each machine by a call of its own, all at the same time; moto "
        f"answers later than the peer waits, and so it repeats them. Two calls a machine, as at {PEER_MOST}, are 2,002",
    }
    return Figure("From nothing to N running machines in AWS", settings, cases, [check]), ups


def _time_fleet(cloud: Cloud, count: int, calls: dict[int, set[int]], ups: Ups) -> float:
    cloud.empty()
    file = cloud.write_fleet("bench", count=count)
    command = [*cloud.daskfleet, "up", file, "--yes"]
    begin = cloud.await_line(command, "waiting for the scheduler", then="FilterLogEvents")
    seconds = _read_sample(cloud, begin, count, calls)
    if count == COUNTS[0]:
        runs = cloud.read_runs()
        ups.runs = [what for what, _, _ in runs]
        for part, spent in _split(begin, runs).items():
            ups.parts[part].append([spent])
    return seconds


def _time_peer(cloud: Cloud, python: Path, count: int, calls: dict[int, set[int]]) -> float:
    cloud.empty()
    ec2 = cloud.region.client("ec2")
    vpc = next(each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if each["IsDefault"])
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    options = {
        "region": ec2.meta.region_name,
        "ami": cloud.region.image_id,
        "vpc": vpc,
        "subnet": ec2.describe_subnets(Filters=inside)["Subnets"][0]["SubnetId"],
        "security-group": ec2.describe_security_groups(Filters=inside)["SecurityGroups"][0]["GroupId"],
        "instance-type": INSTANCE_TYPE,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    begin = cloud.await_line([str(python), str(PROGRAM), str(count), *words], f"ready {count}")
    return _read_sample(cloud, begin, count, calls)


def _read_sample(cloud: Cloud, begin: float, count: int, calls: dict[int, set[int]]) -> float:
    calls.setdefault(count, set()).add(len(cloud.region.proxy.calls))
    running = cloud.count_running()
    if running != count + 1:
        raise BenchmarkFailed(f"{running} machines run, and there should be {count} and the scheduler's")
    return cloud.launches[-1] - begin


def _split(begin: float, runs: list[tuple[str, float, float]]) -> dict[str, float]:
    """The seconds of each part of an `up`."""
    spent = dict.fromkeys(PARTS, 0.0)
    spent[BEFORE] = next(start for what, start, _ in runs if what != "version") - begin
    for what, start, end in runs:
        if what != "version":
            spent[{"preview": PLAN, "up": UPDATE}.get(what, STACK)] += end - start
    spent[REST] = runs[-1][2] - begin - sum(spent.values())
    return spent


def _build_peer() -> tuple[Path, str]:
    """The interpreter of an environment with dask-cloudprovider, made if it is not there, and its version."""
    from harness import find_cache
    from kept import keep

    pins = PROGRAM.with_suffix(".txt")
    text = pins.read_text()
    found = re.search(r"^dask-cloudprovider(?:\[\w+\])?==(\S+)", text, re.M)
    assert found
    name = f"dask-cloudprovider-{found[1]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def build(folder: Path) -> None:
        install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            str(pins),
        ]
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "python"), *install], check=True)
        except subprocess.CalledProcessError as error:
            raise BenchmarkFailed(f"dask-cloudprovider cannot be installed: {error}") from None

    return keep(find_cache(), "dask-cloudprovider", name, build) / "bin" / "python", found[1]
