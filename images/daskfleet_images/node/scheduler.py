"""A node that is the fleet's scheduler."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time

from distributed import Scheduler, Status

from daskfleet_images.node.errors import NodeFailed
from daskfleet_images.node.health import Health
from daskfleet_images.node.marks import MarkWriter
from daskfleet_images.node.network import find_listen_problem
from daskfleet_images.node.resolve import ResolvedScheduler
from daskfleet_images.node.security import build_security

logger = logging.getLogger("daskfleet.node")

DASHBOARD_WAIT_SECONDS = 10.0


async def run_scheduler(
    document: ResolvedScheduler, marks: MarkWriter, stop: asyncio.Event, health: Health | None = None
) -> None:
    """Run the scheduler until `stop` is set or a client shuts it down; `health` is told how it is.

    Raises:
        NodeFailed: an address that it must listen on is taken.
    """
    host, port = document.scheduler_address.removeprefix("tls://").rsplit(":", 1)
    dashboard_host, dashboard_port = document.dashboard_address.rsplit(":", 1)
    # Dask tells a taken port in a traceback, and goes to another port with its dashboard without a word to clients.
    check_free("the scheduler", document.host, int(port))
    check_free("the dashboard", dashboard_host, int(dashboard_port))
    try:
        scheduler = await Scheduler(
            protocol="tls",
            dashboard=False,  # Later: see _add_dashboard.
            # The address that clients use and the one to listen on differ where there is address translation.
            host=document.host,
            contact_address=document.scheduler_address if host != document.host else None,
            port=int(port),
            security=build_security("scheduler", document.tls),
            dashboard_address=document.dashboard_address,
        )
    except OSError as error:
        raise NodeFailed(f"the scheduler cannot listen on {document.host}:{port}: {error.strerror or error}") from error
    marks.mark("daemon", detail=scheduler.address)
    marks.mark("registered")
    if health is not None:
        health.find_problem = lambda: None if scheduler.status == Status.running else "the scheduler has ended"
    dashboard = asyncio.create_task(_add_dashboard(scheduler))
    stopping = asyncio.create_task(stop.wait())
    finished = asyncio.create_task(scheduler.finished())
    await asyncio.wait([stopping, finished], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    dashboard.cancel()
    await scheduler.close(reason="daskfleet-node-stop")
    await finished


def check_free(what: str, host: str, port: int) -> None:
    """Make sure that an address can be listened on.

    Raises:
        NodeFailed: it is taken, or is no address of this machine.
    """
    problem = find_listen_problem(host, port)
    if problem is not None:
        raise NodeFailed(f"{what} cannot listen on {host}:{port}: {problem}")


async def _add_dashboard(scheduler: Scheduler) -> None:
    """Add the dashboard to the scheduler's web server, which has been listening from the start.

    Importing bokeh takes longer than importing Dask. On a small machine the workers need the cores in that time, so it
    comes once no more of them arrive, and in a thread, while the scheduler serves.
    """
    arrived, deadline = -1, time.monotonic() + DASHBOARD_WAIT_SECONDS
    while time.monotonic() < deadline and (not scheduler.workers or len(scheduler.workers) != arrived):
        arrived = len(scheduler.workers)
        await asyncio.sleep(1.0)
    try:
        module = await asyncio.to_thread(importlib.import_module, "distributed.dashboard.scheduler")
    except ImportError as error:
        logger.warning("there is no dashboard: %s", error)
        return
    module.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix="/")
    logger.info("the dashboard is ready")
