"""Ctrl-C and its kin: raised where they may be, held back where something must be finished."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


@contextlib.contextmanager
def interrupt_on_termination() -> Iterator[None]:
    """Have SIGTERM and SIGHUP do what Ctrl-C does, so that what was begun is undone in the same way."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling((signal.SIGTERM, signal.SIGHUP), interrupt):
        yield


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and SIGHUP while something is undone."""
    with _handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN):
        yield


def run_interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run what is asynchronous; a signal that would raise `KeyboardInterrupt` cancels it, in order, and raises then.

    Raised in the middle of an event loop it would tear whichever task just runs, and leave the others.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)
    interrupted = False
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    async def run() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            task.cancel()

        for number, handler in before.items():
            if callable(handler):  # Neither ignored nor left to the system.
                loop.add_signal_handler(number, interrupt)
        return await work

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _handling(signals: tuple[signal.Signals, ...], handler: object) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread gets signals, and only it may say what they do.
        return
    before = {signum: signal.getsignal(signum) for signum in signals}
    for signum in signals:
        signal.signal(signum, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)
