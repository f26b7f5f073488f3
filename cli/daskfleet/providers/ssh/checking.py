"""Look whether a fleet over SSH can be made. Nothing is changed on any host."""

from __future__ import annotations

from pathlib import Path

from daskfleet.providers.base import Check
from daskfleet.providers.ssh.crew import open_crew
from daskfleet.providers.ssh.environment import Environment
from daskfleet.providers.ssh.facts import (
    CLOCK_SECONDS,
    HostFacts,
    describe_host,
    find_host_problems,
    find_python_problem,
    find_shared_homes,
    find_version_problem,
)
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.probing import probe_host
from daskfleet.providers.ssh.shell import Shell
from daskfleet.providers.ssh.state import SCHEDULER, Place, SshState
from daskfleet_stacks.spec import SshFleetSpec
from daskfleet_stacks.versions import read_own_versions


async def check_hosts(spec: SshFleetSpec, state: SshState) -> list[Check]:
    """One check for each host, one for the scheduler's ports, and one for what hosts share."""
    environment = Environment(spec, state)
    places = {host.node: host.place for host in state.hosts}
    addresses = {place.address: node for node, place in places.items()}
    mine = addresses.get(state.scheduler.address, SCHEDULER)
    if mine == SCHEDULER:
        places[SCHEDULER] = state.scheduler

    async with open_crew() as crew:

        async def ask(node: str, shell: Shell) -> HostFacts:
            python = environment.find_python(places[node])
            return await probe_host(shell, places[node], python, working_directory=str(Path.cwd()))

        answers = await crew.each(places, ask)
    checks = [*environment.check(), *(_check_host(spec, environment, places[node], answers[node]) for node in places)]
    scheduler = answers[mine]
    if isinstance(scheduler, HostFacts):
        checks.append(_check_ports(spec, state, scheduler))
    shared = find_shared_homes(
        (places[node].describe(), answer) for node, answer in answers.items() if isinstance(answer, HostFacts)
    )
    told = "; ".join(f"{', '.join(names)} share one" for names in shared)
    checks.append(Check("home directories", found=told or "each host has its own"))
    return checks


def _check_host(spec: SshFleetSpec, environment: Environment, place: Place, answer: HostFacts | HostFailed) -> Check:
    name = place.describe()
    if isinstance(answer, HostFailed):
        return Check(name, problem=str(answer))
    problems = find_host_problems(answer, place.scratch)
    python = environment.find_python(place)
    if python:
        problem = find_python_problem(answer, python, spec.environment.mode)
        if not problem and spec.environment.mode == "same" and answer.python is not None:
            problem = find_version_problem(answer.python, read_own_versions())
        problems += [problem] if problem else []
    if abs(answer.clock_offset) > CLOCK_SECONDS and not problems:
        problems.append(
            f"its clock is {abs(answer.clock_offset):.0f} s off, so times in its log and on the dashboard mislead; let "
            "it ask a time server"
        )
    return Check(name, problem="\n".join(problems), found=describe_host(answer))


def _check_ports(spec: SshFleetSpec, state: SshState, facts: HostFacts) -> Check:
    asked = {"scheduler.port": spec.scheduler.port, "scheduler.dashboard_port": spec.scheduler.dashboard_port}
    mine = {state.scheduler_port, state.dashboard_port}  # Of the fleet itself, where it is up.
    taken = [
        f"{field}: {port} is taken on {state.scheduler.describe()}; end what listens there, choose another, or say auto"
        for field, port in asked.items()
        if port in facts.listening - mine
    ]
    return Check("ports", problem="\n".join(taken), found="those of the scheduler are free")
