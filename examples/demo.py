"""What `make demo` does: one analysis on threads, on a `LocalCluster` and on a fleet, and the fleet's whole life.

The fleet lives in a folder of this checkout, so that it does not meet any fleet of yours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".demo"
FLEET = "demo"
FLEET_FILE = """\
name: demo
provider: local
workers:
  - name: cpu
    count: 2
    threads: 1
"""


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


def run(*command: str | Path, quiet: bool = False) -> float:
    """Run a command as you would type it; returns its seconds. A failure ends the demo."""
    shown = " ".join(str(part) for part in command)
    print(f"$ {shown.replace(str(HERE.parent) + os.sep, '')}", flush=True)
    program = [sys.executable, *command[1:]] if command[0] == "python" else [sys.executable, "-m", *command]
    start = time.perf_counter()
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL if quiet else None)
    return time.perf_counter() - start


def read_figures(name: str) -> object:
    """The figures that a run wrote."""
    return json.loads((HOME / f"{name}.json").read_text())


def main() -> int:
    """Run the demo; returns its exit code."""
    HOME.mkdir(mode=0o700, exist_ok=True)
    os.environ["DASKFLEET_HOME"] = str(HOME)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    (HOME / "fleet.yaml").write_text(FLEET_FILE)
    flights, threads = HERE / "flights.py", HERE / "flights_threads.py"
    times: dict[str, float] = {}
    try:
        say("The flights of New York in 2013, on threads")
        times["threads"] = run("python", threads, "--json", HOME / "threads.json", quiet=True)
        say("The same on a LocalCluster: Client() with nothing around")
        times["Client()"] = run("python", flights, "--json", HOME / "client.json", quiet=True)
        say("A fleet on this machine")
        run("daskfleet", "up", HOME / "fleet.yaml")
        say("The same unchanged script on the fleet")
        times["fleet"] = run(
            "daskfleet", "connect", FLEET, "--", "python", flights, "--json", HOME / "fleet.json", "--check"
        )
        say("The fleet")
        run("daskfleet", "status", FLEET)
        run("daskfleet", "scale", FLEET, "cpu", "3")
    finally:
        say("Taking it down")
        run("daskfleet", "down", FLEET)
    figures = [read_figures(name) for name in ("threads", "client", "fleet")]
    same = all(each == figures[0] for each in figures)
    say("The same figures from one script, three ways (seconds of the whole process)")
    for way, seconds in times.items():
        print(f"  {way:<10} {seconds:5.1f} s")
    print(f"  figures    {'the same on all three, and as pandas has them' if same else 'DIFFER'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
