"""A fleet in Python: `connect` for a client, `Fleet` for a Dask cluster object."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

import dask
from distributed import Client, Security
from distributed.core import rpc
from distributed.deploy.adaptive import Adaptive
from distributed.deploy.cluster import Cluster

from daskfleet.access import reach_fleet
from daskfleet.client.daskfleet_client_preload import find_mismatch
from daskfleet.connections import PRELOAD, dask_security
from daskfleet.errors import FleetError, FleetNotFound, VersionMismatch
from daskfleet.home import list_fleet_names
from daskfleet.progress import Progress, Quiet
from daskfleet.providers import find_provider, load_provider
from daskfleet.providers.base import Provider
from daskfleet.services.names import DEFAULT_FLEET
from daskfleet.services.specs import build_default_spec
from daskfleet_stacks.connection import Connection
from daskfleet_stacks.spec import FleetSpec, parse_fleet_spec

logger = logging.getLogger("daskfleet")


def connect(name: str = DEFAULT_FLEET, *, check_versions: bool = True, **client_arguments: Any) -> Client:
    """A `distributed.Client` on the fleet called `name`.

    Args:
        name: name of the fleet.
        check_versions: compare python, dask, distributed and cloudpickle with the fleet's first.
        client_arguments: passed on to `distributed.Client`, such as `asynchronous=True`.

    Raises:
        FleetNotFound: there is no such fleet.
        VersionMismatch: this Python does not fit the fleet; the message says what to do.
        FleetError: the fleet is not reachable.
    """
    connection = reach_fleet(name)
    if check_versions:
        _check_versions(connection)
    security = Security(require_encryption=True, **dask_security(connection))
    with _preloading():
        return Client(connection.scheduler_address, security=security, **client_arguments)


def _check_versions(connection: Connection) -> None:
    mismatch = find_mismatch(connection.fleet, dataclasses.asdict(connection.versions))
    if mismatch:
        raise VersionMismatch(mismatch)


def _preloading() -> Any:
    """Configuration with which a client shares its script's folder with the fleet."""
    preload = [*dask.config.get("distributed.client.preload"), str(PRELOAD)]
    return dask.config.set({"distributed.client.preload": preload})


class GroupAdaptive(Adaptive):
    """Dask's adaptive scaling, of one worker group: the workers of other groups count, and stay."""

    def __init__(self, cluster: Fleet, *, group: str, **options: Any) -> None:
        self.group = group
        self.fleet = cluster
        super().__init__(cluster, **options)

    def _mine(self, workers: Iterable[str]) -> set[Any]:
        return {worker for worker in workers if self.fleet.workers.get(worker) == self.group}

    @property
    def plan(self) -> set[Any]:
        return self._mine(self.fleet.plan)

    @property
    def requested(self) -> set[Any]:
        return self._mine(self.fleet.requested)

    @property
    def observed(self) -> set[Any]:
        return self._mine(self.fleet.observed)

    async def target(self) -> int:
        others = len(self.fleet.observed) - len(self.observed)
        return max(0, int(await super().target()) - others)

    async def workers_to_close(self, target: int) -> list[str]:
        everyone = len(self.fleet.scheduler_info["workers"])
        # All workers, those that are best closed first; Dask knows no groups.
        ordered = await self.scheduler.workers_to_close(n=everyone, attribute="name")
        mine = self.plan
        return [worker for worker in ordered if worker in mine][: max(0, len(mine) - target)]

    async def scale_up(self, n: Any) -> None:
        await self.fleet.scale_group(int(n), self.group)


