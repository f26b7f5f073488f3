"""A node that is one or more workers of a worker group.

Each worker has a nanny of Dask's, which restarts it when it dies or outgrows its memory limit. What a nanny cannot
do is done here: a worker whose scheduler went away ends together with its nanny (workers do not reconnect), and is
started anew as soon as the scheduler answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import dask.config
from distributed import Nanny, Security, Status
from distributed.core import connect, rpc

from daskfleet_images.node import relay
from daskfleet_images.node.console import writes_to_journal
from daskfleet_images.node.errors import NodeFailed
from daskfleet_images.node.marks import MarkWriter
from daskfleet_images.node.metrics import report_pid
from daskfleet_images.node.resolve import ResolvedWorkers
from daskfleet_images.node.security import build_security

logger = logging.getLogger("daskfleet.node")

PROBE_SECONDS = 0.25
LONGEST_PROBE_SECONDS = 10.0
"""How long the first attempt to reach the scheduler may take, and the last. `distributed.core.connect` backs off
exponentially inside an attempt, so short attempts find a scheduler that has just come up sooner. But over a long way,
or on a slow machine, the handshakes alone take longer, so each attempt gets twice the time of the one before."""

RESTART_SECONDS = 1.0
"""Wait before a worker that ended is started again, so that one that cannot live does not spin."""

CONNECT_SECONDS = 3.0
"""How long a node that stops looks for the scheduler to retire its workers."""

DOWN_SECONDS = 60.0
"""How long a worker may take to be started again before its node is not well."""

RETIRE_SECONDS = 60.0
"""How long a worker may take to hand its data over before it is stopped."""


def _worker_preloads(*, sends_log: bool) -> list[str] | None:
    """What each worker imports first; `None` is what Dask's configuration says."""
    ours = ["daskfleet_images.node.console"] if writes_to_journal() else []
    if sends_log:
        ours.append(relay.__name__)
    if not ours:
        return None
    configured = dask.config.get("distributed.worker.preload")
    return [*([configured] if isinstance(configured, str) else configured), *ours]


class _Nanny(Nanny):
    """A nanny that tells when its worker has registered: the first time, and after each restart of its own."""

    on_registered: Callable[[], None]

    async def instantiate(self) -> Status:
        status = await super().instantiate()
        if status == Status.running:
            self.on_registered()
        return status


