"""The Python environment of nodes over SSH: built on the hosts from a lock file."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import find_cache
from ssh.fleet_lab import FleetLab

LOCK = Path(__file__).parents[2] / "images/daskfleet_images/environment/requirements.txt"
"""What images hold, which is what the tests' own environment has, as far as Dask depends on it."""

VERSIONS = "from distributed import Client\nc = Client()\nprint(c.run(lambda: __import__('sys').prefix))\n"


@pytest.fixture(scope="session")
def wheels() -> Path:
    """A folder with the wheels of the lock, kept for later runs."""
    cache = find_cache()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"wheels-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    with (cache / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for other in cache.glob("wheels-*"):
                shutil.rmtree(other)
            new = cache / "wheels.new"
            shutil.rmtree(new, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            python = ["--python-version", "3.11", "--implementation", "cp"]
            subprocess.run([*pip, *python, "--requirement", str(LOCK), "--dest", str(new)], check=True)
            new.rename(folder)
    return folder


@pytest.fixture
def shared_wheels(lab: FleetLab, wheels: Path) -> str:
    """The lock and its wheels where the client sees them; the path of the folder there."""
    folder = lab.client.home_outside / "environment"
    if not folder.is_dir():
        shutil.copytree(wheels, folder / "wheels")
        (folder / "requirements.txt").write_bytes(LOCK.read_bytes())
    return str(lab.client.account.home / "environment")


def render(folder: str, hosts: str, extra: str = "") -> str:
    asked = f"mode: ship, lock: {folder}/requirements.txt, wheels: {folder}/wheels{extra}"
    return f"hosts: [{hosts}]\nenvironment: {{{asked}}}"


@pytest.mark.slow
def test_an_environment_is_built_once_in_each_home_and_goes_with_the_fleet(lab: FleetLab, shared_wheels: str) -> None:
    file = lab.write(render(shared_wheels, "rack01, rack02, desk-1"))
    (check,) = [line for line in lab.ok("doctor", file).splitlines() if line.startswith("ok  environment")]
    assert re.search(r"\d+ hashes, from \d+ wheels", check)
    told = lab.run("up", file, timeout=300)
    assert told.returncode == 0, told.stderr
    assert "building the environment in 2 home directories" in told.stderr
    lab.client.write("versions.py", VERSIONS)
    prefixes = lab.ok("connect", "lab", "--", "python", "versions.py")
    assert len(re.findall(r"/home/(carl|ada)/\.daskfleet/lab-\w+/\.environment/venv", prefixes)) == 3
    for host in ("rack01", "desk-1"):
        built = lab.hosts[host].run(["find", "/", "-xdev", "-name", "uv*", "-user", lab.hosts[host].user], check=False)
        assert built.stdout == "", "what it was built with is gone"
    again = lab.run("up", "lab")
    assert again.returncode == 0, again.stderr
    assert len(lab.workers()) == 3


def test_a_python_that_no_host_has_is_told_and_nothing_is_left(lab: FleetLab, shared_wheels: str) -> None:
    done = lab.run("up", lab.write(render(shared_wheels, "desk-1", ", python: '3.9'")), timeout=300)
    assert done.returncode == 1
    assert "the scheduler could not be started on desk-1: build: " in done.stderr
    assert "3.9" in done.stderr.rpartition("build: ")[2]
    assert lab.look() == lab.before


def test_a_wheel_that_is_missing_is_told_by_name(lab: FleetLab, shared_wheels: str) -> None:
    folder = lab.client.home_outside / "environment/wheels"
    (wheel,) = folder.glob("tblib-*.whl")
    moved = wheel.rename(folder.parent / wheel.name)
    try:
        done = lab.run("up", lab.write(render(shared_wheels, "desk-1")), timeout=300)
    finally:
        moved.rename(wheel)
    assert done.returncode == 1
    assert "tblib" in done.stderr.rpartition("build: ")[2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dask==2026.8.0\n", "has no hashes; write it with `uv pip compile --generate-hashes`"),
        ("dask==2026.8.0 --hash=sha256:00\n", "lacks distributed, cloudpickle, pydantic, psutil, which nodes need"),
    ],
)
def test_a_lock_that_does_not_do_is_refused_before_anything_is_asked(lab: FleetLab, text: str, told: str) -> None:
    lab.client.write("bad.txt", text)
    done = lab.run("up", lab.write("hosts: [desk-1]\nenvironment: {mode: ship, lock: bad.txt}"))
    assert done.returncode == 1
    assert told in done.stderr
    assert "logging in" not in done.stderr
