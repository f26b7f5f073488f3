"""EC2 with machines, for tests."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machines.aws.images import register_image
from machines.aws.watched import WatchedAws
from machines.launching import Launcher, MachineCloud
from machines.metadata import AWS, REGION
from machines.network import Network

INTERRUPTION_SECONDS = 120.0
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""


class AwsCloud(MachineCloud):
    """A region of EC2 whose instances are machines in a network.

        with Network("10.77.0.0/16", addresses=[METADATA_ADDRESS]) as network:
            cloud = AwsCloud(network, start_aws(network))
            image = cloud.register_image("lab", root, {"family": "lab"})
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
        self.aws = aws
        self.region = region
        super().__init__(network, Launcher(network, WatchedAws(network, aws, region)))

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of a service of AWS."""
        return self.aws.services.call(service, operation, region=self.region, **arguments)

    def register_image(
        self, name: str, root: Path, facts: Mapping[str, str] | None = None, *, arch: str = "x86_64"
    ) -> str:
        """Make an image of the account's own that instances boot from; returns its id.

        Args:
            root: folder with its root file system.
            facts: what its tags say, without `daskfleet:`; see `render_facts`.
        """
        ami = register_image(self.aws.services.client("ec2", region=self.region), name, facts or {}, arch)
        self._launcher.images[ami] = root
        return ami

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


def _render_time(seconds: float) -> str:
    """The moment after these seconds, as AWS writes it."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
