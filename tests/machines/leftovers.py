"""Everything that machines are made of on this computer can be found by a name, and removed.

A network's folder under `STATE` names its owner, `ID.PID.STARTED`, and is made in one step. What belongs to the network
is called `dfm-ID`, or for one of its machines `dfm-ID-N`:

- network namespaces, and all processes in them;
- control groups, and all processes in them.

So a sweep needs no more than the folder's name to remove what an owner left that was killed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

STATE = Path("/run/daskfleet-machines")
PREFIX = "dfm-"
NAMESPACES = Path("/run/netns")
CGROUPS = Path("/sys/fs/cgroup")
GONE_SECONDS = 20.0
POLL_SECONDS = 0.02


# Owners


def make_state_folder() -> Path:
    """A folder for a new network, which this process owns."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    pid = os.getpid()
    folder = STATE / f"{secrets.token_hex(3)}.{pid}.{read_start_time(pid)}"
    folder.mkdir(mode=0o700)
    return folder


def read_start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since the kernel did; `None` when there is no such process.

    Together with its number it tells a process from all others: numbers are reused.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # What is before it, the program's name, may hold anything.
    return None if fields[0] in "ZX" else int(fields[19])


def sweep_leftovers() -> list[str]:
    """Remove what networks of dead owners left; returns the networks' ids. What has a living owner stays."""
    if not STATE.is_dir():
        return []
    swept = []
    with _lock():
        for folder in STATE.iterdir():
            if not folder.is_dir():
                continue
            name, pid, started = folder.name.split(".")
            if str(read_start_time(int(pid))) != started:
                remove(PREFIX + name)
                remove_folder(folder)
                swept.append(name)
    return swept


@contextmanager
def _lock() -> Iterator[None]:
    with (STATE / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# Removing


def remove(name: str) -> None:
    """End and remove everything with this name: `dfm-ID` for a network, `dfm-ID-N` for one of its machines.

    Raises:
        TimeoutError: something of it does not go.
    """
    await_gone(lambda: _kill(find_processes(name)), f"processes of {name}")
    await_gone(lambda: _delete_namespaces(find_namespaces(name)), f"namespaces of {name}")
    await_gone(lambda: _remove_cgroups(find_cgroups(name)), f"control groups of {name}")


def remove_folder(folder: Path) -> None:
    """Remove a folder with what is mounted in it.

    Raises:
        TimeoutError: something stays mounted.
    """
    await_gone(lambda: _unmount(find_mounts(folder)), f"mounts in {folder}")
    shutil.rmtree(folder, ignore_errors=True)


def await_gone(look: Callable[[], Collection[object]], what: str) -> None:
    """Wait until `look` finds nothing.

    Raises:
        TimeoutError: it still finds something after `GONE_SECONDS`.
    """
    deadline = time.monotonic() + GONE_SECONDS
    while left := look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"these {what} do not go: {left}")
        time.sleep(POLL_SECONDS)


def _kill(pids: set[int]) -> set[int]:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return pids


def _delete_namespaces(namespaces: list[Path]) -> list[Path]:
    for namespace in namespaces:
        subprocess.run(["ip", "netns", "delete", namespace.name], check=False, capture_output=True)
    return [namespace for namespace in namespaces if namespace.exists()]


def _remove_cgroups(groups: list[Path]) -> list[Path]:
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:  # Busy for a moment after its last process has ended; or somebody else was faster.
                continue
    return [group for group in groups if group.exists()]


def _unmount(points: list[str]) -> list[str]:
    for point in reversed(points):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
    return points


# Finding


def find_leftovers(name: str) -> list[str]:
    """What there is with this name, as words for a person."""
    folders = list(STATE.glob(f"{name.removeprefix(PREFIX)}.*"))
    return [
        *(f"process {pid}" for pid in find_processes(name)),
        *(f"namespace {path.name}" for path in find_namespaces(name)),
        *(f"control group {path}" for path in find_cgroups(name)),
        *(f"mount {point}" for folder in folders for point in find_mounts(folder)),
        *(f"folder {folder}" for folder in folders),
    ]


def find_processes(name: str) -> set[int]:
    """The processes in the namespaces and control groups with this name."""
    found: set[int] = set()
    for group in find_cgroups(name):
        for folder, _, _ in os.walk(group):
            try:
                found.update(int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split())
            except OSError:
                continue
    if namespaces := {path.stat().st_ino for path in find_namespaces(name) if path.exists()}:
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "ns/net").stat().st_ino in namespaces:
                    found.add(int(entry.name))
            except OSError:  # It has ended.
                continue
    return found


def find_namespaces(name: str) -> list[Path]:
    """The named network namespaces with this name."""
    return _glob(NAMESPACES, name)


def find_cgroups(name: str) -> list[Path]:
    """The control groups with this name, in each hierarchy."""
    return [path for root in cgroup_roots() for path in _glob(root, name)]


def cgroup_roots() -> list[Path]:
    """The hierarchies in which systemd keeps its control groups."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    return [path for path in (CGROUPS / "systemd", CGROUPS / "unified") if path.is_dir()]


def find_mounts(folder: Path) -> list[str]:
    """Where something is mounted in this folder."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _glob(folder: Path, name: str) -> list[Path]:
    return [path for path in folder.glob(f"{name}*") if path.name == name or path.name.startswith(f"{name}-")]
