"""One instance and the machine that is switched on for it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from machines.container import start_container
from machines.launching.images import MachineImage
from machines.launching.watched import Boot, Instance
from machines.machine import ProcessMachine
from machines.network import Network
from machines.virtual import start_virtual_machine

BOOTED = ("Reached target getty.target", " login: ")
"""On the console of a machine that has booted, one of them. What its own units do may take any time more."""

BOOT_SECONDS = 60.0
"""For so long a machine counts as booting at most; other machines than containers `patience` times as long."""

POLL_SECONDS = 0.05

NO_USER_DATA = "#cloud-config\n{}\n"


class LaunchFailed(Exception):
    """An instance cannot boot; what its console says of it."""


@dataclass(eq=False)
class Launch:
    """An instance and its machine, from when it is to boot until nothing is left of it."""

    instance: Instance
    """As its cloud described it when it was last alive."""
    machine: ProcessMachine | None = None
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


def switch_on(network: Network, instance: Instance, boot: Boot, image: MachineImage) -> ProcessMachine:
    """A machine that is an instance.

    Raises:
        LaunchFailed: its address is not in the network, or is taken; or it cannot be what its image is for.
    """
    try:
        if image.root is not None:
            return start_container(
                network,
                image.root,
                instance.name,
                user_data=boot.user_data or NO_USER_DATA,
                address=instance.address,
                instance_id=instance.id,
                public_keys=boot.public_keys,
                files=boot.files,
            )
        if boot.disk_user_data is None:
            raise LaunchFailed("its image has a disk only, and this cloud's machines are containers")
        assert image.disk is not None
        return start_virtual_machine(
            network,
            image.disk,
            instance.name,
            user_data=boot.disk_user_data,
            address=instance.address,
            instance_id=instance.id,
            public_keys=boot.public_keys,
            cpus=image.cpus,
            memory=image.memory,
            boot=image.boot,
        )
    except ValueError as error:
        raise LaunchFailed(str(error)) from None


def await_boot(launch: Launch, end: threading.Event) -> None:
    """Wait while the machine of a launch boots, or until it need not any more."""
    machine = launch.machine
    assert machine is not None
    deadline = time.monotonic() + BOOT_SECONDS * machine.patience
    while machine.is_running() and time.monotonic() < deadline:
        console = machine.console()
        if any(text in console for text in BOOTED) or launch.ending or end.wait(POLL_SECONDS):
            return
