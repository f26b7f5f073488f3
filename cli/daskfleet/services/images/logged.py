"""Running a program for long: its output in a log, its lines told as they come, Ctrl-C passed on and waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daskfleet.errors import FleetError
from daskfleet.home import explain_os_errors
from daskfleet.interrupts import hold_interrupts

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Program:
    """What runs, and how."""

    command: Sequence[str]
    log: Path
    """What it says is added here."""
    interrupt: signal.Signals
    """What asks it, and all that it has started, to undo it and end: a terminal's Ctrl-C goes to all, too."""
    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    inherited: tuple[int, ...] = ()
    """Descriptors that it keeps open."""


def run_logged(
    program: Program, tell: Callable[[str], None] = lambda line: None, on_interrupt: Callable[[], None] = lambda: None
) -> tuple[int, str]:
    """The program's exit code, and what it said.

    It writes to the log itself, not to us: killed in whatever way, we do not take it with us.

    Args:
        tell: called with each line that it says.
        on_interrupt: called when it has been interrupted and is waited for.

    Raises:
        FleetError: it cannot be started.
        KeyboardInterrupt: once the program, which was interrupted too, has ended.
    """
    with explain_os_errors(program.log):
        descriptor = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    follower = _Follower(program.log, os.fstat(descriptor).st_size, tell)
    try:
        process = subprocess.Popen(
            program.command,
            cwd=program.folder,
            env=None if program.environment is None else dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            pass_fds=program.inherited,
            start_new_session=True,  # Ctrl-C reaches it once, from us: twice makes packer leave its machine behind.
        )
    except OSError as error:
        raise FleetError(f"{program.command[0]} cannot be run: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    try:
        _wait(process, follower)
    except KeyboardInterrupt:
        with hold_interrupts():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, program.interrupt)
            on_interrupt()
            _wait(process, follower)
        raise
    return process.returncode, follower.text


def _wait(process: subprocess.Popen[bytes], follower: _Follower) -> None:
    while True:
        try:
            process.wait(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            follower.read()
            continue
        follower.read()
        follower.finish()
        return


class _Follower:
    """Reads what is added to the log, and tells each line once."""

    def __init__(self, log: Path, begin: int, tell: Callable[[str], None]) -> None:
        self.text = ""
        self._log = log
        self._offset = begin
        self._rest = b""
        self._tell = tell

    def read(self) -> None:
        with self._log.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            self.text += f"{text}\n"
            self._tell(text)

    def finish(self) -> None:
        """Tell a last line that has no end."""
        text, self._rest = self._rest.decode(errors="replace"), b""
        if text:
            self.text += text
            self._tell(text)
