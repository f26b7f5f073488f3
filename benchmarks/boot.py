"""From power-on to a registered worker: an image that holds everything, against a machine that installs it at boot.

The peer does as dask-cloudprovider does: a plain Debian whose cloud-init installs Dask and starts `dask worker`, its
keys in the user-data. Its packages come from an index on this computer, so it is spared the downloads of a cloud.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkFailed, Case, Figure, Target, compare_times, take_turns
from benchmarks.workspace import Workspace

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # Machines are started by the library of the tests.

BAKED = "daskfleet image"
PEER = "install at boot"
TARGET = 0.5
PACKAGES = "dask[array,dataframe] distributed bokeh s3fs gcsfs adlfs lz4"
INDEX_PORT = 8000

# Told by the client as soon as it is connected, and again when a worker has registered.
WATCH = """
import json, sys, time
print("ready", flush=True)
while not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.workers)):
    time.sleep(0.1)
print("registered", flush=True)
def look():
    import pathlib, psutil
    marks = pathlib.Path("/run/daskfleet/marks.jsonl")
    return {
        "used": psutil.virtual_memory().total - psutil.virtual_memory().available,
        "marks": [json.loads(line) for line in marks.read_text().splitlines()] if marks.exists() else [],
    }
time.sleep(5)
print(json.dumps(client.submit(look, pure=False).result()), flush=True)
"""

USER_DATA = """\
#cloud-config
locale: false
write_files:
{files}
runcmd:
  - [python3, -m, venv, /opt/dask]
  - [/opt/dask/bin/python, -m, pip, install, --quiet, --no-index, --trusted-host, "{host}",
     --find-links, "http://{host}:{port}/", {packages}]
  - [/opt/dask/bin/dask, worker, "{scheduler}", --name, peer, --nthreads, "1", --tls-ca-file, /etc/dask/ca.pem,
     --tls-cert, /etc/dask/cert.pem, --tls-key, /etc/dask/key.pem]
"""


def measure(workspace: Workspace, rounds: int) -> Figure:
    """One worker at a time; the scheduler, in a container, is there before."""
    from harness import find_cache
    from image.built import build_image
    from image.fleet import SCHEDULER_ADDRESS, open_cloud
    from machines.requirements import VIRTUAL_TOOLS, find_missing

    if missing := find_missing(*VIRTUAL_TOOLS, "packer", "mmdebstrap"):
        raise BenchmarkFailed(f"machines need {', '.join(missing)}")
    image = build_image(find_cache())
    images = image.disk.parents[2]
    base = next(images.glob(".base/*.qcow2"))
    wheels = next(images.glob(".wheels/*/kept"))
    folder = workspace.folder / "cloud"
    folder.mkdir()
    with open_cloud(folder, image) as cloud:
        scheduler = cloud.boot_container("scheduler", cloud.scheduler_document(), SCHEDULER_ADDRESS)
        scheduler.await_console("phase: registered", timeout=90)
        cloud.network.popen_inside(
            [sys.executable, "-m", "http.server", str(INDEX_PORT), "--directory", str(wheels)],
            env=dict(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        found: dict[str, list[dict[str, Any]]] = {BAKED: [], PEER: []}
        subjects = {
            BAKED: lambda: [_time(cloud, found[BAKED], image.disk, cloud.render_workers())],
            PEER: lambda: [_time(cloud, found[PEER], base, _render_peer(cloud))],
        }
        seconds = take_turns(subjects, rounds)
    facts = {name: {"MiB of an idle node": [each["used"] / 2**20 for each in found[name]]} for name in found}
    comparisons = [compare_times(seconds, BAKED, PEER, Target(at_most=TARGET))]
    settings = {
        "rounds": rounds,
        "machine": "2 processors, 1024 MiB, " + ("emulated (TCG)" if _is_emulated() else "KVM"),
        "measured": "from the start of the virtual machine until the scheduler knows its worker",
        "packages": f"the peer installs {PACKAGES} from an index on the same computer",
        "phases of a daskfleet node, seconds from the kernel's start": _describe_phases(found[BAKED]),
        "memory of an idle node": ", ".join(
            f"{name} {statistics.median(each['used'] for each in samples) / 2**20:.0f} MiB"
            for name, samples in found.items()
        ),
        "size of the image": f"{image.disk.stat().st_blocks * 512 / 2**20:.0f} MiB on disk",
        "size of the base image": f"{base.stat().st_blocks * 512 / 2**20:.0f} MiB on disk",
    }
    return Figure("From power-on to a registered worker", settings, [Case("one worker", seconds, comparisons, facts)])


def _is_emulated() -> bool:
    from machines.acceleration import has_kvm

    return not has_kvm()


def _time(cloud: Any, found: list[dict[str, Any]], disk: Path, user_data: str) -> float:
    """Seconds from power-on until the worker has registered; what it then looks like goes to `found`."""
    from machines import start_virtual_machine

    watcher = cloud.start_client(WATCH)
    _read_line(watcher, "ready")
    begin = time.perf_counter()
    machine = start_virtual_machine(cloud.network, disk, "worker", user_data=user_data, cpus=2, memory=1024)
    try:
        cloud.introduce(machine, role=True)
        _read_line(watcher, "registered")
        seconds = time.perf_counter() - begin
        found.append(json.loads(watcher.stdout.readline()))
        watcher.wait(60)
        machine.power_off()  # Of a machine that is killed the scheduler would hear nothing for minutes.
    except BaseException:
        print(machine.console()[-4000:], file=sys.stderr)
        raise
    finally:
        machine.close()
        cloud.aws.metadata.remove(machine.address)
    _await_no_workers(cloud)
    return seconds


def _await_no_workers(cloud: Any) -> None:
    """The next one is to be the first."""
    while cloud.count_workers():
        time.sleep(1)


def _read_line(process: Any, expected: str) -> None:
    line = process.stdout.readline()
    if line.strip() != expected:
        raise BenchmarkFailed(f"the watching client printed {line!r} instead of {expected!r}")


def _render_peer(cloud: Any) -> str:
    """User-data that installs Dask and starts a worker."""
    import textwrap

    value = json.loads(
        cloud.aws.services.call("secretsmanager", "get_secret_value", SecretId=cloud.secrets["worker"])["SecretString"]
    )
    files = "".join(
        f"  - path: /etc/dask/{name}.pem\n    permissions: '0600'\n    content: |\n"
        f"{textwrap.indent(value[name], ' ' * 6)}\n"
        for name in ("ca", "cert", "key")
    )
    return USER_DATA.format(
        files=files,
        host=cloud.network.gateway,
        port=INDEX_PORT,
        packages=", ".join(f'"{name}"' for name in PACKAGES.split()),
        scheduler=cloud.workers_document().scheduler_address,
    )


def _describe_phases(found: list[dict[str, Any]]) -> str:
    """The median time of each phase after the kernel's start."""
    times: dict[str, list[float]] = {}
    for each in found:
        start = next(mark["time"] for mark in each["marks"] if mark["phase"] == "kernel")
        for mark in each["marks"]:
            times.setdefault(mark["phase"], []).append(mark["time"] - start)
    return ", ".join(f"{phase} {statistics.median(values):.1f}" for phase, values in times.items())
