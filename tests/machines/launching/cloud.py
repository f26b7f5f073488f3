"""A cloud with machines, as tests hold it."""

from __future__ import annotations

import time
from collections.abc import Callable

from machines.console import tail_console
from machines.container import Container
from machines.launching.launch import Launch, LaunchFailed
from machines.launching.launcher import Launcher
from machines.machine import MachineTimeout
from machines.network import Network
from patience import PATIENCE

POLL_SECONDS = 0.05


class MachineCloud:
    """The looking and the waiting that are the same in every cloud. An instance is named by its id or its name."""

    def __init__(self, network: Network, launcher: Launcher) -> None:
        self.network = network
        self._launcher = launcher

    @property
    def never_boot(self) -> set[str]:
        """Instance types and images whose instances run for the cloud and have no machine, from now on; add to it."""
        return self._launcher.never_boot

    def set_power_off_seconds(self, seconds: float) -> None:
        """How long machines may power off in order, from now on."""
        self._launcher.power_off_seconds = seconds

    # Looking

    def running(self, group: str | None = None) -> list[str]:
        """Ids of the instances that the cloud says are running; of a group that keeps them, or all."""
        found = self._launcher.cloud.list_living().values()
        return [each.id for each in found if each.runs and group in (None, each.group)]

    def machine(self, instance: str) -> Container:
        """The newest machine of an instance, also after its end.

        Raises:
            LookupError: it has none, or none yet.
        """
        machine = self._require(instance).machine
        if machine is None:
            raise LookupError(f"instance {instance} has no machine, or none yet")
        return machine

    def console(self, instance: str) -> str:
        """What the machine of an instance wrote, or why there is none; also after its end."""
        launch = self._find(instance)
        return "" if launch is None else launch.console

    # Waiting

    def await_machine(self, instance: str, timeout: float = 90.0) -> Container:
        """Wait until the machine of an instance has booted; its own units may still be busy.

        Raises:
            LaunchFailed: it cannot boot.
            MachineTimeout: it was not in time.
        """

        def has_booted() -> bool:
            launch = self._find(instance)
            return launch is not None and launch.booted.is_set() and (launch.runs or launch.failure != "")

        self._await(has_booted, f"instance {instance} has not booted", timeout, instance)
        launch = self._require(instance)
        if launch.failure:
            raise LaunchFailed(launch.failure)
        return self.machine(instance)

    def await_gone(self, instance: str, timeout: float = 60.0) -> None:
        """Wait until the cloud knows an instance as stopped or gone, and nothing is left of its machine.

        Raises:
            MachineTimeout: it was not in time.
        """
        launch = self._find(instance)
        known = instance if launch is None else launch.instance.id  # Another of its name may have come.

        def is_gone() -> bool:
            living = self._launcher.cloud.list_living().get(known)
            launch = self._find(known)
            return (living is None or living.is_off) and (launch is None or launch.closed)

        self._await(is_gone, f"instance {instance} is not gone", timeout, known)

    # For each cloud's own

    def _find(self, instance: str) -> Launch | None:
        """The newest launch of an instance."""
        launches = reversed(self._launcher.launches)
        return next((each for each in launches if instance in (each.instance.id, each.instance.name)), None)

    def _require(self, instance: str) -> Launch:
        launch = self._find(instance)
        if launch is None:
            known = ", ".join(f"{each.instance.id} ({each.instance.address})" for each in self._launcher.launches)
            raise LookupError(f"no instance {instance} was launched; launched are {known or 'none'}")
        return launch

    def _await(self, condition: Callable[[], bool], what: str, timeout: float, instance: str) -> None:
        deadline = time.monotonic() + timeout * PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                console = tail_console(self.console(instance))
                raise MachineTimeout(f"{what} after {timeout:g} s; its console ends with:\n{console}")
            time.sleep(POLL_SECONDS)
