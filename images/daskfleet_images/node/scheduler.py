"""A node that is the fleet's scheduler."""

from __future__ import annotations

import asyncio
import importlib
import logging

from distributed import Scheduler

from daskfleet_images.node.document import SchedulerDocument
from daskfleet_images.node.errors import NodeFailed
from daskfleet_images.node.marks import MarkWriter
from daskfleet_images.node.security import build_security

logger = logging.getLogger("daskfleet.node")

DASHBOARD_DELAY_SECONDS = 2.0


async def run_scheduler(document: SchedulerDocument, marks: MarkWriter, stop: asyncio.Event) -> None:
    """Run the scheduler until `stop` is set or a client shuts it down.

    Raises:
        NodeFailed: an address that it must listen on is taken.
    """
    host, port = document.scheduler_address.removeprefix("tls://").rsplit(":", 1)
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
    dashboard_port = int(document.dashboard_address.rsplit(":", 1)[1])
    if scheduler.http_server.port != dashboard_port:  # Dask goes to another port by itself; clients would not know.
        await scheduler.close(reason="daskfleet-node-dashboard")
        raise NodeFailed(f"the dashboard cannot listen on {document.dashboard_address}: the address is taken")
    marks.mark("daemon", detail=scheduler.address)
    marks.mark("registered")
    dashboard = asyncio.create_task(_add_dashboard(scheduler))
    stopping = asyncio.create_task(stop.wait())
    finished = asyncio.create_task(scheduler.finished())
    await asyncio.wait([stopping, finished], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    dashboard.cancel()
    await scheduler.close(reason="daskfleet-node-stop")
    await finished


async def _add_dashboard(scheduler: Scheduler) -> None:
    """Add the dashboard to the scheduler's web server, which has been listening from the start.

    Importing bokeh takes longer than importing Dask. On a small machine the workers need the cores in that time, so it
    comes a little after them, and in a thread, while the scheduler serves.
    """
    await asyncio.sleep(DASHBOARD_DELAY_SECONDS)
    try:
        module = await asyncio.to_thread(importlib.import_module, "distributed.dashboard.scheduler")
    except ImportError as error:
        logger.warning("there is no dashboard: %s", error)
        return
    module.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix="/")
    logger.info("the dashboard is ready")
