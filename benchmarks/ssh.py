"""Fleets over SSH: `daskfleet up` against `SSHCluster`, and data through a tunnel against the direct way.

The hosts and the client are namespaces on this computer, each host with a real sshd (`tests/ssh_lab`).

`SSHCluster` (`distributed/deploy/ssh.py`) starts the scheduler and, when that listens, all workers at the same time,
each over a connection of its own: `uname`, then a nanny. They run the client's `sys.executable` unless `remote_python`
says another. It has no TLS unless its configuration names files that every host has by then; putting them there is not
timed.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    BenchmarkFailed,
    Case,
    Figure,
    Target,
    compare_throughput,
    compare_times,
    median,
    take_turns,
)
from benchmarks.workspace import COMMAND_SECONDS, Workspace

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # Hosts are started by the library of the tests.

FLEET = "daskfleet up"
PEER = "SSHCluster"
TLS_PEER = "SSHCluster with TLS"
TARGETS = {1: 1.25, 6: 1.0, 30: 1.0}
"""By number of hosts."""

MANY, MANY_ROUNDS = 30, 3
"""So many hosts take a minute to start, and are measured no more often than this."""

TUNNEL = "daskfleet, access: ssh"
DIRECT = "access: direct"
TUNNEL_TARGET = 0.5
TUNNEL_HOSTS = 2
BYTES, PIECES, REPEATS = 256_000_000, 16, 3

PROGRAMS = Path(__file__).parent / "programs"
ROOMS = ("images", "components", "stacks", "cli")
USER = "wanda"
"""The person of the lab's client: on the hosts it has the same home directory, so TLS files have the same path."""

END_SECONDS = 60.0
"""How long what was closed may take to be gone from all hosts."""


def measure(workspace: Workspace, rounds: int) -> dict[str, Figure]:
    """Every sample begins with hosts on which nothing runs but sshd."""
    from machines.requirements import find_missing
    from ssh_lab.host import HostSpec
    from ssh_lab.lab import TOOLS, open_lab
    from sshd import SSHD

    if missing := find_missing(*TOOLS) + ([] if Path(SSHD).exists() else ["sshd"]):
        raise BenchmarkFailed(f"hosts need {', '.join(missing)}; tests/install-system-packages installs programs")
    # The hosts cannot write beside the sources: without it they would compile ours at each start, and the peer not its.
    workspace.run([sys.executable, "-m", "compileall", "-q", *(str(ROOT / room) for room in ROOMS)])
    with open_lab(workspace.folder) as lab:
        hosts = lab.add_hosts([HostSpec(f"node{number:02}", user=USER) for number in range(1, MANY + 1)])
        lab.trust(*hosts)
        lab.write_config()
        return {"ssh": _measure_up(lab, rounds), "ssh-tunnel": _measure_tunnel(lab, rounds)}


def _measure_up(lab: Any, rounds: int) -> Figure:
    tls = _hand_out_certificates(lab)
    cases: list[Case] = []
    for count, target in TARGETS.items():
        subjects = {
            FLEET: partial(_time_fleet, lab, count),
            PEER: partial(_time_peer, lab, count),
            TLS_PEER: partial(_time_peer, lab, count, tls),
        }
        name = f"{count} host{'s' if count > 1 else ''}"
        print(f"  {name}")
        if not cases:
            for sample in subjects.values():  # Fills the caches of files.
                sample()
        seconds = take_turns(subjects, min(rounds, MANY_ROUNDS) if count == MANY else rounds)
        comparisons = [
            compare_times(seconds, FLEET, PEER, Target(at_most=target)),
            compare_times(seconds, FLEET, TLS_PEER),
        ]
        cases.append(Case(name, seconds, comparisons))
    settings = {
        "rounds": rounds,
        f"rounds with {MANY} hosts": min(rounds, MANY_ROUNDS),
        "workers_per_host": 1,
        "threads_per_worker": 1,
        "hosts": "namespaces on this computer, which share its processors; each with a real sshd and a home of its own",
        "measured": f"{FLEET}: the whole process until it exits, all workers registered; {PEER}: from the start of a "
        "fresh Python until all workers are registered",
        "environment": "the client's Python, at the same path on all hosts: the default of both",
        "peer": f"{PEER}: the scheduler first, then all workers at the same time; what it starts ends with its "
        f"client; no TLS. {TLS_PEER}: the files were put on all hosts before, which is not timed",
        "dashboard": f"{PEER} has loaded its dashboard by then; the fleet loads it just after",
    }
    return Figure("From nothing to N registered workers over SSH", settings, cases)


def _measure_tunnel(lab: Any, rounds: int) -> Figure:
    print("  tunnel")
    subjects = {TUNNEL: partial(_time_gather, lab, "ssh"), DIRECT: partial(_time_gather, lab, "direct")}
    seconds = take_turns(subjects, rounds)
    speeds = {subject: {"MB/s": round(BYTES / 1e6 / median(samples), 1)} for subject, samples in seconds.items()}
    comparisons = [compare_throughput(seconds, TUNNEL, DIRECT, Target(at_least=TUNNEL_TARGET))]
    settings = {
        "rounds": rounds,
        "samples_per_round": REPEATS,
        "workers": TUNNEL_HOSTS,
        "measured": "client.gather(futures) inside a warm client; the data are in the workers' memory",
        "data": f"{BYTES / 1e6:g} MB in {PIECES} pieces, random, which nothing can compress",
        "way": "both: from the workers to the scheduler and from there to the client, with Dask's TLS; through the "
        "tunnel the second part is encrypted by SSH once more. Workers, scheduler, client, ssh and sshd share the "
        "processors of one computer, and no network is slower than they are",
    }
    case = Case(f"{BYTES / 1e6:g} MB, {TUNNEL_HOSTS} hosts", seconds, comparisons, counts=speeds)
    return Figure("From the workers to a client, through the tunnel", settings, [case])


