"""Machines for EC2's instances: what moto says is running, runs."""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import yaml

from machines.aws.images import MachineImage, register_image
from machines.aws.instances import Instance, Instances
from machines.aws.security_groups import SecurityGroup, parse_security_group, render_table
from machines.console import tail_console
from machines.container import Container, start_container
from machines.machine import MachineTimeout, ProcessMachine
from machines.metadata import AWS, METADATA_ADDRESS, METADATA_PORT, MOTO_PORT, REGION
from machines.metadata import Instance as MetadataInstance
from machines.network import Network
from machines.virtual import start_virtual_machine

POLL_SECONDS = 0.3
WAIT_POLL_SECONDS = 0.05

BOOTING_AT_ONCE = 3
"""Machines that boot at the same time, on two cores."""

BOOTED = "Reached target getty.target"
"""On the console of a machine that has booted. What its own units do may take any time more."""

BOOT_SECONDS = 60.0
"""For so long a machine counts as booting at most; other machines than containers `patience` times as long."""

POWER_OFF_SECONDS = 120.0
"""How long EC2 lets a machine power off in order. It does not tell; it takes minutes."""

FAILED_SECONDS = 5.0
"""How long an instance that cannot boot lasts: its Auto Scaling group replaces it, again and again."""

INTERRUPTION_SECONDS = 120.0
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""

REBOOTED = 133
"""What a container ends with that reboots."""

USER_DATA_BYTES = 16 * 1024

ENDPOINT_DROP_IN = "/etc/systemd/system/daskfleet-node.service.d/90-endpoint.conf"
ENDPOINT_SETTINGS = "/var/lib/daskfleet/.aws/config"
"""Where the node of a virtual machine looks for AWS's settings: nothing can be bound into it."""


class LaunchFailed(Exception):
    """An instance cannot boot; what its console says of it."""


