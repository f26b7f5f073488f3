"""One change at a time to a fleet. The kernel frees the lock of a command that was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.home import check_fleet_name, explain_os_errors, find_home, make_private_folder

POLL_SECONDS = 0.05


@contextlib.contextmanager
def lock_fleet(name: str, *, timeout: float = 60.0, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of the fleet called `name`.

    Args:
        timeout: seconds to wait for another command to finish.
        on_wait: called once, with words for a person, if there is another command to wait for.

    Raises:
        FleetError: the other command did not finish in time, or the lock cannot be made.
    """
    check_fleet_name(name)
    folder = find_home() / "locks"
    make_private_folder(folder)
    path = folder / name
    deadline = time.monotonic() + timeout
    told = False
    while True:
        with explain_os_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            if not told and on_wait is not None:
                on_wait(f"another daskfleet command (process {holder}) is changing fleet '{name}'; waiting for it")
                told = True
            if time.monotonic() > deadline:
                raise FleetError(
                    f"another daskfleet command (process {holder}) has been changing fleet '{name}' for over "
                    f"{timeout:g} s. Wait for it to end, or end it, and try again."
                ) from None
            time.sleep(POLL_SECONDS)
            continue
        if _is_current(descriptor, path):
            break
        os.close(descriptor)  # The one who held it removed the file; the next round makes a new one.
    try:
        with contextlib.suppress(OSError):  # On a full disk the lock holds all the same.
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
