"""`up` of a fleet over SSH.

What is wanted is written first and made true after, so that whatever is interrupted is finished by the next `up` or
removed by the next `down`. A host that cannot be used does not stop the others.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from daskfleet.connections import load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, make_private_folder, write_private_file
from daskfleet.progress import Progress
from daskfleet.providers.certificates import write_certificates
from daskfleet.providers.ssh import documents
from daskfleet.providers.ssh.bundle import build_bundle, render_node_command
from daskfleet.providers.ssh.crew import Crew, open_crew
from daskfleet.providers.ssh.deciding import choose_port, decide_address, decide_host
from daskfleet.providers.ssh.environment import Environment
from daskfleet.providers.ssh.facts import (
    HostFacts,
    find_host_problems,
    find_python_problem,
    find_version_problem,
    read_versions,
)
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.nodes import install_node, look_at_node, reload_node, start_node, stop_node
from daskfleet.providers.ssh.probing import probe_host
from daskfleet.providers.ssh.shell import Shell
from daskfleet.providers.ssh.state import (
    SCHEDULER,
    HostState,
    Place,
    SshState,
    find_refused_changes,
    plan_state,
    read_state,
    write_state,
)
from daskfleet.providers.ssh.waiting import (
    await_scheduler,
    await_workers,
    find_route,
    list_addresses,
    retire_hosts,
)
from daskfleet_stacks.connection import Connection, Versions
from daskfleet_stacks.spec import SshFleetSpec

SCHEDULER_PORT, DASHBOARD_PORT = 8786, 8787


class Creation:
    """One `up`: from the spec to a fleet that has been made so. Called with the fleet's lock held."""

    def __init__(
        self, spec: SshFleetSpec, paths: FleetPaths, progress: Progress, *, timeout: float, share: float
    ) -> None:
        self.created = False
        """Whether this `up` began the fleet, so that it is removed again where it fails."""
        self._spec = spec
        self._paths = paths
        self._progress = progress
        self._timeout = timeout
        self._share = share
        self._facts: dict[str, HostFacts] = {}
        """By node."""
        self._running: set[str] = set()
        """Nodes that ran already."""

    async def run(self) -> Connection:
        """Make it so."""
        old = read_state(self._paths)
        state = plan_state(
            self._spec, old, new_id=secrets.token_hex(4), now=time.time(), working_directory=str(Path.cwd())
        )
        refused = find_refused_changes(old, state) if old is not None else []
        if refused:
            raise FleetError("this cannot be changed while the fleet runs:\n  " + "\n  ".join(refused))
        self.created = old is None
        environment = Environment(self._spec, state)
        for check in environment.check():
            if not check.ok:
                raise FleetError(check.problem)
        make_private_folder(self._paths.root)
        write_state(state, self._paths)
        if not (self._paths.tls / "ca.pem").exists():
            self._progress.step("issuing the fleet's certificates")
            write_certificates(self._spec.name, self._paths)
        async with open_crew() as crew:
            state = await self._ask_hosts(crew, state, environment)
            state = await self._remove_changed(crew, state)
            state = self._touch(state)
            known = {} if self.created else await asyncio.to_thread(list_addresses, self._spec.name)
            state, versions = await self._install(crew, state, environment)
            await await_scheduler(crew, state, self._timeout)
            connection = await asyncio.to_thread(
                find_route, state, self._paths, versions, self._progress, was_running=SCHEDULER in self._running
            )
            write_private_file(self._paths.connection, json.dumps(dataclasses.asdict(connection), indent=2))
            await await_workers(
                crew,
                state,
                connection,
                self._paths,
                self._progress,
                seconds=self._timeout,
                share=self._share,
                stale=self._find_stale(state, known),
            )
            # Those that are not wanted any more give their data to those that have come.
            state = await self._remove(crew, state, state.leaving)
        state = state.model_copy(update={"complete": True})
        write_state(state, self._paths)
        for host in state.hosts:
            if host.problem:
                self._progress.step(f"not in the fleet: {host.place.describe()}: {host.problem}")
        if any(host.problem for host in state.hosts):
            self._progress.step(f"`daskfleet up {self._spec.name}` adds them when that is mended")
        return connection

    def _find_stale(self, state: SshState, known: Mapping[str, str]) -> frozenset[str]:
        """Addresses of workers that are gone with their nodes, which the scheduler may not have noticed."""
        started = [host for host in state.hosts if host.node not in self._running]
        return frozenset(known[worker] for host in started for worker in host.workers if worker in known)

    async def _ask_hosts(self, crew: Crew, state: SshState, environment: Environment) -> SshState:
        """Ask each host what it is like, and decide what the spec leaves open; one of no use gets a problem."""
        places = {host.node: host.place for host in state.hosts}
        self._progress.step(f"logging in to {len(places)} host{'s' if len(places) != 1 else ''}")
        mine = self._find_scheduler_node(state)
        if mine == SCHEDULER:
            places = {SCHEDULER: state.scheduler, **places}

        async def ask(node: str, shell: Shell) -> HostFacts:
            python = environment.find_python(places[node])
            return await probe_host(shell, places[node], python, working_directory=state.working_directory)

        answers = await crew.each(places, ask, lambda done, total: self._progress.count("hosts asked", done, total))
        self._facts = {node: answer for node, answer in answers.items() if isinstance(answer, HostFacts)}
        settled = {host.node for host in state.hosts if host.sizes is not None and host.touched}
        settled |= {mine, SCHEDULER} if state.scheduler_touched and state.scheduler_port else set()
        problems = {
            node: self._judge(places[node], answer, environment, is_new=node not in settled)
            for node, answer in answers.items()
        }
        if problems[mine]:
            raise FleetError(f"the scheduler's host {state.scheduler.describe()} cannot be used: {problems[mine]}")
        self._facts[SCHEDULER] = self._facts[mine]
        state = self._decide_scheduler(state)
        hosts = []
        for host in state.hosts:
            problem = problems[host.node]
            if not problem:
                host, problem = decide_host(self._settle(state, host), self._facts[host.node])
            if problem:
                self._progress.step(f"{host.place.describe()}: {problem}")
            hosts.append(host.model_copy(update={"problem": problem}))
        return state.model_copy(update={"hosts": tuple(hosts)})

    def _settle(self, state: SshState, host: HostState) -> HostState:
        """The host with its folders, which a node that runs keeps."""
        if host.folder:
            return host
        folder = documents.absolute(self._facts[host.node].home, state.folder(host.node))
        return host.model_copy(update={"folder": folder, "working_directory": self._find_directory(state, host.node)})

    def _find_directory(self, state: SshState, node: str) -> str:
        """Where a node's tasks start: where `up` was called, where the host has that folder."""
        facts = self._facts[node]
        return state.working_directory if facts.values.get("folder") == "yes" else facts.home

    def _find_scheduler_node(self, state: SshState) -> str:
        """Name of a node on the scheduler's host: of the workers there, if it has some."""
        for host in state.hosts:
            if host.place.address == state.scheduler.address:
                return host.node
        return SCHEDULER

    def _judge(self, place: Place, answer: HostFacts | HostFailed, environment: Environment, *, is_new: bool) -> str:
        """What keeps the host from being used; empty where nothing does.

        Args:
            is_new: whether nothing of the fleet is on it: what runs already is left running on a disk that is full.
        """
        if isinstance(answer, HostFailed):
            return str(answer)
        problems = find_host_problems(answer, place.scratch) if is_new else []
        python = environment.find_python(place)
        if not problems and python:
            problem = find_python_problem(answer, python, self._spec.environment.mode)
            problems = [problem] if problem else []
        return "; ".join(problems)

    def _decide_scheduler(self, state: SshState) -> SshState:
        facts = self._facts[SCHEDULER]
        port, dashboard = state.scheduler_port, state.dashboard_port
        if not port:
            taken = facts.listening
            asked = self._spec.scheduler
            where = state.scheduler.describe()
            spoken = taken if asked.dashboard_port == "auto" else taken | {asked.dashboard_port}
            port = choose_port("scheduler.port", asked.port, SCHEDULER_PORT, spoken, where)
            dashboard = choose_port(
                "scheduler.dashboard_port", asked.dashboard_port, DASHBOARD_PORT, taken | {port}, where
            )
        others = [self._facts[host.node] for host in state.hosts if host.node in self._facts]
        address = state.scheduler_host or decide_address(self._spec, state.scheduler, facts, others)
        return state.model_copy(update={"scheduler_port": port, "dashboard_port": dashboard, "scheduler_host": address})

    def _touch(self, state: SshState) -> SshState:
        """Write down where something will be, before it is there."""
        hosts = tuple(host.model_copy(update={"touched": host.touched or not host.problem}) for host in state.hosts)
        state = state.model_copy(update={"hosts": hosts, "scheduler_touched": True})
        if not any(not host.problem for host in hosts):
            told = "\n".join(f"  {host.place.describe()}: {host.problem}" for host in hosts)
            raise FleetError(f"no host of fleet '{self._spec.name}' can be used:\n{told}")
        write_state(state, self._paths)
        return state

    async def _install(self, crew: Crew, state: SshState, environment: Environment) -> tuple[SshState, Versions]:
        """Put the nodes on their hosts and start them, all at once."""
        places = {SCHEDULER: state.scheduler}
        places |= {host.node: host.place for host in state.hosts if not host.problem}
        self._progress.step(f"starting {len(places)} nodes")
        running = self._running

        async def install(node: str, shell: Shell) -> list[str]:
            if not self.created and (await look_at_node(shell, state, node)).supervisor is not None:
                running.add(node)
            if node in running and node == SCHEDULER:
                return [SCHEDULER]
            folder = documents.absolute(self._facts[node].home, state.folder(node))
            if node in running:
                await reload_node(shell, state, node, self._render_document(state, node, folder))
                return [node]
            return await install_node(shell, state, node, self._bundle(state, node, folder, environment))

        outcome = await crew.each(places, install)
        state = self._note_failures(state, outcome)
        installed = {node: siblings for node, siblings in outcome.items() if isinstance(siblings, list)}
        failures, told = await environment.provide(crew, places, installed, self._facts, self._progress)
        state = self._note_failures(state, failures)
        self._facts |= told
        versions = self._choose_versions(state)
        state = self._check_versions(state, versions)
        usable = {node: places[node] for node in installed if not self._find_problem(state, node)}

        async def start(node: str, shell: Shell) -> None:
            if node not in running:
                facts = self._facts[node]
                unit = state.unit_name(node) if facts.has_manager else ""
                await start_node(shell, state, node, unit=unit, machine_id=facts.values.get("machine_id", ""))

        state = self._note_failures(
            state,
            await crew.each(usable, start, lambda done, total: self._progress.count("nodes started", done, total)),
        )
        write_state(state, self._paths)
        return state, versions

    def _find_problem(self, state: SshState, node: str) -> str:
        return next((host.problem for host in state.hosts if host.node == node), "")

    def _note_failures(self, state: SshState, outcome: Mapping[str, object]) -> SshState:
        """Hosts on which something failed are left out; without its scheduler there is no fleet."""
        failed = {node: str(result) for node, result in outcome.items() if isinstance(result, HostFailed)}
        if SCHEDULER in failed:
            raise FleetError(f"the scheduler could not be started on {state.scheduler.describe()}: {failed[SCHEDULER]}")
        changed = {
            host.node: host.model_copy(update={"problem": failed[host.node]})
            for host in state.hosts
            if host.node in failed
        }
        for host in changed.values():
            self._progress.step(f"{host.place.describe()}: {host.problem}")
        return state.replace_hosts(changed)

    def _choose_versions(self, state: SshState) -> Versions:
        facts = self._facts[SCHEDULER]
        assert facts.python is not None
        return read_versions(facts.python)

    def _check_versions(self, state: SshState, versions: Versions) -> SshState:
        outcome: dict[str, object] = {}
        for host in state.hosts:
            facts = self._facts.get(host.node)
            if host.problem or facts is None or facts.python is None:
                continue
            problem = find_version_problem(facts.python, versions)
            if problem:
                outcome[host.node] = HostFailed(problem)
        return self._note_failures(state, outcome)

    def _render_document(self, state: SshState, node: str, folder: str) -> str:
        if node == SCHEDULER:
            return documents.render_scheduler_document(state, folder, self._find_directory(state, node))
        return documents.render_workers_document(state, next(host for host in state.hosts if host.node == node))

    def _bundle(self, state: SshState, node: str, folder: str, environment: Environment) -> bytes:
        host = next((host for host in state.hosts if host.node == node), None)
        place = state.scheduler if host is None else host.place
        python = environment.find_python(place) or environment.path(self._facts[node].home)
        files = {
            f"nodes/{node}.json": self._render_document(state, node, folder),
            **documents.read_tls_texts(self._paths, "worker" if host else SCHEDULER),
        }
        settings = {
            "python": python,
            "node_command": render_node_command(python, folder),
            "runtime": state.runtime(node, place),
            "nice": str(host.asked.nice if host else 0),
        }
        return build_bundle(node, self._spec.name, files, settings)

    async def _remove_changed(self, crew: Crew, state: SshState) -> SshState:
        """Hosts that begin anew with other settings give up what they have first."""
        names = {host.node for host in state.hosts}
        return await self._remove(crew, state, [host for host in state.leaving if host.node in names])

    async def _remove(self, crew: Crew, state: SshState, leaving: Iterable[HostState]) -> SshState:
        """Have hosts hand their data over, and leave them without a trace."""
        leaving = list(leaving)
        if not leaving:
            return state
        if self._paths.connection.exists():
            await retire_hosts(leaving, load_connection(self._spec.name), self._paths, self._progress)
        by_node = {host.node: host for host in leaving}
        for host in leaving:
            self._progress.step(f"{host.place.describe()}: removing what it had")

        async def stop(node: str, shell: Shell) -> None:
            await stop_node(shell, state, node, by_node[node].place)

        outcome = await crew.each({node: host.place for node, host in by_node.items()}, stop)
        failed = {node: result for node, result in outcome.items() if isinstance(result, HostFailed)}
        for node, error in failed.items():
            self._progress.step(f"{by_node[node].place.describe()}: what it had is still there: {error}")
        kept = [host for host in state.leaving if host.node not in by_node or host.node in failed]
        problems = {
            host.node: host.model_copy(update={"problem": f"what it had before is still there: {failed[host.node]}"})
            for host in state.hosts
            if host.node in failed
        }
        return state.replace_hosts(problems).model_copy(update={"leaving": tuple(kept)})
