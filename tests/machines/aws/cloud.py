"""EC2 with machines, for tests."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from machines.aws.images import MachineImage, register_image
from machines.aws.launch import Launch, LaunchFailed
from machines.aws.launcher import Launcher
from machines.console import tail_console
from machines.container import Container
from machines.machine import MachineTimeout, ProcessMachine
from machines.metadata import AWS, REGION
from machines.network import Network

POLL_SECONDS = 0.05

INTERRUPTION_SECONDS = 120.0
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""


class AwsCloud:
    """A region of EC2 whose instances are machines in a network.

        with Network("10.77.0.0/16", addresses=[METADATA_ADDRESS]) as network:
            cloud = AwsCloud(network, start_aws(network))
            image = cloud.register_image("lab", MachineImage(root=root), {"family": "lab"})
            answer = cloud.call("ec2", "run_instances", ImageId=image, MinCount=1, MaxCount=1, SubnetId=…, UserData=…)
            machine = cloud.await_machine(answer["Instances"][0]["InstanceId"])

    - A machine boots from its instance's image with its user-data, at its private address, and is called `ip-A-B-C-D`.
      A few boot at a time.
    - Security groups are a packet filter, in both directions. The gateway is a host outside of all groups. From
      machines to the metadata service and to AWS's other services the way is open, and so is ICMP.
    - An instance that is stopped or terminated has its machine powered off in order, and at once when that takes too
      long. Disks are not kept: one that is started again, or reboots, has a new one.
    - An instance whose machine ends is terminated, or stopped if it wants that and is in no group. A group replaces it.
    - For AWS an instance is `running` when its machine has not booted yet, and `terminated` before it is off: wait with
      `await_machine` and `await_gone`.

    It ends with the network.
    """

    def __init__(self, network: Network, aws: AWS, *, region: str = REGION) -> None:
        self.network = network
        self.aws = aws
        self.region = region
        self._launcher = Launcher(network, aws, region)

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of a service of AWS."""
        return self.aws.services.call(service, operation, region=self.region, **arguments)

    def register_image(
        self, name: str, image: MachineImage, facts: Mapping[str, str] | None = None, *, arch: str = "x86_64"
    ) -> str:
        """Make an image of the account's own that instances boot from; returns its id.

        Args:
            facts: what its tags say, without `daskfleet:`; see `render_facts`.
        """
        ami = register_image(self.aws.services.client("ec2", region=self.region), name, facts or {}, arch)
        self._launcher.images[ami] = image
        return ami

    @property
    def never_boot(self) -> set[str]:
        """Instance types and images whose instances run for AWS and have no machine, from now on; add to it."""
        return self._launcher.never_boot

    def set_power_off_seconds(self, seconds: float) -> None:
        """How long machines may power off in order, from now on."""
        self._launcher.power_off_seconds = seconds

    # Looking

    def running(self, group: str | None = None) -> list[str]:
        """Ids of the instances that AWS says are running; of an Auto Scaling group, or all."""
        found = self._launcher.instances.list_living().values()
        return [each.id for each in found if each.state == "running" and group in (None, each.group)]

    def machine(self, instance_id: str) -> ProcessMachine:
        """The newest machine of an instance, also after its end.

        Raises:
            LookupError: it has none, or none yet.
        """
        machine = self._require(instance_id).machine
        if machine is None:
            raise LookupError(f"instance {instance_id} has no machine, or none yet")
        return machine

    def container(self, instance_id: str) -> Container:
        """The same, where it is a container."""
        machine = self.machine(instance_id)
        assert isinstance(machine, Container), machine
        return machine

    def console(self, instance_id: str) -> str:
        """What the machine of an instance wrote, or why there is none; also after its end."""
        launch = self._find(instance_id)
        return "" if launch is None else launch.console

    # Waiting

    def await_machine(self, instance_id: str, timeout: float = 90.0) -> ProcessMachine:
        """Wait until the machine of an instance has booted; its own units may still be busy.

        Raises:
            LaunchFailed: it cannot boot.
            MachineTimeout: it was not in time.
        """

        def has_booted() -> bool:
            launch = self._find(instance_id)
            return launch is not None and launch.booted.is_set() and (launch.runs or launch.failure != "")

        self._await(has_booted, f"instance {instance_id} has not booted", timeout, instance_id)
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
            living = self._launcher.instances.list_living().get(instance_id)
            launch = self._find(instance_id)
            return (living is None or living.state == "stopped") and (launch is None or launch.closed)

        self._await(is_gone, f"instance {instance_id} is not gone", timeout, instance_id)

    # What happens to instances

    def announce_interruption(self, instance_id: str, seconds: float | None = INTERRUPTION_SECONDS) -> None:
        """Tell an instance that AWS takes it away, and take it away then.

        Args:
            seconds: how long it has; `None` is until somebody terminates it.
        """
        launch = self._require(instance_id)
        moment = _render_time(INTERRUPTION_SECONDS if seconds is None else seconds)
        action = json.dumps({"action": "terminate", "time": moment})
        launch.notices = {**launch.notices, "spot/instance-action": action, "spot/termination-time": moment}
        if seconds is not None:
            launch.deadline = time.monotonic() + seconds

    def announce_rebalance(self, instance_id: str) -> None:
        """Tell an instance that AWS may soon take it away."""
        launch = self._require(instance_id)
        notice = json.dumps({"noticeTime": _render_time(0)})
        launch.notices = {**launch.notices, "events/recommendations/rebalance": notice}

    def _find(self, instance_id: str) -> Launch | None:
        """The newest launch of an instance."""
        return next((each for each in reversed(self._launcher.launches) if each.instance.id == instance_id), None)

    def _require(self, instance_id: str) -> Launch:
        launch = self._find(instance_id)
        if launch is None:
            known = ", ".join(f"{each.instance.id} ({each.instance.address})" for each in self._launcher.launches)
            raise LookupError(f"no instance {instance_id} was launched; launched are {known or 'none'}")
        return launch

    def _await(self, condition: Callable[[], bool], what: str, timeout: float, instance_id: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                console = tail_console(self.console(instance_id))
                raise MachineTimeout(f"{what} after {timeout:g} s; its console ends with:\n{console}")
            time.sleep(POLL_SECONDS)


def _render_time(seconds: float) -> str:
    """The moment after these seconds, as AWS writes it."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
