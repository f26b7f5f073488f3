"""Fleets on this machine.

What is wanted is written first and made true after, so that whatever is interrupted is finished by the next `up` or
removed by the next `down`. Changes hold the fleet's lock; waiting for workers does not, so that a `down` need not wait
for an `up` that waits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from daskfleet.connections import describe_missing, load_connection
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, explain_os_errors, fleet_paths, make_private_folder, write_private_file
from daskfleet.interrupts import hold_interrupts
from daskfleet.lock import lock_fleet
from daskfleet.progress import Progress, Quiet
from daskfleet.providers.base import Check, Confirm, FleetStatus, LogLines, Provider, Summary, count_enough
from daskfleet.providers.local import documents, ports
from daskfleet.providers.local.processes import (
    await_end,
    end_processes,
    find_processes,
    find_runtime_folders,
)
from daskfleet.providers.local.state import (
    GroupState,
    LocalState,
    change_workers,
    choose_workers,
    describe_changes,
    find_refused_changes,
    read_state,
    size_groups,
)
from daskfleet.providers.local.supervisor import Supervisor, SupervisorGone
from daskfleet.providers.state_file import StateDamaged
from daskfleet.providers.supervision import render_supervisor_config
from daskfleet.reach import is_taken
from daskfleet_images.node.marks import NodeMarks, read_marks
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec, LocalFleetSpec
from daskfleet_stacks.spec.fields import MAX_WORKERS
from daskfleet_stacks.versions import read_own_versions

SCHEDULER = documents.SCHEDULER
DEFAULT_PORT = 8786
DEFAULT_DASHBOARD_PORT = 8787
PORT_ATTEMPTS = 3
POLL_SECONDS = 0.02
RETIRE_SECONDS = 90.0
GRACE_SECONDS = 10.0


class _PortLost(FleetError):
    """Somebody took a port between our look and the scheduler's start."""