class Fleet(Cluster):
    """A fleet as a Dask cluster object: `Client(fleet)`, `scale`, `adapt`, `get_logs`, the notebook widget.

    It attaches to the fleet called `name`. Where there is none, it starts one (from `spec`, or one that fills this
    machine) and is its owner: closing it takes the fleet down, as `LocalCluster` does. A fleet that was there before
    outlives it.

    Args:
        name: name of the fleet.
        spec: what to start if the fleet is not there: a `FleetSpec` or the same as data.
        shutdown_on_close: whether `close` takes the fleet down; `None`: only if this object started it.
        asynchronous: for use with `async` and `await`.
        cluster_arguments: `loop`, `quiet` and `scheduler_sync_interval` of `distributed.deploy.Cluster`.
    """

    def __init__(
        self,
        name: str = DEFAULT_FLEET,
        *,
        spec: FleetSpec | dict[str, Any] | None = None,
        shutdown_on_close: bool | None = None,
        asynchronous: bool = False,
        **cluster_arguments: Any,
    ) -> None:
        self._wanted_spec = self._choose_spec(name, spec)
        self._shutdown_on_close = shutdown_on_close
        self._provider: Provider | None = None
        self._groups: dict[str, tuple[str, ...]] = {}
        self._reached: Connection | None = None
        self._changing: set[asyncio.Future[Any]] = set()
        self.security: Security | None = None
        super().__init__(asynchronous=asynchronous, name=name, **cluster_arguments)
        if not self.called_from_running_loop:
            self._loop_runner.start()
            self.sync(self._start)

    @staticmethod
    def _choose_spec(name: str, spec: FleetSpec | dict[str, Any] | None) -> FleetSpec | None:
        if isinstance(spec, dict):
            spec = parse_fleet_spec({"name": name, **spec})
        if spec is None and name == DEFAULT_FLEET:
            spec = build_default_spec()
        if spec is not None and spec.name != name:
            raise FleetError(f"the spec is of a fleet named '{spec.name}', and Fleet was given the name '{name}'.")
        return spec

    async def _start(self) -> None:
        if self.status.name != "created":
            return
        name = self.name
        await asyncio.to_thread(self._attach_or_start, name)
        connection = self._reached
        assert connection is not None
        self.security = Security(require_encryption=True, **dask_security(connection))
        self._dashboard_url = connection.dashboard_url
        self.scheduler_comm = rpc(
            connection.scheduler_address, connection_args=self.security.get_connection_args("client")
        )
        with _preloading():
            # A client of this moment: clients that others make of this object cannot be given a preload.
            address, security = connection.scheduler_address, self.security
            client = Client(address, security=security, asynchronous=True, set_as_default=False)
        async with client:
            pass
        await super()._start()
        self.name = name  # The scheduler may remember another object's.

    def _attach_or_start(self, name: str) -> None:
        if name in list_fleet_names():
            self._provider = find_provider(name)
            self._reached = reach_fleet(name)
            _check_versions(self._reached)
        elif self._wanted_spec is not None:
            self._provider = load_provider(self._wanted_spec.provider)
            self._provider.up(self._wanted_spec, _Log(self._log))
            self._reached = reach_fleet(name)
            if self._shutdown_on_close is None:
                self._shutdown_on_close = True
        else:
            raise FleetNotFound(
                f"there is no fleet named '{name}'; give Fleet a spec to start it from, or run `daskfleet up`."
            )
        self._groups = self._provider.list_groups(name)

    async def _close(self) -> None:
        if self.status.name == "closed":
            return
        await super()._close()
        if self._changing:  # What has been begun is finished: workers that have been retired lose their machines, too.
            await asyncio.wait(self._changing)
        if self._shutdown_on_close and self._provider is not None:
            await asyncio.to_thread(self._provider.down, self.name, Quiet())

    def __await__(self) -> Any:
        async def start() -> Fleet:
            await self._start()
            return self

        return start().__await__()

    @property
    def dashboard_link(self) -> str:
        """Address of the dashboard."""
        return getattr(self, "_dashboard_url", "")

    @property
    def workers(self) -> dict[str, str]:
        """The wanted workers: their names, with their groups."""
        return {worker: group for group, workers in self._groups.items() for worker in workers}

    def scale(self, n: int, group: str | None = None) -> Any:
        """Give the fleet, or one of its worker groups, `n` workers; `wait_for_workers` waits for them.

        Args:
            n: number of workers.
            group: the group; where the fleet has several and none is given, the first grows or shrinks so that the
                fleet has `n` in all.
        """
        return self.sync(self.scale_group, n, group)

    async def scale_group(self, n: int, group: str | None = None) -> None:
        """`scale`, to be awaited on the loop that this object runs on."""
        groups = self._groups
        if group is None:
            group = next(iter(groups))
            n = max(0, n - sum(len(workers) for other, workers in groups.items() if other != group))

        def scale(provider: Provider) -> None:
            provider.scale(self.name, group, provider.count_units(self.name, group, n), Quiet(), timeout=0)

        await self._change(scale)

    def scale_down(self, workers: Collection[str]) -> Any:
        """Remove these workers, by name; `Adaptive` calls it."""
        return self.sync(self._scale_down, workers)

    async def _scale_down(self, workers: Collection[str]) -> None:
        await self._change(lambda provider: provider.remove_workers(self.name, workers))

    def adapt(self, Adaptive: type[Adaptive] = GroupAdaptive, group: str | None = None, **options: Any) -> Adaptive:  # noqa: N803
        """Have a worker group follow the load; the other groups stay as they are.

        Args:
            Adaptive: the class that decides; as in `distributed.deploy.Cluster.adapt`.
            group: the group; the fleet's first if not given.
            options: `minimum`, `maximum`, `interval`, `wait_count`, `target_duration` of `distributed.deploy.Adaptive`.
        """
        if issubclass(Adaptive, GroupAdaptive):
            options["group"] = group or next(iter(self._groups))
            if options["group"] not in self._groups:
                there = ", ".join(self._groups)
                raise FleetError(f"fleet '{self.name}' has no worker group '{group}'; it has: {there}.")
        return super().adapt(Adaptive=Adaptive, **options)

    async def _change(self, change: Callable[[Provider], None]) -> None:
        provider = self._provider
        if provider is None:
            raise FleetError(f"fleet '{self.name}' is not connected yet; await it first.")

        def change_and_look() -> dict[str, tuple[str, ...]]:
            change(provider)
            return provider.list_groups(self.name)

        task = asyncio.ensure_future(asyncio.to_thread(change_and_look))
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        self._groups = await asyncio.shield(task)


class _Log(Quiet, Progress):
    """Progress that goes to the cluster object's log."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log

    def step(self, text: str) -> None:
        self._log(text)
