"""The plan of one fleet in each cloud: its time, its memory, and whose packages it imports.

The engine is the real one; its plugins and the clouds are the stand-ins of the tests.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from benchmarks.measure import BenchmarkFailed, Case, Check, Figure, Target, compare_times, take_turns
from benchmarks.regions import Runner
from benchmarks.workspace import Workspace

PACKAGES = {
    "aws": ("pulumi_aws", "boto3", "botocore"),
    "azure": ("pulumi_azure_native", "azure", "msal"),
    "gcp": ("pulumi_gcp", "google.auth"),
}
"""Each cloud's own. (Of `google`, protocol buffers are Pulumi's.)"""


def measure(workspace: Workspace, rounds: int) -> Figure:
    """Plans of a new fleet with one worker group and a network of its own."""
    with contextlib.ExitStack() as stack:
        runners = {provider: stack.enter_context(open_runner(workspace, provider)) for provider in PACKAGES}
        files = {name: _write_fleet(runner) for name, runner in runners.items()}
        commands = {name: [*each.daskfleet, "preview", files[name], "--json"] for name, each in runners.items()}
        counts = {name: each.measure_memory(commands[name]) for name, each in runners.items()}
        plans = take_turns({name: lambda n=name: [runners[n].run(commands[n])[0]] for name in runners}, rounds)
        programs = take_turns(
            {
                name: lambda n=name: [
                    runners[n].run([sys.executable, "-c", f"import daskfleet_stacks.deploy, daskfleet_stacks.{n}"])[0]
                ]
                for name in runners
            },
            rounds,
        )
        checks = [_check_imports(name, runner, files[name]) for name, runner in runners.items()]
    others = [name for name in runners if name != "aws"]
    settings = {
        "rounds": rounds,
        "measured": "`daskfleet preview FILE` of a new fleet with one worker group, the whole process; its memory in a "
        "run of its own: the most that all processes had at a moment, shared pages counted once",
        "memory": "the plugins are the stand-ins of the tests, processes of Python; those of Pulumi are larger",
    }
    cases = [
        Case("a plan", plans, [compare_times(plans, name, "aws", None) for name in others], counts=counts),
        Case(
            "importing the program of a fleet",
            programs,
            [compare_times(programs, name, "aws", None) for name in others],
        ),
    ]
    return Figure("What a plan takes in each cloud", settings, cases, checks)


def _check_imports(provider: str, runner: Runner, file: str) -> Check:
    loaded = runner.list_modules("preview", file, "--json")
    foreign = [
        name
        for other, packages in PACKAGES.items()
        if other != provider
        for name in loaded
        if any(f"{name}.".startswith(f"{package}.") for package in packages)
    ]
    return Check(
        f"modules of other clouds' packages that a plan in {provider} imports",
        len(foreign),
        Target(at_most=0),
        {"modules": foreign},
    )


def _write_fleet(runner: Runner) -> str:
    text: str = runner.region.cli.write(runner.region.render_fleet("plan", access="{mode: private}"), "plan.yaml")
    return text


@contextlib.contextmanager
def open_runner(workspace: Workspace, provider: str) -> Iterator[Runner]:
    """A cloud of the tests, with the engine, which is built if it is not there."""
    import pytest

    from clouds.conftest import CLOUDS
    from clouds.region import open_region
    from engine.engine import require_engine
    from harness import find_cache

    try:
        engine = require_engine(find_cache())
    except pytest.skip.Exception as skipped:
        raise BenchmarkFailed(str(skipped)) from None
    folder = workspace.folder / provider
    folder.mkdir()
    with open_region(CLOUDS[provider].region, folder, engine) as region:
        yield Runner(region)
