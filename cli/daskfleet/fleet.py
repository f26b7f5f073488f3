"""A fleet in Python: `connect` for a client, `Fleet` for a Dask cluster object."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Collection
from typing import Any

import dask
from distributed import Client, Security
from distributed.core import rpc
from distributed.deploy.cluster import Cluster

from daskfleet.client.daskfleet_client_preload import find_mismatch
from daskfleet.connections import PRELOAD, load_connection
from daskfleet.errors import FleetError, FleetNotFound, VersionMismatch
from daskfleet.home import list_fleet_names
from daskfleet.progress import Progress, Quiet
from daskfleet.providers import find_provider, load_provider
from daskfleet.providers.base import Provider
from daskfleet.reach import check_reachable
from daskfleet.services.names import DEFAULT_FLEET
from daskfleet.services.specs import build_default_spec
from daskfleet_stacks.spec import FleetSpec, parse_fleet_spec

logger = logging.getLogger("daskfleet")

START_SECONDS = 120.0


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
    connection = load_connection(name)
    check_reachable(connection)
    if check_versions:
        mismatch = find_mismatch(name, dataclasses.asdict(connection.versions))
        if mismatch:
            raise VersionMismatch(mismatch)
    security = Security(require_encryption=True, **dataclasses.asdict(connection.security))
    preload = [*dask.config.get("distributed.client.preload"), str(PRELOAD)]
    with dask.config.set({"distributed.client.preload": preload}):
        return Client(connection.scheduler_address, security=security, **client_arguments)


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
        connection = load_connection(name)
        self.security = Security(require_encryption=True, **dataclasses.asdict(connection.security))
        self._dashboard_url = connection.dashboard_url
        self.scheduler_comm = rpc(
            connection.scheduler_address, connection_args=self.security.get_connection_args("client")
        )
        await super()._start()
        self.name = name  # The scheduler may remember another object's.

    def _attach_or_start(self, name: str) -> None:
        if name in list_fleet_names():
            self._provider = find_provider(name)
            check_reachable(load_connection(name))
        elif self._wanted_spec is not None:
            self._provider = load_provider(self._wanted_spec.provider)
            self._provider.up(self._wanted_spec, _Log(self._log), timeout=START_SECONDS)
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
        """Give the fleet, or one of its worker groups, `n` workers.

        Args:
            n: number of workers.
            group: the group; where the fleet has several and none is given, the first grows or shrinks so that the
                fleet has `n` in all.
        """
        return self.sync(self._scale, n, group)

    async def _scale(self, n: int, group: str | None) -> None:
        groups = self._groups
        if group is None:
            group = next(iter(groups))
            n = max(0, n - sum(len(workers) for other, workers in groups.items() if other != group))
        await self._change(lambda provider: provider.scale(self.name, group, n, Quiet(), timeout=START_SECONDS))

    def scale_down(self, workers: Collection[str]) -> Any:
        """Remove these workers, by name; `Adaptive` calls it."""
        return self.sync(self._scale_down, workers)

    async def _scale_down(self, workers: Collection[str]) -> None:
        await self._change(lambda provider: provider.remove_workers(self.name, workers))

    async def _change(self, change: Callable[[Provider], None]) -> None:
        provider = self._provider
        if provider is None:
            raise FleetError(f"fleet '{self.name}' is not connected yet; await it first.")
        await asyncio.to_thread(change, provider)
        self._groups = provider.list_groups(self.name)


class _Log(Quiet, Progress):
    """Progress that goes to the cluster object's log."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log

    def step(self, text: str) -> None:
        self._log(text)
