"""`python -m benchmarks`: measure, write `results/*.json`, and draw them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import aws, boot, clouds, shuffle, ssh, startup, tasks, up
from benchmarks.measure import BenchmarkFailed, Figure, describe_machine, find_doubts, write_figure
from benchmarks.plot import draw_all
from benchmarks.workspace import open_workspace

RESULTS = Path(__file__).parent / "results"
DRAWINGS = Path(__file__).parent.parent / "docs" / "figures"


@dataclass(frozen=True)
class Benchmark:
    """A measurement that can be asked for."""

    measure: Callable[..., Figure | Mapping[str, Figure]]
    """One figure, or several by the names of their files."""
    rounds: int
    """How often each subject is measured unless told otherwise."""
    least: int
    """Fewer rounds than these make no figure to publish."""


BENCHMARKS = {
    "startup": Benchmark(startup.measure, rounds=21, least=7),
    "up": Benchmark(up.measure, rounds=7, least=5),
    "tasks": Benchmark(tasks.measure, rounds=7, least=7),
    "shuffle": Benchmark(shuffle.measure, rounds=5, least=3),
    "boot": Benchmark(boot.measure, rounds=3, least=3),
    "aws": Benchmark(aws.measure, rounds=2, least=2),
    "clouds": Benchmark(clouds.measure, rounds=5, least=3),
    "ssh": Benchmark(ssh.measure, rounds=7, least=3),
}
GROUPS = {"throughput": ("tasks", "shuffle"), "all": ("startup", "up", "tasks", "shuffle")}
"""The others are asked for by name: `boot` and `ssh` need root, `aws` and `clouds` build an engine."""


def main() -> int:
    """Run what was asked for; 0 when every target is met, 1 when not, 2 when something failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        default=["all"],
        choices=[*BENCHMARKS, *GROUPS],
        metavar="WHAT",
        help=f"{', '.join(BENCHMARKS)}, {', '.join(GROUPS)} (the default)",
    )
    parser.add_argument("--rounds", type=int, help="measure each subject this often, instead of the usual number")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON files")
    parser.add_argument("--drawings", type=Path, default=DRAWINGS, help="folder for the SVG files")
    arguments = parser.parse_args()
    names = list(dict.fromkeys(name for what in arguments.what for name in GROUPS.get(what, (what,))))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # So that it cleans up as at Ctrl-C.
    missed = False
    try:
        for name in names:
            benchmark = BENCHMARKS[name]
            rounds = arguments.rounds or benchmark.rounds
            machine = describe_machine()
            doubts = find_doubts(machine, rounds, benchmark.least)
            print(
                f"{name}: {rounds} rounds" + "".join(f"; not to be published: {doubt}" for doubt in doubts), flush=True
            )
            with open_workspace() as workspace:
                measured = benchmark.measure(workspace, rounds)
            for file, figure in ({name: measured} if isinstance(measured, Figure) else measured).items():
                print(figure.describe())
                missed |= not figure.met
                write_figure(arguments.results / f"{file}.json", figure, machine, doubts)
    except BenchmarkFailed as error:
        print(f"failed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    draw_all(arguments.results, arguments.drawings)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
