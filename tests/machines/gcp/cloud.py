"""Compute Engine with machines, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google_client import GoogleClient
from machines.gcp.google import PROJECT, REGION, Google
from machines.gcp.health import Prober
from machines.gcp.images import register_image
from machines.gcp.instances import GcpInstance
from machines.gcp.watched import WatchedGcp
from machines.launching import Launcher, MachineCloud
from machines.network import Network

PREEMPTION_SECONDS = 30.0
"""https://cloud.google.com/compute/docs/instances/spot#preemption-process"""

MAINTENANCE_SECONDS = 60.0
"""https://cloud.google.com/compute/docs/metadata/getting-live-migration-notice"""


class GcpCloud(MachineCloud):
    """A project of Google Cloud whose instances are machines in a network.

        with Network("10.78.0.0/16", addresses=[METADATA_ADDRESS, PROBER_ADDRESS]) as network:
            cloud = GcpCloud(network, start_google(network))
            image = cloud.register_image("lab", root, {"family": "lab"})
            cloud.change("POST", f"{cloud.compute}/zones/europe-west4-a/instances", {"name": "one", …})
            machine = cloud.await_machine("one")

    - A machine is a container from the image of its instance's boot disk, with the user-data in its metadata, at its
      internal address and with its name. A few boot at a time.
    - Firewall rules are a packet filter, in both directions, and what is in another network is out of reach. The
      gateway is a host outside. From machines to the metadata service and to Google's other services the way is open,
      and so is ICMP.
    - An instance that is stopped or deleted has its machine powered off in order, and at once when that takes too long.
      Disks are not kept: one that is started again, or reboots, has a new one.
    - An instance whose machine ends is TERMINATED. A managed instance group replaces it.
    - Where a group heals, its machines are asked as Google's health checks do, from `PROBER_ADDRESS`, and those that do
      not say that they are well are made anew.
    - For Compute Engine an instance is RUNNING when its machine has not booted yet, and TERMINATED or gone before it is
      off: wait with `await_machine` and `await_gone`.

    It ends with the network.
    """

    def __init__(self, network: Network, google: Google, *, region: str = REGION) -> None:
        self.google = google
        self.region = region
        self.project = PROJECT
        self.compute = f"/compute/v1/projects/{PROJECT}"
        """What the paths of the project's resources of Compute Engine begin with."""
        self._watched = WatchedGcp(network, google)
        super().__init__(network, Launcher(network, self._watched))
        self._prober = Prober(network, self._watched)

    @property
    def client(self) -> GoogleClient:
        """A caller of its services: every thread may use it."""
        return self.google.services.client

    def list_instances(self) -> Mapping[str, GcpInstance]:
        """Its instances by id."""
        return self._watched.list_living()

    def call(self, method: str, path: str, body: Any = None, **query: str | int) -> dict[str, Any]:
        """Call a service; see `GoogleClient.call`."""
        return self.client.call(method, path, body, **query)

    def change(self, method: str, path: str, body: Any = None, **query: str | int) -> dict[str, Any]:
        """Call Compute Engine, and wait for the operation's end; see `GoogleClient.change`."""
        return self.client.change(method, path, body, **query)

    def register_image(
        self, name: str, root: Path, facts: Mapping[str, str] | None = None, *, arch: str = "x86_64"
    ) -> str:
        """Make an image of the project's own that instances boot from; returns its path, `projects/lab/global/…`.

        Args:
            root: folder with its root file system.
            facts: what its labels say, without `daskfleet-`; see `render_facts`.
        """
        path = register_image(self.client, self.project, name, facts or {}, arch)
        self._launcher.images[name] = root
        return path

    def set_health_pace(self, pace: float) -> None:
        """How long each second of health checks takes, from now on: a tenth of one makes them ten times as fast."""
        self._prober.pace = pace

    # What happens to instances

    def announce_preemption(
        self, instance: str, seconds: float = PREEMPTION_SECONDS, await_heard: Callable[[], object] = lambda: None
    ) -> None:
        """Take an instance away as Spot VMs are: it is told, and its power button is pressed.

        Args:
            seconds: when it is off at the latest.
            await_heard: returns when the button may be pressed; at once if not given.
        """
        launch = self._require(instance)
        launch.power_off_seconds = seconds
        launch.notices = {**launch.notices, "preempted": "TRUE"}
        self._watched.follow(launch)
        await_heard()
        place = {"zone": launch.instance.zone, "instance": launch.instance.name}
        self.google.services.control("preempt", **place, seconds=seconds)
        if launch.machine is not None:
            launch.machine.press_power_button()

    def announce_maintenance(self, instance: str, seconds: float | None = MAINTENANCE_SECONDS) -> None:
        """Tell an instance that cannot be migrated that its host is maintained, and take it away then.

        Args:
            seconds: how long it has; `None` is until somebody stops it.
        """
        launch = self._require(instance)
        launch.notices = {**launch.notices, "maintenance-event": "TERMINATE_ON_HOST_MAINTENANCE"}
        self._watched.follow(launch)
        if seconds is not None:
            launch.deadline = time.monotonic() + seconds
