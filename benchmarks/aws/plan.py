"""What a plan takes, in time and memory, and which parts of `up` take how long."""

from __future__ import annotations

import sys

from benchmarks.aws.cloud import Cloud
from benchmarks.aws.machines import Ups
from benchmarks.measure import Case, Check, Figure, Target, compare_times, take_turns

GROUPS = (1, 10, 50)
USED = "pulumi and the parts of pulumi_aws that a fleet uses"
WHOLE = "pulumi and the whole pulumi_aws"
IMPORT_TARGET = 0.5
PARTS_LIMIT = 8
RUNS_LIMIT = 6
"""Each takes most of a second."""

IMPORT_USED = "import pulumi, pulumi_aws\nfor name in {parts}: getattr(getattr(pulumi_aws, name), 'load_it', None)"
IMPORT_WHOLE = """
import pkgutil, pulumi, pulumi_aws
for each in pkgutil.iter_modules(pulumi_aws.__path__):
    if each.ispkg:
        getattr(getattr(pulumi_aws, each.name), "load_it", None)
"""


def measure(cloud: Cloud, rounds: int, ups: Ups) -> Figure:
    """Plans of new fleets; `ups` were measured before."""
    cloud.empty()
    files = {f"daskfleet preview: {groups} worker group{'s' if groups > 1 else ''}": groups for groups in GROUPS}
    files = {name: cloud.write_fleet(f"plan-{groups}", groups) for name, groups in files.items()}
    commands = {name: [*cloud.daskfleet, "preview", file, "--json"] for name, file in files.items()}
    counts = {name: cloud.measure_memory(command) for name, command in commands.items()}
    plans = take_turns({name: lambda c=command: [cloud.run(c)[0]] for name, command in commands.items()}, rounds)
    first = next(iter(files.values()))
    used = _list_parts(cloud, first)
    everything = {
        "Python alone": "",
        "pulumi": "import pulumi",
        USED: IMPORT_USED.format(parts=used),
        WHOLE: IMPORT_WHOLE,
        "daskfleet's whole program": "import pulumi.automation, daskfleet_stacks.deploy, daskfleet_stacks.aws",
    }
    times = take_turns(
        {name: lambda c=code: [cloud.run([sys.executable, "-c", c])[0]] for name, code in everything.items()},
        rounds,
    )
    engine = take_turns({"pulumi version": lambda: [cloud.run(["pulumi", "version"])[0]]}, rounds)
    settings = {
        "rounds": rounds,
        "measured": "`daskfleet preview FILE` of a new fleet, the whole process; its memory in a run of its own: the "
        "most that all processes had at a moment, shared pages counted once",
        "memory": "the plugins are the stand-ins of the tests, processes of Python; those of Pulumi are larger",
        "parts of pulumi_aws that are loaded": ", ".join(used),
        "runs of the engine in one up": ", ".join(ups.runs),
    }
    checks = [
        Check("parts of pulumi_aws, of more than 200, that a plan imports", len(used), Target(at_most=PARTS_LIMIT)),
        Check("runs of the engine in one `up` of a new fleet", len(ups.runs), Target(at_most=RUNS_LIMIT)),
    ]
    cases = [
        Case("a plan", plans, [], counts=counts),
        Case("parts of `daskfleet up` for 1 machine", ups.parts, []),
        Case(
            "imports, each in a fresh Python", times, [compare_times(times, USED, WHOLE, Target(at_most=IMPORT_TARGET))]
        ),
        Case("starting the engine", engine, []),
    ]
    return Figure("What a plan takes, and what `up` is made of", settings, cases, checks)


def _list_parts(cloud: Cloud, file: str) -> list[str]:
    """The parts of pulumi_aws that a plan loads."""
    names = (name.split(".") for name in cloud.list_modules("preview", file, "--json"))
    return sorted({name[1] for name in names if name[0] == "pulumi_aws" and len(name) == 3 and name[2] == "_inputs"})
