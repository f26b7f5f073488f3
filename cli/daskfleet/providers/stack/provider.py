"""Fleets in a cloud, each a stack. Changes hold the fleet's lock; waiting for machines does not."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from daskfleet.connections import describe_missing
from daskfleet.errors import FleetError
from daskfleet.home import FleetPaths, fleet_paths
from daskfleet.interrupts import hold_interrupts
from daskfleet.lock import lock_fleet
from daskfleet.progress import Progress
from daskfleet.providers.base import Check, Confirm, Declined, FleetStatus, LogLines, Provider, Summary
from daskfleet.providers.stack.cloud import Cloud
from daskfleet.providers.stack.clouds import load_cloud, load_cloud_of_spec, load_cloud_of_state
from daskfleet.providers.stack.plan import Plan
from daskfleet.providers.stack.remembered import load_state
from daskfleet.providers.stack.state import read_state
from daskfleet.providers.state_file import StateDamaged
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec

LOCK_SECONDS = 3600.0
"""How long to wait for another command that changes the fleet: the engine takes its time."""


class StackProvider(Provider):
    """Fleets of one cloud."""

    UP_SECONDS: ClassVar[float] = 600.0
    WATCH_SECONDS: ClassVar[float] = 5.0
    UNIT: ClassVar[str] = "machine"

    def __init__(self, provider: str, region: str | None = None, account: str | None = None) -> None:
        self._provider = provider
        self._region = region
        self._account = account or ""

    def up(
        self,
        spec: FleetSpec,
        progress: Progress,
        *,
        timeout: float | None = None,
        share: float = 1.0,
        confirm: Confirm | None = None,
    ) -> Connection:
        from daskfleet.providers.stack.creation import Creation
        from daskfleet.providers.stack.waiting import Waiter, WorkersMissing

        timeout = self.UP_SECONDS if timeout is None else timeout
        paths = fleet_paths(spec.name)
        cloud = _open_cloud(spec)
        spec = cloud.settle(spec)
        creation = Creation(spec, cloud, paths, progress)
        try:
            with lock_fleet(spec.name, timeout=LOCK_SECONDS, on_wait=progress.step):
                connection, state = creation.run(confirm)
            wanted = {group.name: group.count for group in state.groups}
            waiter = Waiter(cloud, spec.name, state.resources, wanted, progress, fallback=state.fallback_groups)
            waiter.wait(timeout, share)
        except WorkersMissing:
            raise  # Those that came up serve.
        except BaseException as error:
            if creation.created and paths.root.exists():
                self._undo(spec.name, cloud, progress, error)
            raise
        return connection

    def _undo(self, name: str, cloud: Cloud, progress: Progress, reason: BaseException) -> None:
        """Remove what an `up` has begun.

        Raises:
            FleetError: that could not be done; with why the `up` stopped, too.
        """
        if not isinstance(reason, Declined):
            progress.step(f"removing what was begun of fleet '{name}'")
        try:
            with hold_interrupts():
                self._tear_down(name, cloud, progress, confirm=None)
        except FleetError as error:
            why = f"{reason}\n" if isinstance(reason, FleetError) else ""
            raise FleetError(
                f"{why}What was begun of fleet '{name}' could not be removed: {error}\nIt is still there, and costs: "
                f"`daskfleet up` goes on with it, `daskfleet down {name}` removes it."
            ) from None

    def preview(self, spec: FleetSpec, progress: Progress, *, refresh: bool = False) -> Plan:
        from daskfleet.providers.stack.previewing import preview_fleet

        cloud = _open_cloud(spec)
        spec = cloud.settle(spec)
        with lock_fleet(spec.name, timeout=LOCK_SECONDS, on_wait=progress.step):
            return preview_fleet(spec, cloud, fleet_paths(spec.name), progress, refresh=refresh)

    def check(self, spec: FleetSpec) -> list[Check]:
        from daskfleet.providers.stack.checks import run_checks

        return run_checks(_open_cloud(spec), spec)

    def down(self, name: str, progress: Progress, *, confirm: Confirm | None = None) -> bool:
        return self._tear_down(name, None, progress, confirm=confirm)

    def _tear_down(self, name: str, cloud: Cloud | None, progress: Progress, *, confirm: Confirm | None) -> bool:
        from daskfleet.providers.stack.teardown import Teardown

        paths = fleet_paths(name)
        with lock_fleet(name, timeout=LOCK_SECONDS, on_wait=progress.step):
            if cloud is None:
                cloud = self._find_cloud(name, paths)
            return Teardown(name, cloud, paths, progress).run(confirm)

    def _find_cloud(self, name: str, paths: FleetPaths) -> Cloud:
        """The cloud that the fleet is in: as it was given, or as this machine remembers."""
        if self._region is not None:
            return load_cloud(self._provider, self._region, self._account)
        try:
            state = read_state(paths)
        except StateDamaged:
            state = None
        if state is None:
            raise FleetError(
                f"nothing here says which region fleet '{name}' is in; say `--provider {self._provider} --region "
                "REGION`."
            )
        return load_cloud_of_state(state)

    def read_spec(self, name: str) -> FleetSpec:
        from daskfleet_stacks.spec import parse_fleet_spec

        state = load_state(name)
        if state.spec is None:
            raise FleetError(
                f"fleet '{name}' was made elsewhere, and this machine has only its connection. Who made it can change "
                "it."
            )
        return parse_fleet_spec(state.spec, f"the state of fleet '{name}'")

    def summarise(self, name: str) -> Summary:
        state = load_state(name)
        tags = (state.spec or {}).get("tags", {})
        return Summary({group.name: group.workers for group in state.groups}, tags)

    def read_status(self, name: str) -> FleetStatus:
        from daskfleet.providers.stack.status import read_stack_status

        paths = fleet_paths(name)
        if not paths.root.is_dir():
            raise describe_missing(name)
        return read_stack_status(name, self._provider, paths)

    def scale(self, name: str, group: str, count: int, progress: Progress, *, timeout: float | None = None) -> None:
        from daskfleet.providers.stack.scaling import scale_group

        timeout = self.UP_SECONDS if timeout is None else timeout
        scale_group(name, group, count, progress, timeout=timeout)

    def count_units(self, name: str, group: str, workers: int) -> int:
        from daskfleet.providers.stack.scaling import plan_machines

        return plan_machines(workers, load_state(name).find_group(name, group).workers_per_machine)

    def remove_workers(self, name: str, workers: Collection[str]) -> None:
        from daskfleet.providers.stack.scaling import remove_workers

        remove_workers(name, workers)

    def list_groups(self, name: str) -> dict[str, tuple[str, ...]]:
        from daskfleet.providers.stack.scaling import list_workers

        return list_workers(name)

    def read_logs(self, name: str, node: str | None, *, lines: int, follow: bool) -> LogLines:
        from daskfleet.providers.stack.logs import read_logs

        state = load_state(name)
        return read_logs(load_cloud_of_state(state), name, state, node, lines=lines, follow=follow)


def _open_cloud(spec: FleetSpec) -> Cloud:
    from daskfleet_stacks.spec.cloud import CloudFleetSpec

    assert isinstance(spec, CloudFleetSpec)
    return load_cloud_of_spec(spec)