class LocalProvider(Provider):
    """Fleets on this machine."""

    def up(
        self,
        spec: FleetSpec,
        progress: Progress,
        *,
        timeout: float | None = None,
        share: float = 1.0,
        confirm: Confirm | None = None,
    ) -> Connection:
        if not isinstance(spec, LocalFleetSpec):
            raise TypeError(f"not a local spec: {spec!r}")
        timeout = self.UP_SECONDS if timeout is None else timeout
        check_platform()
        paths = fleet_paths(spec.name)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            created = False
            try:
                with lock_fleet(spec.name, on_wait=progress.step):
                    created = not paths.state.exists()
                    state = self._apply(spec, paths, progress)
                self._wait(state, paths, progress, timeout, share)
            except _PortLost:
                if not created:
                    raise
                self.down(spec.name, progress)
                if attempt == PORT_ATTEMPTS:
                    raise
                progress.step("another program took the scheduler's port meanwhile; trying another")
            except BaseException:
                if created and paths.root.exists():
                    progress.step(f"removing what was begun of fleet '{spec.name}'")
                    with hold_interrupts():
                        self.down(spec.name, progress)
                raise
            else:
                return load_connection(spec.name)
        raise AssertionError("the loop returns or raises")

    def _apply(self, spec: LocalFleetSpec, paths: FleetPaths, progress: Progress) -> LocalState:
        """Make the fleet's files and processes what `spec` says. Called with the lock held."""
        try:
            old = read_state(paths)
        except StateDamaged as error:
            progress.step(f"{error} Starting the fleet afresh")
            old = None
        supervisor = self._supervisor(paths)
        running = old is not None and supervisor.is_running()
        if not running and find_processes(paths.root):
            progress.step("ending what is left of an earlier fleet of this name")
            self._end_processes(paths)
        state = self._decide(spec, old, running=running)
        if running and old is not None:
            self._change(old, state, paths, supervisor, progress)
        else:
            self._create(state, paths, supervisor, progress, fresh=old is None)
        return state

    def _decide(self, spec: LocalFleetSpec, old: LocalState | None, *, running: bool) -> LocalState:
        """The state that `spec` stands for on this machine."""
        scheduler = spec.scheduler
        taken: frozenset[int] = frozenset()
        decided = []
        for field, asked, preferred, current in (
            ("scheduler.port", scheduler.port, DEFAULT_PORT, old.scheduler_port if old else None),
            (
                "scheduler.dashboard_port",
                scheduler.dashboard_port,
                DEFAULT_DASHBOARD_PORT,
                old.dashboard_port if old else None,
            ),
        ):
            if running and current is not None:
                port = current if asked == "auto" else asked
            elif asked == "auto":
                port = ports.find_free_port(current or preferred, taken)
            elif is_taken(asked):
                raise FleetError(
                    f"{field}: {asked}: {ports.describe_holder(asked)} listens on this port; end it, choose another "
                    "port, or say auto."
                )
            else:
                port = asked
            decided.append(port)
            taken |= {port}
        return LocalState(
            spec=spec,
            scheduler_port=decided[0],
            dashboard_port=decided[1],
            groups=size_groups(spec, count_cpus, old.groups if old else ()),
            created=old.created if old else time.time(),
            working_directory=old.working_directory if running and old else str(Path.cwd()),
        )

    def _create(
        self, state: LocalState, paths: FleetPaths, supervisor: Supervisor, progress: Progress, *, fresh: bool
    ) -> None:
        """Write everything and start the supervisor: for a fleet that is new, or of which nothing runs."""
        make_private_folder(paths.root)
        write_private_file(paths.state, state.model_dump_json(indent=2))
        for folder in (paths.tls, paths.nodes, paths.logs, runtime_folder(paths), scratch_folder(paths)):
            make_private_folder(folder)
        with explain_os_errors(paths.runtime), contextlib.suppress(FileExistsError):
            paths.runtime.symlink_to(runtime_folder(paths))
        if fresh or not (paths.tls / "ca.pem").exists():
            progress.step("issuing the fleet's certificates")
            from daskfleet.providers.certificates import write_certificates

            write_certificates(state.spec.name, paths)
        for marks in paths.nodes.glob("*.marks.jsonl"):
            marks.unlink()
        self._write_nodes(state, paths)
        connection = documents.build_connection(state, paths, read_own_versions())
        write_private_file(paths.connection, json.dumps(dataclasses.asdict(connection), indent=2))
        progress.step("starting the supervisor")
        with explain_os_errors(paths.logs):
            supervisor.start(paths)

    def _write_nodes(self, state: LocalState, paths: FleetPaths) -> None:
        """Write the node documents and the supervisor's configuration, and remove those of groups that are gone."""
        nodes = [SCHEDULER, *(group.name for group in state.groups)]
        write_private_file(paths.document(SCHEDULER), documents.render_scheduler_document(state, paths))
        for group in state.groups:
            self._write_group(state, group, paths)
        write_private_file(paths.supervisor_config, render_supervisor_config(state.spec.name, nodes))
        for document in paths.nodes.glob("*.json"):
            if document.stem not in nodes:
                document.unlink()
                paths.marks(document.stem).unlink(missing_ok=True)

    def _write_group(self, state: LocalState, group: GroupState, paths: FleetPaths) -> None:
        text = documents.render_workers_document(state, group, paths, scratch_folder(paths))
        write_private_file(paths.document(group.name), text)

    def _change(
        self, old: LocalState, new: LocalState, paths: FleetPaths, supervisor: Supervisor, progress: Progress
    ) -> None:
        """Change a fleet that runs. New workers come before old ones go, so that there is somewhere for data to go."""
        refused = find_refused_changes(old, new)
        if refused:
            raise FleetError("this cannot be changed while the fleet runs:\n  " + "\n  ".join(refused))
        for line in describe_changes(old, new):
            progress.step(line)
        leaving = [group for group in old.groups if group.name not in {each.name for each in new.groups}]
        emptied = tuple(group.model_copy(update={"workers": ()}) for group in leaving)
        both = new.model_copy(update={"groups": (*new.groups, *emptied)})
        write_private_file(paths.state, new.model_dump_json(indent=2))
        arriving = [group for group in new.groups if group.name not in {each.name for each in old.groups}]
        if leaving and arriving:
            # First with the old workers still there, so that the new are ready to take their data.
            with_old = new.model_copy(update={"groups": (*new.groups, *leaving)})
            self._write_nodes(with_old, paths)
            supervisor.update([SCHEDULER, *(group.name for group in with_old.groups)])
            for group in arriving:
                self._await_group(group, paths, RETIRE_SECONDS)
        self._write_nodes(both, paths)
        supervisor.update([SCHEDULER, *(group.name for group in both.groups)])
        for group in both.groups:
            supervisor.reload(group.name)
        for group in emptied:
            self._await_group(group, paths, RETIRE_SECONDS)
        if emptied:
            self._write_nodes(new, paths)
            supervisor.update([SCHEDULER, *(group.name for group in new.groups)])

    def _await_group(self, group: GroupState, paths: FleetPaths, timeout: float) -> None:
        """Wait until a group has just its wanted workers, or the time is over."""
        deadline = time.monotonic() + timeout
        while set(read_marks(paths.marks(group.name)).registered) != set(group.workers):
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_SECONDS)

    def _wait(
        self, state: LocalState, paths: FleetPaths, progress: Progress, timeout: float, share: float = 1.0
    ) -> None:
        """Wait until the share of the wanted workers has registered.

        Raises:
            FleetError: the fleet went away meanwhile, the scheduler cannot run, or the time is over; with the reason
                that the nodes gave, or the end of their logs.
        """
        wanted = {group.name: group.workers for group in state.groups}
        total = sum(len(workers) for workers in wanted.values())
        enough = count_enough(share, total)
        supervisor = self._supervisor(paths)
        deadline = time.monotonic() + timeout
        look_at = time.monotonic() + 1.0
        told = ""
        progress.step("waiting for the scheduler")
        while True:
            marks = {node: read_marks(paths.marks(node)) for node in (SCHEDULER, *wanted)}
            done = sum(len(set(marks[name].registered) & set(workers)) for name, workers in wanted.items())
            if "registered" in marks[SCHEDULER].phases:
                progress.count("workers registered", done, total)
                extra = any(set(marks[name].registered) - set(workers) for name, workers in wanted.items())
                if done >= enough and not (extra and share == 1.0):
                    return
            failure = marks[SCHEDULER].failure
            if failure and "cannot listen" in failure:
                raise _PortLost(
                    f"{failure}. End what listens there; or take the fleet down, and up with another port or auto."
                )
            for name, mark in marks.items():
                if mark.failure and mark.failure != told:
                    told = mark.failure
                    progress.step(f"{name}: {told}")
            if time.monotonic() > look_at:
                look_at = time.monotonic() + 1.0
                if not supervisor.is_running():
                    with lock_fleet(state.spec.name):  # A `down` that is under way ends first.
                        pass
                    if not paths.state.exists():
                        raise FleetError(f"fleet '{state.spec.name}' was taken down while it was starting.")
                    raise FleetError(
                        f"the supervisor of fleet '{state.spec.name}' ended while the fleet was starting. "
                        f"`daskfleet up` tries again.\n{_tail(paths.logs / 'supervisord.log')}"
                    )
            if time.monotonic() > deadline:
                raise FleetError(self._describe_timeout(marks, wanted, paths, timeout))
            time.sleep(POLL_SECONDS)

    def _describe_timeout(
        self, marks: dict[str, NodeMarks], wanted: dict[str, tuple[str, ...]], paths: FleetPaths, timeout: float
    ) -> str:
        lines = []
        for node, mark in marks.items():
            missing = [worker for worker in wanted.get(node, ()) if worker not in mark.registered]
            if not missing and (node != SCHEDULER or "registered" in mark.phases):
                continue
            reached = ", ".join(mark.phases) or "nothing: its process did not start"
            who = f"missing {', '.join(missing)}; " if missing else ""
            lines.append(f"node {node}: {who}reached: {reached}" + (f"; {mark.failure}" if mark.failure else ""))
            lines.append(_tail(paths.log(node)))
        return f"not every worker registered within {timeout:g} s.\n" + "\n".join(lines)

    def check(self, spec: FleetSpec) -> list[Check]:
        try:
            check_platform()
        except FleetError as error:
            return [Check("system", str(error))]
        return [Check("system", found=platform.platform())]

    def read_spec(self, name: str) -> FleetSpec:
        return self._read_state(name).spec

    def summarise(self, name: str) -> Summary:
        state = self._read_state(name)
        return Summary({group.name: len(group.workers) for group in state.groups}, state.spec.tags)

    def down(self, name: str, progress: Progress, *, confirm: Confirm | None = None) -> bool:
        paths = fleet_paths(name)
        with lock_fleet(name, on_wait=progress.step):
            processes = find_processes(paths.root)
            if not paths.root.exists() and not processes:
                return False
            runtimes = find_runtime_folders(processes)
            if processes:
                progress.step(f"stopping {len(processes)} processes")
                supervisor = self._supervisor(paths)
                with contextlib.suppress(SupervisorGone):
                    supervisor.shutdown(last=SCHEDULER)
                    await_end(paths.root, GRACE_SECONDS)
            self._end_processes(paths)
            for folder in (*runtimes, runtime_folder(paths), paths.root):
                with explain_os_errors(folder), contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(folder)
        return True

    def _end_processes(self, paths: FleetPaths) -> None:
        """End what runs of the fleet, and look again.

        Raises:
            FleetError: something would not end.
        """
        left = end_processes(paths.root, grace=GRACE_SECONDS)
        if left:
            listed = ", ".join(f"{process.pid} ({process.name()})" for process in left)
            raise FleetError(f"these processes of the fleet do not end: {listed}. Its files were kept; try again.")

    def read_status(self, name: str) -> FleetStatus:
        from daskfleet.providers.local.status import read_local_status

        paths = fleet_paths(name)
        if not paths.root.is_dir():
            raise describe_missing(name)
        return read_local_status(name, paths, self._supervisor(paths))

    def scale(self, name: str, group: str, count: int, progress: Progress, *, timeout: float | None = None) -> None:
        timeout = self.UP_SECONDS if timeout is None else timeout
        if not 0 <= count <= MAX_WORKERS:
            raise FleetError(f"{count} workers: a group has at least 0 and at most {MAX_WORKERS}.")

        def change(state: LocalState) -> dict[str, tuple[str, ...]]:
            return {group: choose_workers(group, count, state.find_group(group).workers)}

        state, paths = self._change_workers(name, change, progress)
        if timeout > 0:
            self._wait(state, paths, progress, timeout)

    def remove_workers(self, name: str, workers: Collection[str]) -> None:
        def change(state: LocalState) -> dict[str, tuple[str, ...]]:
            return {
                group.name: tuple(worker for worker in group.workers if worker not in workers)
                for group in state.groups
                if set(group.workers) & set(workers)
            }

        self._change_workers(name, change, Quiet())

    def _change_workers(
        self, name: str, change: Callable[[LocalState], dict[str, tuple[str, ...]]], progress: Progress
    ) -> tuple[LocalState, FleetPaths]:
        """Change the wanted workers of some groups, and have their nodes follow."""
        paths = fleet_paths(name)
        with lock_fleet(name, on_wait=progress.step):
            state = self._read_state(name)
            supervisor = self._supervisor(paths)
            if not supervisor.is_running():
                raise FleetError(f"fleet '{name}' does not run. `daskfleet up {name}` starts it again.")
            changes = change(state)
            state = change_workers(state, changes)
            write_private_file(paths.state, state.model_dump_json(indent=2))
            for group in changes:
                self._write_group(state, state.find_group(group), paths)
                supervisor.reload(group)
        return state, paths

    def list_groups(self, name: str) -> dict[str, tuple[str, ...]]:
        return {group.name: group.workers for group in self._read_state(name).groups}

    def read_logs(self, name: str, node: str | None, *, lines: int, follow: bool) -> LogLines:
        from daskfleet.services.logs import LogFile, follow_logs, read_log_files

        paths = fleet_paths(name)
        nodes = [SCHEDULER, *self.list_groups(name)]
        if node is not None and node not in nodes:
            raise FleetError(f"fleet '{name}' has no node '{node}'; it has: {', '.join(nodes)}.")
        files = [LogFile(each, str(paths.log(each))) for each in nodes if node in (None, each)]
        found = (
            follow_logs(files, lines, is_over=lambda: not paths.root.exists())
            if follow
            else read_log_files(files, lines)
        )
        return LogLines(tuple(file.node for file in files), found)

    def _read_state(self, name: str) -> LocalState:
        paths = fleet_paths(name)
        try:
            state = read_state(paths)
        except StateDamaged as error:
            raise FleetError(
                f"{error} `daskfleet up FILE` starts the fleet afresh; `daskfleet down {name}` removes it."
            ) from None
        if state is None:
            raise describe_missing(name)
        return state

    def _supervisor(self, paths: FleetPaths) -> Supervisor:
        return Supervisor(runtime_folder(paths) / "supervisor.sock")


