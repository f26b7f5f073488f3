"""Fleets on machines that are reached by SSH.

Changes hold the fleet's lock. Everything of a fleet on a host is below one folder, and every process of it is marked
with that folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ClassVar

from daskfleet.connections import describe_missing, load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, fleet_paths
from daskfleet.interrupts import hold_interrupts, run_interruptible
from daskfleet.lock import lock_fleet
from daskfleet.progress import Progress, Quiet
from daskfleet.providers.base import Check, Confirm, FleetStatus, LogLines, Provider, Summary
from daskfleet.providers.ssh import documents
from daskfleet.providers.ssh.crew import open_crew
from daskfleet.providers.ssh.login import HostFailed
from daskfleet.providers.ssh.nodes import reload_node
from daskfleet.providers.ssh.shell import Shell
from daskfleet.providers.ssh.state import (
    SshState,
    list_workers,
    load_state,
    plan_state,
    read_state,
    render_spec,
    spread_workers,
    write_state,
)
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec, SshFleetSpec
from daskfleet_stacks.spec.fields import MAX_WORKERS

LOCK_SECONDS = 600.0
"""An `up` of many hosts may take minutes."""


class SshProvider(Provider):
    """Fleets on machines that are reached by SSH."""

    WATCH_SECONDS: ClassVar[float] = 5.0

    def up(
        self,
        spec: FleetSpec,
        progress: Progress,
        *,
        timeout: float | None = None,
        share: float = 1.0,
        confirm: Confirm | None = None,
    ) -> Connection:
        from daskfleet.providers.ssh.creation import Creation

        if not isinstance(spec, SshFleetSpec):
            raise TypeError(f"not a spec of a fleet over SSH: {spec!r}")
        paths = fleet_paths(spec.name)
        timeout = self.UP_SECONDS if timeout is None else timeout
        creation = Creation(spec, paths, progress, timeout=timeout, share=share)
        with lock_fleet(spec.name, timeout=LOCK_SECONDS, on_wait=progress.step):
            try:
                return run_interruptible(creation.run())
            except BaseException as error:
                if creation.created and paths.state.exists():
                    progress.step(f"removing what was begun of fleet '{spec.name}'")
                    self._undo(spec.name, paths, progress, error)
                raise

    def _undo(self, name: str, paths: FleetPaths, progress: Progress, reason: BaseException) -> None:
        """Remove what an `up` has begun.

        Raises:
            FleetError: that could not be done everywhere; with why the `up` stopped, too.
        """
        try:
            with hold_interrupts():
                self._tear_down(name, paths, progress)
        except FleetError as error:
            why = f"{reason}\n" if isinstance(reason, FleetError) else ""
            raise FleetError(f"{why}{error}") from None

    def check(self, spec: FleetSpec) -> list[Check]:
        from daskfleet.providers.ssh.checking import check_hosts

        assert isinstance(spec, SshFleetSpec)
        old = read_state(fleet_paths(spec.name))
        state = plan_state(spec, old, new_id="", now=time.time(), working_directory=str(Path.cwd()))
        return run_interruptible(check_hosts(spec, state))

    def read_spec(self, name: str) -> FleetSpec:
        return render_spec(load_state(name))

    def summarise(self, name: str) -> Summary:
        state = load_state(name)
        counts = {
            group: sum(len(host.workers) for host in hosts if not host.problem) for group, hosts in state.groups.items()
        }
        return Summary(counts, state.spec.tags)

    def down(self, name: str, progress: Progress, *, confirm: Confirm | None = None) -> bool:
        paths = fleet_paths(name)
        with lock_fleet(name, timeout=LOCK_SECONDS, on_wait=progress.step):
            if not paths.root.exists():
                return False
            self._tear_down(name, paths, progress)
        return True

    def _tear_down(self, name: str, paths: FleetPaths, progress: Progress) -> None:
        from daskfleet.providers.ssh.teardown import tear_down

        run_interruptible(tear_down(load_state(name), paths, progress))

    def read_status(self, name: str) -> FleetStatus:
        from daskfleet.providers.ssh.status import read_ssh_status

        paths = fleet_paths(name)
        if not paths.root.is_dir():
            raise describe_missing(name)
        return read_ssh_status(name, paths)

    def scale(self, name: str, group: str, count: int, progress: Progress, *, timeout: float | None = None) -> None:
        timeout = self.UP_SECONDS if timeout is None else timeout
        if not 0 <= count <= MAX_WORKERS:
            raise FleetError(f"{count} workers: a group has at least 0 and at most {MAX_WORKERS}.")

        def change(state: SshState) -> dict[str, tuple[str, ...]]:
            hosts = state.find_group(group)
            # One that no `up` has come to yet has not been asked what it has.
            workers = spread_workers([host for host in hosts if host.sizes is not None], count)
            if not workers and count:
                problems = "\n".join(
                    f"  {host.place.describe()}: {host.problem or f'not yet; `daskfleet up {name}` adds it'}"
                    for host in hosts
                )
                raise FleetError(f"no host of group '{group}' is in the fleet:\n{problems}")
            return workers

        state, leaving = self._change_workers(name, change, progress)
        if timeout > 0:
            run_interruptible(self._await(state, leaving, fleet_paths(name), progress, timeout))

    async def _await(
        self, state: SshState, leaving: Collection[str], paths: FleetPaths, progress: Progress, seconds: float
    ) -> None:
        from daskfleet.providers.ssh.waiting import await_workers

        connection = load_connection(state.spec.name)
        async with open_crew() as crew:
            await await_workers(crew, state, connection, paths, progress, seconds=seconds, others=leaving)

    def remove_workers(self, name: str, workers: Collection[str]) -> None:
        def change(state: SshState) -> dict[str, tuple[str, ...]]:
            return {
                host.node: tuple(worker for worker in host.workers if worker not in workers)
                for host in state.hosts
                if set(host.workers) & set(workers)
            }

        self._change_workers(name, change, Quiet())

    def _change_workers(
        self, name: str, change: Callable[[SshState], Mapping[str, tuple[str, ...]]], progress: Progress
    ) -> tuple[SshState, set[str]]:
        """Change the wanted workers of some hosts, and have their nodes follow; returns who leaves, too."""
        paths = fleet_paths(name)
        with lock_fleet(name, timeout=LOCK_SECONDS, on_wait=progress.step):
            state = load_state(name)
            by_node = {host.node: host for host in state.hosts}
            changed = {
                node: by_node[node].model_copy(update={"workers": workers})
                for node, workers in change(state).items()
                if workers != by_node[node].workers
            }
            leaving = {worker for node, host in changed.items() for worker in by_node[node].workers} - {
                worker for host in changed.values() for worker in host.workers
            }
            state = state.replace_hosts(changed)
            write_state(state, paths)
            failed = run_interruptible(self._reload(state, list(changed)))
        if failed:
            told = "\n".join(f"  {node}: {error}" for node, error in failed.items())
            raise FleetError(
                f"not every host of fleet '{name}' could be told; `daskfleet up {name}` tells them again:\n{told}"
            )
        return state, leaving

    async def _reload(self, state: SshState, nodes: Collection[str]) -> dict[str, HostFailed]:
        hosts = {host.node: host for host in state.hosts if host.node in nodes}
        async with open_crew() as crew:

            async def reload(node: str, shell: Shell) -> None:
                await reload_node(shell, state, node, documents.render_workers_document(state, hosts[node]))

            outcome = await crew.each({node: host.place for node, host in hosts.items()}, reload)
        return {node: result for node, result in outcome.items() if isinstance(result, HostFailed)}

    def list_groups(self, name: str) -> dict[str, tuple[str, ...]]:
        return list_workers(load_state(name))

    def read_logs(self, name: str, node: str | None, *, lines: int, follow: bool) -> LogLines:
        from daskfleet.providers.ssh.logs import read_logs

        paths = fleet_paths(name)
        return read_logs(load_state(name), node, lines=lines, follow=follow, is_over=lambda: not paths.root.exists())
