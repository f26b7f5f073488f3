"""`daskfleet-node DOCUMENT`: become what the node document says, until told to stop.

SIGTERM and SIGINT stop the node in order; SIGHUP makes it read its document again. It exits with 0 when it was told
to stop, with 1 when it failed and a supervisor should try again, with 2 when the document is wrong, which trying again
does not mend.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from daskfleet_images.node.document import SchedulerDocument, WorkersDocument, read_node_document
from daskfleet_images.node.errors import NodeDocumentError, NodeFailed
from daskfleet_images.node.marks import MarkWriter
from daskfleet_images.node.security import check_tls_files

if TYPE_CHECKING:
    from daskfleet_images.node.workers import WorkersNode

logger = logging.getLogger("daskfleet.node")

USAGE = "usage: daskfleet-node DOCUMENT   (a node document, JSON: it becomes the scheduler or workers named there)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stdout if arguments in (["-h"], ["--help"]) else sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    # Until the node can heed it: the document is read anyway, and once more when it can.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s - %(name)s - %(levelname)s - %(message)s", level=logging.INFO)
    path = Path(arguments[0]).absolute()
    marks = MarkWriter()
    marks.mark("booted", at=psutil.Process().create_time())
    try:
        document = read_node_document(path)
    except NodeDocumentError as error:
        print(f"daskfleet-node: {error}", file=sys.stderr)
        return 2
    marks.write_to(document.marks_file)
    marks.mark("document")
    try:
        check_tls_files(document.tls)
    except NodeDocumentError as error:
        marks.mark("failed", detail=str(error))
        return 1
    marks.mark("secrets")
    if document.working_directory is not None:
        try:
            os.chdir(document.working_directory)
        except OSError as error:  # It may be gone by now; the node can do without.
            logger.warning("staying in %s: %s: %s", Path.cwd(), document.working_directory, error.strerror)
    return asyncio.run(_run(path, document, marks))


async def _run(path: Path, document: SchedulerDocument | WorkersDocument, marks: MarkWriter) -> int:
    # Dask is imported after the document is read: a wrong document is told in milliseconds, not after the import.
    logging.getLogger("distributed").setLevel(document.log_level.upper())
    from daskfleet_images.node.scheduler import run_scheduler
    from daskfleet_images.node.workers import WorkersNode

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    if document.exit_on_stdin_eof:
        _stop_on_eof(loop, stop)
    try:
        if isinstance(document, SchedulerDocument):
            loop.add_signal_handler(signal.SIGHUP, lambda: None)
            await run_scheduler(document, marks, stop)
        else:
            node = WorkersNode(document, marks)
            loop.add_signal_handler(signal.SIGHUP, _reload, path, node)
            loop.call_soon(_reload, path, node)
            await node.run(stop)
    except NodeFailed as error:
        marks.mark("failed", detail=str(error))
        return 1
    marks.mark("stopped")
    return 0


def _reload(path: Path, node: WorkersNode) -> None:
    """Apply the document anew; one that is wrong is told and changes nothing."""
    try:
        document = read_node_document(path)
    except NodeDocumentError as error:
        logger.error("%s; the node goes on as it was", error)
        return
    if isinstance(document, WorkersDocument):
        node.apply(document)
    else:
        logger.error("the node document now says role=%r; the node goes on as workers", document.role)


def _stop_on_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 1024):
            loop.remove_reader(descriptor)
            logger.warning("standard input was closed: the supervisor is gone, so the node stops")
            stop.set()

    try:
        loop.add_reader(descriptor, read)
    except PermissionError:  # A file or the null device: nobody is at the other end.
        stop.set()