def check_platform() -> None:
    """Fail where local fleets cannot run.

    Raises:
        FleetError: this is not a POSIX system.
    """
    if os.name != "posix":
        raise FleetError(
            f"local fleets need a POSIX system (Linux, macOS), and this is {platform.system()}. Use WSL, or a fleet on "
            "another provider."
        )


def runtime_folder(paths: FleetPaths) -> Path:
    """A private folder on a local disk, for the supervisor's socket and what workers spill.

    Not below the fleet's folder: a socket's path has at most 104 bytes (macOS) or 108 (Linux), and a home directory
    may be on a network. A link in the fleet's folder remembers it: another shell may have another `TMPDIR`.
    """
    with contextlib.suppress(OSError):
        return paths.runtime.readlink()
    digest = hashlib.sha256(str(paths.root).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"daskfleet-{os.getuid()}-{digest}"


def scratch_folder(paths: FleetPaths) -> Path:
    """Where the fleet's workers spill: Dask's `temporary-directory` does not apply, so that `down` can clean up."""
    return runtime_folder(paths) / "scratch"


def count_cpus() -> int:
    """The cores that this process may use; Dask's count heeds affinity and control groups."""
    from dask.system import CPU_COUNT

    return CPU_COUNT


def _tail(path: Path, lines: int = 15) -> str:
    """The end of a log, indented."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return f"  (no log at {path})"
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])
