"""One instance and the machine that is switched on for it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import yaml

from machines.aws.images import MachineImage
from machines.aws.instances import Instance
from machines.container import start_container
from machines.machine import ProcessMachine
from machines.metadata import Instance as MetadataInstance
from machines.network import Network
from machines.virtual import start_virtual_machine

BOOTED = ("Reached target getty.target", " login: ")
"""On the console of a machine that has booted, one of them. What its own units do may take any time more."""

BOOT_SECONDS = 60.0
"""For so long a machine counts as booting at most; other machines than containers `patience` times as long."""

POLL_SECONDS = 0.05

ENDPOINT_DROP_IN = "/etc/systemd/system/daskfleet-node.service.d/90-endpoint.conf"
ENDPOINT_SETTINGS = "/var/lib/daskfleet/.aws/config"
"""Where the node of a virtual machine looks for AWS's settings: nothing can be bound into it."""

NO_USER_DATA = "#cloud-config\n{}\n"


class LaunchFailed(Exception):
    """An instance cannot boot; what its console says of it."""


@dataclass(eq=False)
class Launch:
    """An instance and its machine, from when it is to boot until nothing is left of it."""

    instance: Instance
    """As EC2 described it when it was last alive."""
    machine: ProcessMachine | None = None
    booted: threading.Event = field(default_factory=threading.Event)
    """It has booted, or cannot."""
    ending: bool = False
    """Its machine is being powered off, or has ended."""
    closed: bool = False
    """Nothing is left of its machine, and its address is free."""
    failure: str = ""
    """Why it cannot boot."""
    deadline: float | None = None
    """When it is to be terminated: it cannot boot, or AWS takes it away."""
    notices: dict[str, str] = field(default_factory=dict)
    """What AWS announces to it; see `machines.metadata.Instance`."""
    told: MetadataInstance | None = None
    """What the metadata service says of it."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while its machine is switched on or off."""

    @property
    def console(self) -> str:
        return self.failure or (self.machine.console() if self.machine is not None else "")

    @property
    def runs(self) -> bool:
        return self.machine is not None and self.machine.is_running()

    def fail(self, error: Exception, seconds: float) -> None:
        """It cannot boot, and lasts for so many seconds more."""
        self.failure = f"EC2: instance {self.instance.id} cannot boot: {error}\n"
        self.deadline = time.monotonic() + seconds
        self.booted.set()


class Switchboard:
    """Switches machines on, so that they find AWS where it is in this network."""

    def __init__(self, network: Network, endpoint_url: str) -> None:
        self._network = network
        self._endpoint_url = endpoint_url
        self._drop_in = network.folder / "endpoint.conf"
        self._drop_in.write_text(f"[Service]\nEnvironment=AWS_ENDPOINT_URL={endpoint_url}\n")

    def switch_on(self, instance: MetadataInstance, image: MachineImage) -> ProcessMachine:
        """A machine that is an instance.

        Raises:
            LaunchFailed: its address is not in the network, or is taken.
        """
        name = f"ip-{instance.address.replace('.', '-')}"
        user_data = instance.user_data or NO_USER_DATA
        keys = [] if instance.public_key is None else [instance.public_key]
        try:
            if image.root is not None:
                return start_container(
                    self._network,
                    image.root,
                    name,
                    user_data=user_data,
                    address=instance.address,
                    instance_id=instance.instance_id,
                    public_keys=keys,
                    read_only_binds={ENDPOINT_DROP_IN: self._drop_in},
                )
            assert image.disk is not None
            return start_virtual_machine(
                self._network,
                image.disk,
                name,
                user_data=add_endpoint(user_data, self._endpoint_url),
                address=instance.address,
                instance_id=instance.instance_id,
                public_keys=keys,
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


def add_endpoint(user_data: str, endpoint_url: str) -> str:
    """User-data that also writes where the node finds AWS."""
    if not user_data.startswith("#cloud-config"):
        return user_data
    config = yaml.safe_load(user_data) or {}
    file = {"path": ENDPOINT_SETTINGS, "content": f"[default]\nendpoint_url = {endpoint_url}\n"}
    return "#cloud-config\n" + yaml.safe_dump({**config, "write_files": [*config.get("write_files", []), file]})