def _hand_out_certificates(lab: Any) -> dict[str, str]:
    """Put TLS material for the peer on all hosts and the client; returns the environment that has Dask use it."""
    from daskfleet.providers.certificates import issue_certificates

    issued = issue_certificates("peer", datetime.datetime.now(datetime.UTC))
    # The scheduler's may serve and call, which is what each of them does.
    files = {"ca.pem": issued["ca.pem"], "peer.pem": issued["scheduler.pem"] + issued["scheduler-key.pem"]}
    for place in (lab.client, *lab.hosts.values()):
        for name, text in files.items():
            place.run(["tee", name], input=text)
    ca, peer = (str(lab.client.home / name) for name in files)
    roles = {f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT": peer for role in ("SCHEDULER", "WORKER", "CLIENT")}
    return {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": ca, **roles}


def _write_fleet(lab: Any, name: str, count: int, mode: str) -> str:
    """The file of a fleet with a worker of one thread on each of so many hosts."""
    hosts = [{"host": host, "threads": 1} for host in list(lab.hosts)[:count]]
    spec = {"name": name, "provider": "ssh", "hosts": hosts, "access": {"mode": mode}}
    return str(lab.client.write(f"{name}.yaml", json.dumps(spec)))  # JSON is YAML.


def _time_fleet(lab: Any, count: int) -> list[float]:
    name = f"bench-{count}"
    seconds, _ = _run(lab, ["daskfleet", "up", _write_fleet(lab, name, count, "auto")])
    code = "from distributed import Client; print(len(Client().scheduler_info(n_workers=-1)['workers']))"
    _, found = _run(lab, ["daskfleet", "connect", name, "--", sys.executable, "-c", code])
    _run(lab, ["daskfleet", "down", name])
    _await_rest(lab)
    if int(found) != count:
        raise BenchmarkFailed(f"`daskfleet up` said that {count} workers had registered, and there were {found}")
    return [seconds]


def _time_peer(lab: Any, count: int, tls: Mapping[str, str] | None = None) -> list[float]:
    hosts = list(lab.hosts)[:count]
    command = [sys.executable, str(PROGRAMS / "ssh_cluster.py"), *hosts, *(["--tls"] if tls else [])]
    stderr = lab.client.home_outside / "stderr.txt"
    pipe = subprocess.PIPE
    with stderr.open("w") as errors:
        begin = time.perf_counter()
        process = lab.client.popen(command, env=tls, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        with process:
            try:
                line = process.stdout.readline()
                seconds = time.perf_counter() - begin
                process.stdin.close()
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                line = f"did not close: {line}"
            finally:
                process.kill()
    if line.split() != ["ready", str(count)]:
        raise BenchmarkFailed(f"`{' '.join(command)}` printed {line!r}\n{stderr.read_text()[-4000:]}")
    _await_rest(lab)
    return [seconds]


def _time_gather(lab: Any, mode: str) -> list[float]:
    name = f"bench-{mode}"
    options = {"workers": TUNNEL_HOSTS, "bytes": BYTES, "pieces": PIECES, "repeats": REPEATS}
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    program = [sys.executable, str(PROGRAMS / "gather.py"), *words]
    _run(lab, ["daskfleet", "up", _write_fleet(lab, name, TUNNEL_HOSTS, mode)])
    _, output = _run(lab, ["daskfleet", "connect", name, "--", *program])
    _run(lab, ["daskfleet", "down", name])
    _await_rest(lab)
    samples = [json.loads(line) for line in output.splitlines()]
    ways = {"//127.0.0.1:" in sample["address"] for sample in samples}
    if len(samples) != REPEATS or ways != {mode == "ssh"}:
        raise BenchmarkFailed(f"not what was asked for, with `access: {mode}`: {output}")
    return [sample["seconds"] for sample in samples]


def _run(lab: Any, command: Sequence[str]) -> tuple[float, str]:
    """Run a command on the client to its end; returns its seconds as a whole process, and what it printed."""
    from ssh_lab.place import PlaceError

    begin = time.perf_counter()
    try:
        done = lab.client.run(command, timeout=COMMAND_SECONDS)
    except (PlaceError, subprocess.TimeoutExpired) as error:
        raise BenchmarkFailed(str(error)) from None
    return time.perf_counter() - begin, done.stdout


def _await_rest(lab: Any) -> None:
    """The next one is to find hosts that do nothing."""
    deadline = time.monotonic() + END_SECONDS
    busy = list(lab.hosts.values())
    while busy := [host for host in busy if host.list_processes()]:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{busy[0].name} still runs: {'; '.join(busy[0].list_processes())[:2000]}")
        time.sleep(0.2)