@dataclass
class Launch:
    """An instance and its machine."""

    instance: Instance
    """As EC2 described it when it was last alive."""
    machine: ProcessMachine | None = None
    booted: threading.Event = field(default_factory=threading.Event)
    """Or failed, or ended."""
    ending: bool = False
    """Its machine is being powered off, or has ended."""
    closed: bool = False
    """Nothing is left of its machine, and its address is free."""
    failure: str = ""
    """Why it cannot boot."""
    deadline: float | None = None
    """When it is terminated: it failed, or AWS takes it away."""
    notices: dict[str, str] = field(default_factory=dict)
    told: MetadataInstance | None = None
    """What the metadata service says of it."""
    role: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while its machine is made or ended."""

    @property
    def console(self) -> str:
        return self.failure or (self.machine.console() if self.machine is not None else "")


class AwsCloud:
    """EC2's machines in a network: a thread that watches moto's instances, and boots and powers off what follows.

        with Network("10.77.0.0/16", addresses=[METADATA_ADDRESS]) as network:
            cloud = AwsCloud(network, start_aws(network))
            image = cloud.register_image("lab", MachineImage(root), {"family": "lab"})
            cloud.call("ec2", "run_instances", ImageId=image, …)
            machine = cloud.await_machine(instance_id)

    - A machine boots from its instance's image with its user-data, at its private address, and is called `ip-A-B-C-D`.
    - Security groups are a packet filter. The gateway counts as a host outside of all groups; from machines to moto and
      to the metadata service the way is open.
    - An instance that is stopped or terminated has its machine powered off in order, then at once. One that is started
      again gets a new machine: disks are not kept. An instance whose machine ends is stopped or terminated.
    - moto knows neither `pending` nor `shutting-down`; see `await_machine` and `await_gone`.

    It ends with the network, before its machines do.
    """

    def __init__(self, network: Network, aws: AWS, *, region: str = REGION) -> None:
        self.network = network
        self.aws = aws
        self.region = region
        self.never_boot: set[str] = set()
        """Instance types and images whose instances run for AWS, and have no machine."""
        self.power_off_seconds = POWER_OFF_SECONDS
        self._images: dict[str, MachineImage] = {}
        self._launches: list[Launch] = []
        self._instances = Instances(aws.services, region)
        self._rules = ""
        self._error: BaseException | None = None
        self._end = threading.Event()
        self._booting = ThreadPoolExecutor(BOOTING_AT_ONCE, "boot")
        self._ending = ThreadPoolExecutor(thread_name_prefix="power-off")
        self._thread = threading.Thread(target=self._watch, name="aws-launcher", daemon=True)
        self._drop_in = network.folder / "endpoint.conf"
        self._drop_in.write_text(f"[Service]\nEnvironment=AWS_ENDPOINT_URL={aws.services.endpoint_url}\n")
        network.add_watcher(self)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
        self._ending.shutdown()
        for launch in self._launches:
            if launch.machine is not None and not launch.closed:
                launch.machine.close()
                launch.closed = True
        error, self._error = self._error, None
        if error is not None:
            raise RuntimeError("what AWS launched was not followed to the end") from error

    # For tests

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of a service of AWS."""
        return self.aws.services.call(service, operation, region=self.region, **arguments)

    def register_image(
        self, name: str, image: MachineImage, facts: Mapping[str, str] | None = None, *, arch: str = "x86_64"
    ) -> str:
        """Make an image that instances boot from; returns its id.

        Args:
            facts: what its tags say, without `daskfleet:`; see `render_facts`.
        """
        identifier = register_image(self.aws.services.client("ec2", region=self.region), name, facts or {}, arch)
        self._images[identifier] = image
        return identifier

    def running(self, group: str | None = None) -> list[str]:
        """Ids of the instances that AWS says are running; of an Auto Scaling group, or all."""
        found = self._instances.list_living().values()
        return [each.id for each in found if each.state == "running" and group in (None, each.group)]

    def machine(self, instance_id: str) -> ProcessMachine:
        """The machine of an instance, also after its end.

        Raises:
            LookupError: it has none, or none yet.
        """
        launch = self._find(instance_id)
        if launch is None or launch.machine is None:
            raise LookupError(f"instance {instance_id} has no machine; launched are {self._describe()}")
        return launch.machine

    def container(self, instance_id: str) -> Container:
        """The machine of an instance, which is a container."""
        machine = self.machine(instance_id)
        assert isinstance(machine, Container), machine
        return machine

    def await_machine(self, instance_id: str, timeout: float = 90.0) -> ProcessMachine:
        """Wait until the machine of an instance has booted; its own units may still be busy.

        Raises:
            LaunchFailed: it cannot boot.
            MachineTimeout: it was not in time.
        """

        def is_there() -> bool:
            launch = self._find(instance_id)
            if launch is None or not launch.booted.is_set():
                return False
            return launch.failure != "" or (launch.machine is not None and launch.machine.is_running())

        self._await(is_there, f"instance {instance_id} has not booted", timeout, instance_id)
        launch = self._require(instance_id)
        if launch.failure:
            raise LaunchFailed(launch.failure)
        return self.machine(instance_id)

    def await_gone(self, instance_id: str, timeout: float = 60.0) -> None:
        """Wait until AWS knows an instance as stopped or terminated, and nothing is left of its machine.

        Raises:
            MachineTimeout: it was not in time.
        """

        def is_gone() -> bool:
            living = self._instances.list_living().get(instance_id)
            launch = self._find(instance_id)
            return (living is None or living.state == "stopped") and (launch is None or launch.closed)

        self._await(is_gone, f"instance {instance_id} is not gone", timeout, instance_id)

    def console(self, instance_id: str) -> str:
        """What the machine of an instance wrote, or why there is none; also after its end."""
        launch = self._find(instance_id)
        return "" if launch is None else launch.console

    def announce_interruption(self, instance_id: str, seconds: float | None = INTERRUPTION_SECONDS) -> None:
        """Tell an instance that AWS takes it away, and take it away then.

        Args:
            seconds: how long it has; `None` is until somebody terminates it.
        """
        launch = self._require(instance_id)
        moment = _render_time(INTERRUPTION_SECONDS if seconds is None else seconds)
        launch.notices |= {
            "spot/instance-action": json.dumps({"action": "terminate", "time": moment}),
            "spot/termination-time": moment,
        }
        if seconds is not None:
            launch.deadline = time.monotonic() + seconds

    def announce_rebalance(self, instance_id: str) -> None:
        """Tell an instance that AWS may soon take it away."""
        notice = json.dumps({"noticeTime": _render_time(0)})
        self._require(instance_id).notices["events/recommendations/rebalance"] = notice

    # Watching

    def _watch(self) -> None:
        while not self._end.is_set():
            try:
                self._follow()
            except BaseException as error:
                if self._end.is_set() or self.aws.services.process.poll() is not None:
                    return  # AWS itself has ended.
                self._error = error
                return
            self._end.wait(POLL_SECONDS)

    def _follow(self) -> None:
        """Look once, and do what follows."""
        living = self._instances.list_living()
        groups = self._instances.describe_security_groups()
        launches = [launch for launch in self._launches if not launch.closed]
        known = {launch.instance.id for launch in launches}
        taken = {launch.instance.address for launch in launches}
        new = []
        for instance in living.values():
            if instance.state == "running" and instance.id not in known and instance.address not in taken:
                taken.add(instance.address)
                new.append(Launch(instance))
        for launch in launches:
            launch.instance = living.get(launch.instance.id, launch.instance)
        self._filter({each["GroupId"]: parse_security_group(each) for each in groups}, launches + new)
        self._launches += new
        for launch in new:
            self._submit(self._booting, self._boot, launch)
        for launch in launches:
            self._keep(launch, living.get(launch.instance.id))
        for instance in living.values():
            if instance.state == "stopped" and instance.group is not None:
                self._instances.terminate(instance)

    def _filter(self, groups: Mapping[str, SecurityGroup], launches: list[Launch]) -> None:
        """Make the packet filter what the groups say."""
        interfaces = {
            each.instance.address: each.instance.security_groups
            for each in launches
            if each.instance.address is not None
        }
        always = ((METADATA_ADDRESS, METADATA_PORT), (self.network.gateway, MOTO_PORT))
        rules = render_table(groups, interfaces, always)
        if rules != self._rules:
            self.network.run_inside(["nft", "-f", "-"], input=rules)
            self._rules = rules

    def _keep(self, launch: Launch, instance: Instance | None) -> None:
        """Do what follows for one that has been launched.

        Args:
            instance: as it is now; `None` is that it was terminated.
        """
        if launch.ending:
            return
        if instance is None or instance.state != "running":
            launch.ending = True
            self._submit(self._ending, self._power_off, launch)
        elif launch.machine is not None and not launch.machine.is_running():
            launch.ending = True
            if launch.machine.process.returncode != REBOOTED:
                self._instances.end_as_its_machine_did(instance)
            self._submit(self._ending, self._power_off, launch)
        elif launch.deadline is not None and time.monotonic() > launch.deadline:
            self._instances.terminate(instance)
        elif launch.told is not None:
            self._tell(launch)

    def _tell(self, launch: Launch) -> None:
        """Have the metadata service know the instance as it is now."""
        instance = launch.instance
        told = MetadataInstance(
            address=str(instance.address),
            instance_id=instance.id,
            role=launch.role,
            region=self.region,
            availability_zone=instance.zone,
            instance_type=instance.type,
            image_id=instance.image,
            tags=dict(instance.tags) if instance.has_metadata_tags else {},
            user_data=self._user_data(instance) if launch.told is None else launch.told.user_data,
            notices=dict(launch.notices),
        )
        if told != launch.told:
            launch.told = told
            self.aws.metadata.add(told)

    # Machines

    def _boot(self, launch: Launch) -> None:
        try:
            with launch.lock:
                if launch.ending or self._end.is_set():
                    return
                launch.role = self._instances.read_role(launch.instance)
                self._tell(launch)
                if self.never_boot.isdisjoint({launch.instance.type, launch.instance.image}):
                    launch.machine = self._switch_on(launch)
            if launch.machine is not None:
                self._await_boot(launch, launch.machine)
                launch.booted.set()
        except Exception as error:
            if not (_is_refusal(error) or isinstance(error, LaunchFailed)):
                raise
            launch.failure = f"EC2: instance {launch.instance.id} cannot boot: {error}\n"
            launch.deadline = time.monotonic() + FAILED_SECONDS
            launch.booted.set()

    def _switch_on(self, launch: Launch) -> ProcessMachine:
        """A machine that is an instance.

        Raises:
            LaunchFailed: it cannot be.
        """
        instance = launch.instance
        image = self._images.get(instance.image)
        if image is None:
            raise LaunchFailed(f"its image {instance.image} was not registered; registered are {list(self._images)}")
        address = str(instance.address)
        name = f"ip-{address.replace('.', '-')}"
        assert launch.told is not None
        user_data = launch.told.user_data or "#cloud-config\n{}\n"
        try:
            if image.root is not None:
                return start_container(
                    self.network,
                    image.root,
                    name,
                    user_data=user_data,
                    address=address,
                    instance_id=instance.id,
                    read_only_binds={ENDPOINT_DROP_IN: self._drop_in},
                )
            assert image.disk is not None
            return start_virtual_machine(
                self.network,
                image.disk,
                name,
                user_data=add_endpoint(user_data, self.aws.services.endpoint_url),
                address=address,
                instance_id=instance.id,
                memory=image.memory,
                boot=image.boot,
            )
        except ValueError as error:  # Its address is not in the network.
            raise LaunchFailed(str(error)) from None

    def _user_data(self, instance: Instance) -> str | None:
        data = self._instances.read_user_data(instance)
        if len(data) > USER_DATA_BYTES:
            raise LaunchFailed(f"its user-data has {len(data)} bytes; AWS takes {USER_DATA_BYTES}")
        return data.decode() or None

    def _await_boot(self, launch: Launch, machine: ProcessMachine) -> None:
        deadline = time.monotonic() + BOOT_SECONDS * machine.patience
        while BOOTED not in machine.console() and machine.is_running() and time.monotonic() < deadline:
            if launch.ending or self._end.wait(WAIT_POLL_SECONDS):
                return

    def _power_off(self, launch: Launch) -> None:
        with launch.lock:
            machine = launch.machine
            if machine is not None:
                with contextlib.suppress(MachineTimeout):
                    machine.power_off(timeout=self.power_off_seconds * machine.patience)
                machine.close()
            if launch.told is not None:
                self.aws.metadata.remove(launch.told.address)
            launch.closed = True

    def _submit(self, pool: ThreadPoolExecutor, function: Callable[[Launch], None], launch: Launch) -> None:
        def tell(done: Future[None]) -> None:
            if not done.cancelled() and done.exception() is not None and not self._end.is_set():
                self._error = done.exception()
                self._end.set()

        pool.submit(function, launch).add_done_callback(tell)

    # Looking

    def _find(self, instance_id: str) -> Launch | None:
        """The newest launch of an instance."""
        if self._error is not None:
            raise RuntimeError("what AWS launches is not followed any more") from self._error
        return next((each for each in reversed(self._launches) if each.instance.id == instance_id), None)

    def _require(self, instance_id: str) -> Launch:
        launch = self._find(instance_id)
        if launch is None:
            raise LookupError(f"no instance {instance_id} was launched; launched are {self._describe()}")
        return launch

    def _describe(self) -> str:
        return ", ".join(f"{each.instance.id} ({each.instance.address})" for each in self._launches) or "none"

    def _await(self, condition: Callable[[], bool], what: str, timeout: float, instance_id: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                console = tail_console(self.console(instance_id))
                raise MachineTimeout(f"{what} after {timeout:g} s; its console ends with:\n{console}")
            time.sleep(WAIT_POLL_SECONDS)


def add_endpoint(user_data: str, endpoint_url: str) -> str:
    """User-data that also writes where the node finds AWS."""
    if not user_data.startswith("#cloud-config"):
        return user_data
    config = yaml.safe_load(user_data) or {}
    file = {"path": ENDPOINT_SETTINGS, "content": f"[default]\nendpoint_url = {endpoint_url}\n"}
    return "#cloud-config\n" + yaml.safe_dump({**config, "write_files": [*config.get("write_files", []), file]})


def _is_refusal(error: Exception) -> bool:
    """Whether AWS refused something, for example as it does not exist any more."""
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError)


def _render_time(seconds: float) -> str:
    """The moment after these seconds, as AWS writes it."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
