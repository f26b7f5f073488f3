"""`daskfleet-node DOCUMENT`: become what the node document says, until told to stop.

SIGTERM and SIGINT stop the node in order; SIGHUP makes it read its document again. It exits with 0 when it was told
to stop, with 1 when it failed and a supervisor should try again, with 2 when the document or what is installed is
wrong, which trying again does not mend.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from daskfleet_images.node.console import set_up_logging, tell_error
from daskfleet_images.node.document import SchedulerDocument, TLSFiles, WorkersDocument, read_node_document
from daskfleet_images.node.errors import NodeDocumentError, NodeFailed, NodeStopped, WrongVersions, one_line
from daskfleet_images.node.logs import LogShipper
from daskfleet_images.node.marks import MarkWriter
from daskfleet_images.node.notify import Notifier
from daskfleet_images.node.resolve import Facts, read_facts, resolve_scheduler, resolve_workers
from daskfleet_images.node.secrets import fetch_tls
from daskfleet_images.node.security import check_clock
from daskfleet_images.node.versions import check_versions

if TYPE_CHECKING:
    from types import FrameType

    from daskfleet_images.node.workers import WorkersNode

logger = logging.getLogger("daskfleet.node")

USAGE = "usage: daskfleet-node DOCUMENT   (a node document, JSON: it becomes the scheduler or workers named there)"

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

CONTAINER = Path("/run/systemd/container")
"""Where systemd tells that it runs in a container; it writes this as one of the first things it does."""

START_MARGIN_SECONDS = 60
"""What a start may take besides waiting for what `join_timeout` is for."""


class _Stop:
    """Being told to stop before there is an event loop that could heed it."""

    def __init__(self) -> None:
        self.asked = False
        self._at_once = True

    def listen(self) -> None:
        """From now on a signal ends with `NodeStopped` whatever is waited for."""
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._hear)

    def hold(self) -> None:
        """From now on a signal is only noted: the event loop and Dask are not to be torn while they are built."""
        self._at_once = False
        self.check()

    def ignore(self) -> None:
        """From now on a signal does nothing: the node is ending, and within seconds."""
        for signum in STOP_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    def check(self) -> None:
        """Stop if a signal was noted."""
        if self.asked:
            raise NodeStopped

    def _hear(self, _signum: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True  # Noted as well, for an exception may get lost in a callback.
        if first and self._at_once:
            raise NodeStopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stdout if arguments in (["-h"], ["--help"]) else sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    # Until the node can heed it: the document is read anyway, and once more when it can.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop, notifier = _Stop(), Notifier()
    marks, logs = MarkWriter(notifier), LogShipper()
    set_up_logging()
    try:
        stop.listen()
        return _start(Path(arguments[0]).absolute(), marks, logs, notifier, stop)
    except NodeStopped:
        notifier.send(STOPPING=1)
        marks.mark("stopped")
        return 0
    except NodeFailed as error:
        marks.mark("failed", detail=str(error))
        return 2 if isinstance(error, WrongVersions) else 1
    except Exception as error:  # A mistake of ours or of Dask's: whoever looks at the marks is to know as well.
        logger.exception("the node failed")
        marks.mark("failed", detail=one_line(f"{type(error).__name__}: {error}"))
        return 1
    finally:
        stop.ignore()
        logs.close()


def _start(path: Path, marks: MarkWriter, logs: LogShipper, notifier: Notifier, stop: _Stop) -> int:
    if notifier and (started := find_machine_start()) is not None:
        marks.mark("kernel", at=started)
    marks.mark("booted", at=psutil.Process().create_time())
    try:
        document = read_node_document(path)
    except NodeDocumentError as error:
        notifier.send(STATUS=str(error))
        tell_error(str(error))
        return 2
    logs.start(document, marks.write_to(document.marks_file))
    marks.mark("document")
    if document.versions is not None:
        check_versions(document.versions)
    notifier.send(EXTEND_TIMEOUT_USEC=int(1e6 * (2 * document.join_timeout + START_MARGIN_SECONDS)))
    facts = read_facts(document, seconds=document.join_timeout)
    try:
        with fetch_tls(document.tls, document.join_timeout) as tls:
            marks.mark("secrets")
            check_clock(tls)
            if isinstance(document, WorkersDocument) and document.local_directory is not None:
                from daskfleet_images.node.disk import check_spill_folder

                check_spill_folder(document.local_directory)
            if document.working_directory is not None:
                try:
                    os.chdir(document.working_directory)
                except OSError as error:  # It may be gone by now; the node can do without.
                    logger.warning("staying in %s: %s: %s", Path.cwd(), document.working_directory, error.strerror)
            stop.hold()
            return asyncio.run(_run(path, document, facts, tls, marks, logs, notifier, stop))
    except NodeDocumentError as error:  # What the document refers to may yet come.
        raise NodeFailed(str(error)) from None


def find_machine_start() -> float | None:
    """When this machine's kernel started, or the first process of this container; seconds since the epoch."""
    try:
        if not CONTAINER.exists():
            return psutil.boot_time()
        try:
            return psutil.Process(1).create_time()
        except psutil.Error:  # A service may be kept from seeing other processes.
            return CONTAINER.stat().st_mtime
    except (OSError, RuntimeError):
        return None


