"""What a fleet's scheduler is asked, whichever provider it is of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from daskfleet.connections import dask_security
from daskfleet.providers.base import WorkerStatus
from daskfleet_stacks.connection import Connection

ASK_SECONDS = 5.0
"""How long the scheduler may take to answer."""

RETIRE_SECONDS = 120.0
"""How long workers may take to hand their data over."""

Answer = TypeVar("Answer")


def ask_workers(connection: Connection) -> list[WorkerStatus]:
    """The workers that the scheduler at `connection` knows, by name.

    Raises:
        OSError, TimeoutError: it does not answer.
    """

    async def ask(scheduler: Any) -> dict[str, Any]:
        identity: dict[str, Any] = await scheduler.identity(n_workers=-1)
        return identity

    workers = [
        WorkerStatus(
            name=str(worker["name"]),
            address=address,
            pid=int(worker.get("metrics", {}).get("pid", 0)),
            threads=int(worker["nthreads"]),
            memory=int(worker.get("metrics", {}).get("memory", 0)),
            memory_limit=int(worker["memory_limit"] or 0),
            cpu=float(worker.get("metrics", {}).get("cpu", 0.0)),
            executing=int(worker.get("metrics", {}).get("task_counts", {}).get("executing", 0)),
            state=str(worker.get("status", "running")),
        )
        for address, worker in _ask(connection, ask, ASK_SECONDS)["workers"].items()
    ]
    return sorted(workers, key=lambda worker: (len(worker.name), worker.name))


def order_by_idleness(connection: Connection) -> list[str]:
    """The addresses of all workers, those that are best closed first.

    Raises:
        OSError, TimeoutError: the scheduler does not answer.
    """

    async def ask(scheduler: Any) -> list[str]:
        everyone = len((await scheduler.identity(n_workers=-1))["workers"])
        addresses: list[str] = await scheduler.workers_to_close(n=everyone, attribute="address")
        return addresses

    return _ask(connection, ask, ASK_SECONDS)


def retire_workers(connection: Connection, addresses: Collection[str]) -> None:
    """Have these workers hand their data to others and take no more tasks.

    Raises:
        OSError, TimeoutError: the scheduler does not answer, or they did not in time.
    """

    async def ask(scheduler: Any) -> None:
        # Not closed: the machine would start them anew.
        await scheduler.retire_workers(workers=list(addresses), close_workers=False, remove=False)

    _ask(connection, ask, RETIRE_SECONDS)


def _ask(connection: Connection, ask: Callable[[Any], Awaitable[Answer]], seconds: float) -> Answer:
    from distributed import Security
    from distributed.core import rpc

    security = Security(require_encryption=True, **dask_security(connection))

    async def call() -> Answer:
        arguments = security.get_connection_args("client")
        async with (
            asyncio.timeout(seconds),
            rpc(connection.scheduler_address, connection_args=arguments, timeout=ASK_SECONDS) as scheduler,
        ):
            return await ask(scheduler)

    return asyncio.run(call())
