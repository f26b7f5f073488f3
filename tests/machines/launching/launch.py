"""One instance and the machine that is switched on for it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machines.container import Container, start_container
from machines.launching.watched import Boot, Instance
from machines.network import Network

BOOTED = ("Reached target getty.target", " login: ")
"""On the console of a machine that has booted, one of them. What its own units do may take any time more."""

BOOT_SECONDS = 60.0
"""For so long a machine counts as booting at most."""

POLL_SECONDS = 0.05

NO_USER_DATA = "#cloud-config\n{}\n"


class LaunchFailed(Exception):
    """An instance cannot boot; what its console says of it."""


@dataclass(eq=False)
class Launch:
    """An instance and its machine, from when it is to boot until nothing is left of it."""

    instance: Instance
    """As its cloud described it when it was last alive."""
    machine: Container | None = None
    booted: threading.Event = field(default_factory=threading.Event)
    """It has booted, or cannot."""
    introduced: bool = False
    """Its cloud has been asked about it, and follows it from then on."""
    ending: bool = False
    """Its machine is being powered off, or has ended."""
    closed: bool = False
    """Nothing is left of its machine, and its address is free."""
    failure: str = ""
    """Why it cannot boot."""
    deadline: float | None = None
    """When it is to be terminated: it cannot boot, or its cloud takes it away."""
    power_off_seconds: float | None = None
    """How long its machine may power off in order; `None` is as long as others."""
    notices: dict[str, str] = field(default_factory=dict)
    """What its cloud announces to it: texts by their paths in the metadata service."""
    told: Any = None
    """What the metadata service says of it."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while its machine is switched on or off."""

    @property
    def console(self) -> str:
        return self.failure or (self.machine.console() if self.machine is not None else "")

    @property
    def runs(self) -> bool:
        return self.machine is not None and self.machine.is_running()

    def fail(self, cloud: str, error: Exception, seconds: float) -> None:
        """It cannot boot, and lasts for so many seconds more."""
        self.failure = f"{cloud}: instance {self.instance.id} cannot boot: {error}\n"
        self.deadline = time.monotonic() + seconds
        self.booted.set()


def switch_on(network: Network, instance: Instance, boot: Boot, root: Path) -> Container:
    """A machine that is an instance, from the root file system of its image.

    Raises:
        LaunchFailed: its address is not in the network, or is taken.
    """
    try:
        return start_container(
            network,
            root,
            instance.name,
            user_data=boot.user_data or NO_USER_DATA,
            address=instance.address,
            instance_id=instance.id,
            public_keys=boot.public_keys,
            files=boot.files,
        )
    except ValueError as error:
        raise LaunchFailed(str(error)) from None


def await_boot(launch: Launch, end: threading.Event) -> None:
    """Wait while the machine of a launch boots, or until it need not any more."""
    machine = launch.machine
    assert machine is not None
    deadline = time.monotonic() + BOOT_SECONDS
    while machine.is_running() and time.monotonic() < deadline:
        console = machine.console()
        if any(text in console for text in BOOTED) or launch.ending or end.wait(POLL_SECONDS):
            return
