"""Machines for EC2's instances: a thread that watches moto, and boots and powers off what follows."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from machines.aws.images import MachineImage
from machines.aws.instances import Instance, Instances, is_refusal
from machines.aws.launch import Launch, LaunchFailed, Switchboard, await_boot
from machines.aws.security_groups import SecurityGroup, render_table
from machines.machine import MachineTimeout
from machines.metadata import AWS, METADATA_ADDRESS, METADATA_PORT, MOTO_PORT
from machines.metadata import Instance as MetadataInstance
from machines.network import Network

POLL_SECONDS = 0.3

BOOTING_AT_ONCE = 3
"""Machines that boot at the same time, on two cores."""

POWERING_OFF_AT_ONCE = 16

POWER_OFF_SECONDS = 120.0
"""How long a machine may power off in order. EC2 does not tell how long it waits; it is minutes."""

FAILED_SECONDS = 3.0
"""How long an instance that cannot boot lasts: its Auto Scaling group replaces it, again and again."""

MOST_FAILURES = 5
"""Looks that may fail, one after another: moto stumbles over what changes while it answers."""

REBOOTED = 133
"""What a container ends with that reboots."""

USER_DATA_BYTES = 16 * 1024


class Launcher:
    """Watches until it is closed: before the machines of its network are."""

    def __init__(self, network: Network, aws: AWS, region: str) -> None:
        self.images: dict[str, MachineImage] = {}
        self.never_boot: set[str] = set()
        self.power_off_seconds = POWER_OFF_SECONDS
        self.instances = Instances(aws.services, region)
        self._network = network
        self._aws = aws
        self._region = region
        self._switchboard = Switchboard(network, aws.services.endpoint_url)
        self._launches: list[Launch] = []
        self._rules = ""
        self._error: BaseException | None = None
        self._end = threading.Event()
        self._booting = ThreadPoolExecutor(BOOTING_AT_ONCE, "boot")
        self._powering_off = ThreadPoolExecutor(POWERING_OFF_AT_ONCE, "power-off")
        self._thread = threading.Thread(target=self._watch, name="aws-launcher", daemon=True)
        network.add_watcher(self)
        self._thread.start()

    @property
    def launches(self) -> list[Launch]:
        """All so far, oldest first.

        Raises:
            RuntimeError: watching has failed.
        """
        if self._error is not None:
            raise RuntimeError("what AWS launches is not followed any more") from self._error
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
            raise RuntimeError("what AWS launched was not followed to the end") from error

    # Watching

    def _watch(self) -> None:
        failures = 0
        while not self._end.wait(POLL_SECONDS):
            try:
                self._look()
                failures = 0
            except Exception as error:
                if self._aws.services.process.poll() is not None:
                    return  # There is no AWS any more.
                failures += 1
                if failures == MOST_FAILURES:
                    self._error = error
                    return

    def _look(self) -> None:
        """Look at AWS once, and do what follows."""
        living = self.instances.list_living()
        groups = self.instances.describe_security_groups()
        launches = [launch for launch in self._launches if not launch.closed]
        for launch in launches:
            launch.instance = living.get(launch.instance.id, launch.instance)
        new = find_new(living, launches)
        self._filter(groups, [*launches, *new])
        for launch in new:
            self._launches.append(launch)
            self._submit(self._booting, self._boot, launch)
        for launch in launches:
            if not launch.ending:
                self._keep(launch, living.get(launch.instance.id))
        for instance in living.values():
            if instance.state == "stopped" and instance.group is not None:
                self.instances.terminate(instance)  # As its group does.

    def _filter(self, groups: Mapping[str, SecurityGroup], launches: list[Launch]) -> None:
        """Make the packet filter what the groups say."""
        interfaces = {str(each.instance.address): each.instance.security_groups for each in launches}
        always = ((METADATA_ADDRESS, METADATA_PORT), (self._network.gateway, MOTO_PORT))
        rules = render_table(groups, interfaces, always)
        if rules != self._rules:
            self._network.run_inside(["nft", "-f", "-"], input=rules)
            self._rules = rules

    def _keep(self, launch: Launch, instance: Instance | None) -> None:
        """Do what follows for one that has been launched.

        Args:
            instance: as it is now; `None` is that it was terminated.
        """
        if instance is None or instance.state != "running":
            self._end_launch(launch)
        elif launch.machine is not None and not launch.machine.is_running():
            if launch.machine.process.returncode != REBOOTED:
                self.instances.end_as_its_machine_did(instance)
            self._end_launch(launch)
        elif launch.deadline is not None and time.monotonic() > launch.deadline:
            self.instances.terminate(instance)
        elif launch.told is not None:
            self._tell(launch, launch.told)

    def _tell(self, launch: Launch, told: MetadataInstance) -> None:
        """Have the metadata service know the instance as it is now: what was told of it, with what may change."""
        tags = dict(launch.instance.tags) if launch.instance.has_metadata_tags else {}
        told = replace(
            told,
            role=self.instances.read_role(launch.instance),  # moto joins a profile to what runs already.
            tags=tags,
            http_tokens=launch.instance.http_tokens,
            notices=launch.notices,
        )
        if told != launch.told:
            launch.told = told
            self._aws.metadata.add(told)

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
            launch.fail(error, FAILED_SECONDS)
        except Exception as error:
            if not is_refusal(error):
                raise
            launch.fail(error, FAILED_SECONDS)

    def _prepare(self, launch: Launch) -> None:
        """Have the metadata service know an instance, and switch its machine on.

        Raises:
            LaunchFailed: it cannot boot.
        """
        instance = launch.instance
        image = self.images.get(instance.image)
        if image is None:
            raise LaunchFailed(f"its image {instance.image} was not registered; registered are {list(self.images)}")
        data = self.instances.read_user_data(instance)
        if len(data) > USER_DATA_BYTES:
            raise LaunchFailed(f"its user-data has {len(data)} bytes; AWS takes {USER_DATA_BYTES}")
        try:
            user_data = data.decode() or None
        except UnicodeDecodeError:
            raise LaunchFailed("its user-data is no text, which machines here do not take") from None
        told = MetadataInstance(
            address=str(instance.address),
            instance_id=instance.id,
            region=self._region,
            availability_zone=instance.zone,
            instance_type=instance.type,
            image_id=instance.image,
            user_data=user_data,
            public_key=self.instances.read_public_key(instance),
        )
        self._tell(launch, told)
        if self.never_boot.isdisjoint({instance.type, instance.image}):
            launch.machine = self._switchboard.switch_on(told, image)

    def _end_launch(self, launch: Launch) -> None:
        launch.ending = True
        self._submit(self._powering_off, self._power_off, launch)

    def _power_off(self, launch: Launch) -> None:
        with launch.lock:
            if launch.machine is not None:
                with contextlib.suppress(MachineTimeout):
                    launch.machine.power_off(timeout=self.power_off_seconds * launch.machine.patience)
                launch.machine.close()
            if launch.told is not None:
                self._aws.metadata.remove(launch.told.address)
            launch.closed = True


def find_new(living: Mapping[str, Instance], launches: list[Launch]) -> list[Launch]:
    """Launches for what runs and has none. Whose address is still taken by one that powers off waits for it."""
    known = {launch.instance.id for launch in launches}
    taken = {launch.instance.address for launch in launches}
    return [
        Launch(instance)
        for instance in living.values()
        if instance.state == "running" and instance.id not in known and instance.address not in taken
    ]
