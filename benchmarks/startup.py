"""How long the light commands take, against importing the libraries that any typed command line is made of."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import BenchmarkFailed, Case, Check, Figure, Target, compare_times, take_turns
from benchmarks.workspace import Workspace

FLEET = "bench-startup"
PEER = "python -c 'import typer, pydantic'"
TARGETS = {"daskfleet --help": 1.3, f"daskfleet connect {FLEET} --json": 1.6}
HEAVY = ("azure", "boto3", "botocore", "bokeh", "dask", "distributed", "google.cloud", "numpy", "pulumi", "pydantic")
"""Packages that a light command has no business importing."""


def measure(workspace: Workspace, rounds: int) -> Figure:
    """Whole processes, from their start to their exit, while a fleet runs that `connect` tells of."""
    commands = {name: [*workspace.daskfleet, *name.split()[1:]] for name in TARGETS}
    commands[PEER] = [sys.executable, "-c", "import typer, pydantic"]
    workspace.up(workspace.write_spec(FLEET, workers=1))
    for command in commands.values():  # Fills the caches of files and of bytecode.
        workspace.run(command)
    seconds = take_turns({name: lambda c=command: [workspace.run(c)[0]] for name, command in commands.items()}, rounds)
    checks = []
    for name in TARGETS:
        modules = _list_imports(workspace, commands[name])
        found = sorted(heavy for heavy in HEAVY if any(f"{module}.".startswith(f"{heavy}.") for module in modules))
        detail = {"modules": len(modules), "packages": sorted({module.partition(".")[0] for module in modules})}
        checks.append(
            Check(f"heavy packages that `{name}` imports", len(found), Target(at_most=0), {"found": found, **detail})
        )
    workspace.down(FLEET)
    comparisons = [compare_times(seconds, name, PEER, Target(at_most=target)) for name, target in TARGETS.items()]
    return Figure(
        "Start-up of the light commands",
        {"rounds": rounds, "measured": "the whole process, from its start to its exit", "heavy": HEAVY},
        [Case("one process", seconds, comparisons)],
        checks,
    )


_IMPORTS = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, sep="\\n", file=sys.stderr))
sys.argv = sys.argv[1:]
exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"), {"__name__": "__main__"})
"""


def _list_imports(workspace: Workspace, command: list[str]) -> list[str]:
    """The modules that a command has imported when it ends, those included that every Python imports."""
    result = subprocess.run(
        [sys.executable, "-c", _IMPORTS, *command],
        env=workspace.environment,
        cwd=workspace.folder,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise BenchmarkFailed(f"`{' '.join(command)}` exited with {result.returncode}\n{result.stderr}")
    return result.stderr.split()