class WorkersNode:
    """Keeps the workers that the document names running, and no others."""

    def __init__(self, document: ResolvedWorkers, marks: MarkWriter, log_socket: str | None = None) -> None:
        self._document = document
        self._log_socket = log_socket
        self.notice: str | None = None
        """That the machine will be taken away: the workers then hand their data over in any case."""
        self._marks = marks
        self._security: Security = build_security("worker", document.tls)
        self._nannies: dict[str, _Nanny] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._registered: set[str] = set()
        """The workers that have registered; also those that have left since."""
        self._have_all_registered = False
        self._waiting: set[str] = set()
        """The workers whose scheduler does not answer."""
        self._down: dict[str, float] = {}
        """The workers that were found not to run, though their scheduler answers, and since when."""
        self._is_stopping = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set.

        Raises:
            NodeFailed: the scheduler was not to be reached for `join_timeout` seconds.
        """
        self._marks.mark("daemon")
        self.apply(self._document)
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((stopping, self._failed), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self._is_stopping = True
        retire = self._document.retire_on_stop or self.notice is not None
        await asyncio.gather(*(self._stop(name, task, retire=retire) for name, task in self._tasks.items()))
        await asyncio.gather(*self._leaving.values())
        if self._failed.done():
            self._failed.result()

    def apply(self, document: ResolvedWorkers) -> None:
        """Make the list of workers in `document` true: start what is new, retire and stop what is gone.

        A worker that runs keeps the settings that it was started with.
        """
        self._document = document
        for name in self._tasks.keys() - set(document.workers):
            task, before = self._tasks.pop(name), self._leaving.get(name)
            self._leaving[name] = asyncio.create_task(self._leave(name, task, before))
        for name in document.workers:
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._keep(name))

    def list_addresses(self) -> list[str]:
        """The addresses of the workers that run."""
        return [nanny.worker_address for nanny in self._nannies.values() if nanny.worker_address]

    def find_problem(self) -> str | None:
        """Why this node is not well; `None` where it is.

        It is once all its workers have registered, while their processes run or are soon started again. While the
        scheduler does not answer it is as well as it can be, for another machine would not find it either; and so it is
        while it stops, when its workers hand their data over.
        """
        wanted = self._document.workers
        if self._is_stopping:
            return None
        if not self._have_all_registered:
            missing = len(set(wanted) - self._registered)
            self._have_all_registered = not missing
            return f"{missing} of {len(wanted)} workers have not registered yet" if missing else None
        now, before = time.monotonic(), self._down
        self._down = {
            name: now if name in self._waiting else before.get(name, now) for name in wanted if not self._runs(name)
        }
        down = sum(now - since > DOWN_SECONDS for since in self._down.values())
        return f"{down} of {len(wanted)} workers do not run, and are not started again" if down else None

    def _runs(self, name: str) -> bool:
        nanny = self._nannies.get(name)
        return nanny is not None and bool(nanny.is_alive())

    @property
    def connection_args(self) -> Any:
        """With what the scheduler and other workers are called."""
        return self._security.get_connection_args("worker")

    async def _leave(self, name: str, task: asyncio.Task[None], before: asyncio.Task[None] | None) -> None:
        """Retire and stop one worker; one of the same name that is wanted meanwhile waits until it is gone."""
        if before is not None:
            await asyncio.wait([before])
        await self._stop(name, task, retire=True)
        if self._leaving.get(name) is asyncio.current_task():
            del self._leaving[name]

    async def _keep(self, name: str) -> None:
        """Keep one worker running until this task is cancelled."""
        if name in self._leaving:  # It was sent away a moment ago, and is wanted again.
            await asyncio.wait([self._leaving[name]])  # Not itself awaited: being cancelled here must not cancel it.
        while True:
            try:
                self._waiting.add(name)
                await self._wait_for_scheduler()
                self._waiting.discard(name)
                nanny = self._nannies[name] = self._build_nanny(name)
                await nanny
                await nanny.finished()
            except NodeFailed as error:
                if not self._failed.done():
                    self._failed.set_exception(error)
                return
            except Exception as error:  # Whatever Dask raises, the other workers must go on.
                logger.exception("worker %s could not be started", name)
                self._marks.mark("failed", worker=name, detail=f"{type(error).__name__}: {error}")
            finally:
                self._waiting.discard(name)
                await self._close(name)
            await asyncio.sleep(RESTART_SECONDS)

    async def _stop(self, name: str, task: asyncio.Task[None], *, retire: bool) -> None:
        """Stop one worker for good, its data handed to other workers first if `retire`."""
        if retire and name in self._nannies:
            await self._retire(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _retire(self, name: str) -> None:
        try:
            async with asyncio.timeout(RETIRE_SECONDS), self._scheduler_rpc() as scheduler:
                retired = await scheduler.retire_workers(names=[name], close_workers=False, remove=True)
        except (OSError, TimeoutError) as error:
            logger.warning("worker %s stops without retiring: %s", name, error)
            return
        if not retired:
            logger.warning("worker %s held data that no other worker could take; it is computed again if needed", name)

    async def _close(self, name: str) -> None:
        nanny = self._nannies.pop(name, None)
        if nanny is not None:
            await nanny.close(reason="daskfleet-node")
            self._marks.mark("left", worker=name)

    async def _wait_for_scheduler(self) -> None:
        """Return when the scheduler answers over TLS.

        Raises:
            NodeFailed: it did not within `join_timeout` seconds.
        """
        document = self._document
        deadline = time.monotonic() + document.join_timeout
        seconds = PROBE_SECONDS
        while True:
            try:
                comm = await connect(
                    document.scheduler_address,
                    timeout=seconds,
                    **self.connection_args,
                )
            except OSError as error:
                if time.monotonic() > deadline:
                    cause = error.__cause__ or error
                    raise NodeFailed(
                        f"no scheduler answered at {document.scheduler_address} for {document.join_timeout:g} s: "
                        f"{cause}"
                    ) from error
                seconds = min(2 * seconds, LONGEST_PROBE_SECONDS)
            else:
                await comm.close()
                return

    def _scheduler_rpc(self) -> Any:
        return rpc(self._document.scheduler_address, connection_args=self.connection_args, timeout=CONNECT_SECONDS)

    def _build_nanny(self, name: str) -> _Nanny:
        """The nanny of one worker.

        A worker with a GPU of its own sees no other: `CUDA_VISIBLE_DEVICES` is set in its process before anything in it
        can look for GPUs. What dask-cuda does beyond (spilling from GPU memory, RMM pools, UCX) is left to it.
        """
        document = self._document
        nanny = _Nanny(
            document.scheduler_address,
            name=name,
            nthreads=document.threads,
            memory_limit=document.memory_limit,
            resources=dict(document.resources),
            local_directory=str(document.local_directory) if document.local_directory else None,
            security=self._security,
            host=document.host,
            dashboard_address=f"{document.host}:0",
            metrics={"pid": report_pid},
            env=self._render_environment(name),
            preload=_worker_preloads(sends_log=self._log_socket is not None),
        )
        nanny.on_registered = lambda: self._note_registered(name)
        return nanny

    def _note_registered(self, name: str) -> None:
        self._registered.add(name)
        self._marks.mark("registered", worker=name)

    def _render_environment(self, name: str) -> dict[str, str]:
        """What the process of a worker has in its environment beside what this one has."""
        environment = {}
        if name in self._document.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._document.gpus[name]
        if self._log_socket is not None:
            environment[relay.VARIABLE] = self._log_socket
        return environment
