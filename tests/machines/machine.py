"""What containers and virtual machines have in common."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from machines.console import read_console, tail_console
from patience import PATIENCE

POLL_SECONDS = 0.05

GRACE_SECONDS = 30.0
"""Seconds that a container may take to power off in order; other machines take `patience` times as long."""

KILL_SECONDS = 10.0


class MachineError(Exception):
    """A machine did not do what it should; the message ends with the tail of its console."""


class MachineTimeout(MachineError):
    """Something did not happen on a machine in time."""


class Machine(Protocol):
    """A machine with an address in a `Network`."""

    name: str
    """Its name, which is its host name too."""
    address: str
    """Its address in the network."""
    patience: float
    """How much slower than a container it may be; callers multiply their timeouts with it."""

    def console(self) -> str:
        """What it has written on its console so far."""

    def await_console(self, text: str, timeout: float, times: int = 1) -> str:
        """Wait until `text` is on the console, and return the console.

        Args:
            timeout: seconds.
            times: how often it is to be there.

        Raises:
            MachineTimeout: it was not in time.
            MachineError: the machine ended without it.
        """

    def await_end(self, timeout: float) -> None:
        """Wait until the machine is off, for example because it powers itself off.

        Raises:
            MachineTimeout: it was not in time.
        """

    def power_off(self, *, graceful: bool = True, timeout: float | None = None) -> None:
        """Switch it off and wait until it is: as its power button does, or at once.

        Args:
            graceful: as its power button does.
            timeout: seconds that it may take; `None` is enough for a machine that has little to do.

        Raises:
            MachineTimeout: it did not end in order; it is still running then.
        """

    def kill(self) -> None:
        """Switch it off at once, as a power cut does. Does nothing when it is off."""

    def is_running(self) -> bool:
        """Whether it is on."""

    def close(self) -> None:
        """Switch it off at once and remove what it was made of but for its console. May be called again."""


class ProcessMachine(ABC):
    """A machine that is one process of this computer."""

    patience = 1.0

    def __init__(self, name: str, address: str, process: subprocess.Popen[bytes], console_file: Path) -> None:
        self.name = name
        self.address = address
        self.process = process
        self.console_file = console_file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def console(self) -> str:
        return read_console(self.console_file)

    def await_console(self, text: str, timeout: float, times: int = 1) -> str:
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            ended = not self.is_running()  # Before the look: what it wrote last counts.
            console = self.console()
            if console.count(text) >= times:
                return console
            if ended:
                raise MachineError(
                    self._describe(f"ended with {self.process.returncode} before {text!r} was on its console")
                )
            if time.monotonic() > deadline:
                raise MachineTimeout(self._describe(f"did not write {text!r} within {timeout:g} s"))
            time.sleep(POLL_SECONDS)

    def await_end(self, timeout: float) -> None:
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MachineTimeout(self._describe(f"was still on after {timeout:g} s")) from None

    def power_off(self, *, graceful: bool = True, timeout: float | None = None) -> None:
        if not graceful:
            self.kill()
            return
        if timeout is None:
            timeout = GRACE_SECONDS * self.patience
        deadline = time.monotonic() + timeout
        while self.is_running():
            # Again and again: a machine that has just been switched on may not listen yet.
            self.press_power_button()
            try:
                self.process.wait(1.0)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise MachineTimeout(self._describe(f"did not power off within {timeout:g} s")) from None

    def is_running(self) -> bool:
        return self.process.poll() is None

    @abstractmethod
    def press_power_button(self) -> None:
        """Ask the machine to power off in order. Does nothing when it does not listen yet."""

    @abstractmethod
    def kill(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def _describe(self, what: str) -> str:
        return f"machine {self.name} ({self.address}) {what}; its console ends with:\n{tail_console(self.console())}"