async def _run(
    path: Path,
    document: SchedulerDocument | WorkersDocument,
    facts: Facts,
    tls: TLSFiles,
    marks: MarkWriter,
    logs: LogShipper,
    notifier: Notifier,
    early: _Stop,
) -> int:
    # Dask is imported after the document is read: a wrong document is told in milliseconds, not after the import.
    from daskfleet_images.node.health import Health, serve_health
    from daskfleet_images.node.relay import receive_records
    from daskfleet_images.node.scheduler import run_scheduler
    from daskfleet_images.node.workers import WorkersNode

    logging.getLogger("distributed").setLevel(document.log_level.upper())  # Importing it has set its own.
    stop = asyncio.Event()
    notice: str | None = None
    loop = asyncio.get_running_loop()

    def ask_to_stop() -> None:
        notifier.send(STOPPING=1)
        stop.set()

    for signum in STOP_SIGNALS:
        loop.add_signal_handler(signum, ask_to_stop)
    early.check()
    if document.exit_on_stdin_eof:
        _stop_on_eof(loop, stop)
    async with AsyncExitStack() as stack:
        health = Health()
        if document.health_port is not None:
            address = document.health_host or document.host or facts.address
            assert address is not None
            await stack.enter_async_context(serve_health(address, document.health_port, health))
        if isinstance(document, SchedulerDocument):
            loop.add_signal_handler(signal.SIGHUP, lambda: None)
            await run_scheduler(resolve_scheduler(document, facts, tls), marks, stop, health)
        else:
            log_socket = await stack.enter_async_context(receive_records(logs.handle)) if logs else None
            node = WorkersNode(resolve_workers(document, facts, tls), marks, log_socket)
            health.find_problem = node.find_problem
            loop.add_signal_handler(signal.SIGHUP, _reload, path, node, facts, tls)
            loop.call_soon(_reload, path, node, facts, tls)
            if document.watch is not None:
                watching = loop.create_task(_heed_notice(document.watch, node, ask_to_stop))
                stack.callback(watching.cancel)
            if document.pause_when_busy:
                from daskfleet_images.node.busy import keep_aside

                aside = loop.create_task(keep_aside(node.list_addresses, node.connection_args))
                stack.callback(aside.cancel)
            await node.run(stop)
            notice = node.notice
    notifier.send(STOPPING=1)
    marks.mark("stopped", detail=notice)
    return 0


async def _heed_notice(word: str, node: WorkersNode, ask_to_stop: Callable[[], None]) -> None:
    """Wait for the notice that this machine will be taken away, and have the node stop."""
    from daskfleet_images.node.interruptions import await_notice

    notice = await await_notice(word)
    logger.warning("%s; the workers hand their data over and stop", notice)
    node.notice = notice
    ask_to_stop()


def _reload(path: Path, node: WorkersNode, facts: Facts, tls: TLSFiles) -> None:
    """Apply the document anew; one that is wrong is told and changes nothing."""
    try:
        document = read_node_document(path)
        if isinstance(document, SchedulerDocument):
            logger.error("the node document now says role=%r; the node goes on as workers", document.role)
            return
        resolved = resolve_workers(document, read_facts(document, facts), tls)
    except (NodeDocumentError, NodeFailed) as error:
        logger.error("%s; the node goes on as it was", error)
        return
    node.apply(resolved)


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
