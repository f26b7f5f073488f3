"""Machines for a cloud's instances: a thread that watches the cloud, and boots and powers off what follows."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from machines.launching.launch import Launch, LaunchFailed, await_boot, switch_on
from machines.launching.packet_filter import render_table
from machines.launching.watched import Instance, Watched
from machines.machine import MachineTimeout
from machines.network import Network

POLL_SECONDS = 0.3

BOOTING_AT_ONCE = 3
"""Machines that boot at the same time, on two cores."""

POWERING_OFF_AT_ONCE = 16

POWER_OFF_SECONDS = 120.0
"""How long a machine may power off in order. Clouds do not tell how long they wait; it is minutes."""

FAILED_SECONDS = 3.0
"""How long an instance that cannot boot lasts: its group replaces it, again and again."""

MOST_FAILURES = 5
"""Looks that may fail, one after another: a stand-in stumbles over what changes while it answers."""

REBOOTED = 133
"""What a container ends with that reboots."""


class Launcher:
    """Watches until it is closed: before the machines of its network are."""

    def __init__(self, network: Network, cloud: Watched) -> None:
        self.images: dict[str, Path] = {}
        """The root file system of each."""
        self.never_boot: set[str] = set()
        self.power_off_seconds = POWER_OFF_SECONDS
        self.cloud = cloud
        self._network = network
        self._launches: list[Launch] = []
        self._rules = ""
        self._error: BaseException | None = None
        self._end = threading.Event()
        self._booting = ThreadPoolExecutor(BOOTING_AT_ONCE, "boot")
        self._powering_off = ThreadPoolExecutor(POWERING_OFF_AT_ONCE, "power-off")
        self._thread = threading.Thread(target=self._watch, name="launcher", daemon=True)
        network.add_watcher(self)
        self._thread.start()

    @property
    def launches(self) -> list[Launch]:
        """All so far, oldest first.

        Raises:
            RuntimeError: watching has failed.
        """
        if self._error is not None:
            raise RuntimeError(f"what {self.cloud.name} launches is not followed any more") from self._error
        return list(self._launches)

    def close(self) -> None:
        """Watch no more, and switch all machines off at once. May be called again.

        Raises:
            RuntimeError: watching had failed.
        """
        self._end.set()
        self._thread.join()
        self._booting.shutdown(cancel_futures=True)
        for launch in self._launches:
            if launch.machine is not None:
                launch.machine.kill()
        self._powering_off.shutdown()
        for launch in self._launches:
            if launch.machine is not None and not launch.closed:
                launch.machine.close()
                launch.closed = True
        error, self._error = self._error, None
        if error is not None:
            raise RuntimeError(f"what {self.cloud.name} launched was not followed to the end") from error

    # Watching

    def _watch(self) -> None:
        failures = 0
        while not self._end.wait(POLL_SECONDS):
            try:
                self._look()
                failures = 0
            except Exception as error:
                if not self.cloud.is_there():
                    return
                failures += 1
                if failures == MOST_FAILURES:
                    self._error = error
                    return

    def _look(self) -> None:
        """Look at the cloud once, and do what follows."""
        living = self.cloud.list_living()
        launches = [launch for launch in self._launches if not launch.closed]
        for launch in launches:
            launch.instance = living.get(launch.instance.id, launch.instance)
        new = find_new(living, launches)
        self._filter([*launches, *new])
        for launch in new:
            self._launches.append(launch)
            self._submit(self._booting, self._boot, launch)
        for launch in launches:
            if not launch.ending:
                self._keep(launch, living.get(launch.instance.id))
        self.cloud.settle(living)

    def _filter(self, launches: list[Launch]) -> None:
        """Make the packet filter what the cloud says."""
        packet_filter = self.cloud.read_filter([launch.instance for launch in launches])
        rules = render_table(packet_filter, self.cloud.always_open)
        if rules != self._rules:
            self._network.run_inside(["nft", "-f", "-"], input=rules)
            self._rules = rules

    def _keep(self, launch: Launch, instance: Instance | None) -> None:
        """Do what follows for one that has been launched.

        Args:
            instance: as it is now; `None` is that it is gone.
        """
        if instance is None or not instance.runs:
            self._end_launch(launch)
        elif launch.machine is not None and not launch.machine.is_running():
            if launch.machine.process.returncode != REBOOTED:
                self.cloud.end_as_its_machine_did(instance)
            self._end_launch(launch)
        elif launch.deadline is not None and time.monotonic() > launch.deadline:
            self.cloud.terminate(instance)
        elif launch.introduced:
            self.cloud.follow(launch)

    # In threads of their own

    def _submit(self, pool: ThreadPoolExecutor, function: Callable[[Launch], None], launch: Launch) -> None:
        def note(done: Future[None]) -> None:
            if not done.cancelled() and done.exception() is not None and not self._end.is_set():
                self._error = done.exception()
                self._end.set()

        pool.submit(function, launch).add_done_callback(note)

    def _boot(self, launch: Launch) -> None:
        try:
            with launch.lock:
                if launch.ending or self._end.is_set():
                    return
                self._prepare(launch)
            if launch.machine is not None:
                await_boot(launch, self._end)
                launch.booted.set()
        except LaunchFailed as error:
            launch.fail(self.cloud.name, error, FAILED_SECONDS)
        except Exception as error:
            if not self.cloud.is_refusal(error):
                raise
            launch.fail(self.cloud.name, error, FAILED_SECONDS)

    def _prepare(self, launch: Launch) -> None:
        """Have the metadata service know an instance, and switch its machine on.

        Raises:
            LaunchFailed: it cannot boot.
        """
        instance = launch.instance
        root = self.images.get(instance.image)
        if root is None:
            raise LaunchFailed(f"its image {instance.image} was not registered; registered are {list(self.images)}")
        boot = self.cloud.prepare(instance)
        self.cloud.follow(launch)
        launch.introduced = True
        if self.never_boot.isdisjoint({instance.type, instance.image}):
            launch.machine = switch_on(self._network, instance, boot, root)

    def _end_launch(self, launch: Launch) -> None:
        launch.ending = True
        self._submit(self._powering_off, self._power_off, launch)

    def _power_off(self, launch: Launch) -> None:
        seconds = self.power_off_seconds if launch.power_off_seconds is None else launch.power_off_seconds
        with launch.lock:
            if launch.machine is not None:
                with contextlib.suppress(MachineTimeout):
                    launch.machine.power_off(timeout=seconds)
                launch.machine.close()
            self.cloud.forget(launch)
            launch.closed = True


def find_new(living: Mapping[str, Instance], launches: list[Launch]) -> list[Launch]:
    """Launches for what runs and has none. Whose address is still taken by one that powers off waits for it."""
    known = {launch.instance.id for launch in launches}
    taken = {launch.instance.address for launch in launches}
    return [
        Launch(instance)
        for instance in living.values()
        if instance.runs and instance.id not in known and instance.address not in taken
    ]
