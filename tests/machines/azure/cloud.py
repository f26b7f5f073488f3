"""Azure with machines, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure_cloud.client import AzureClient
from machines.azure.azure import LOCATION, SCOPE, Azure
from machines.azure.health import Prober
from machines.azure.images import register_image
from machines.azure.instances import AzureInstance
from machines.azure.metadata import PREEMPT
from machines.azure.watched import WatchedAzure, render_begin
from machines.launching import Launcher, MachineCloud
from machines.network import Network

EVICTION_SECONDS = 30.0
"""https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events"""


class AzureCloud(MachineCloud):
    """A subscription of Azure whose virtual machines are machines in a network.

        with Network("10.78.0.0/16", addresses=[METADATA_ADDRESS]) as network:
            cloud = AzureCloud(network, start_azure(network))
            image, _ = cloud.register_image("lab", root, {"family": "lab"})
            cloud.change("PUT", f"{group}/providers/Microsoft.Compute/virtualMachines/one", {"location": …})
            machine = cloud.await_machine("one")

    - A machine is a container from the image of its virtual machine, with its custom data as user-data, at the private
      address of its interface and with its computer name. A few boot at a time.
    - The network security groups of interfaces are a packet filter, in both directions, and what is in another network
      is out of reach. The gateway has an address in the network, and is no machine. From machines to the metadata
      service, and over HTTPS to vaults and storage accounts that were there when they booted, the way is open, and so
      is ICMP.
    - A virtual machine that is stopped or deleted has its machine powered off in order, and at once when that takes too
      long. Where its scale set wants it to be told before, it is, and goes on for a moment. Disks are not kept: one
      that is started again, or reboots, has a new one.
    - A virtual machine whose machine ends is stopped.
    - Where a scale set has the extension for health, its machines are asked as that does, and Azure is told.
    - For Azure a virtual machine runs when its machine has not booted yet, and is gone before it is off: wait with
      `await_machine` and `await_gone`.

    It ends with the network.
    """

    def __init__(self, network: Network, azure: Azure) -> None:
        self.azure = azure
        self.location = LOCATION
        self.scope = SCOPE
        """Identifier of the subscription."""
        self._watched = WatchedAzure(network, azure)
        super().__init__(network, Launcher(network, self._watched))
        self._prober = Prober(network, azure.services, self._launcher)

    @property
    def client(self) -> AzureClient:
        """A caller of its services: every thread may use it."""
        return self.azure.services.client

    def list_instances(self) -> Mapping[str, AzureInstance]:
        """Its virtual machines by id."""
        return self._watched.list_living()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """Call Azure Resource Manager; see `AzureClient.call`."""
        return self.client.call(method, path, body, **query)

    def change(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """The same, and wait for the operation's end; see `AzureClient.change`."""
        return self.client.change(method, path, body, **query)

    def register_image(
        self, name: str, root: Path, facts: Mapping[str, str] | None = None, *, arch: str = "x86_64"
    ) -> list[str]:
        """Make image definitions that machines boot from; returns their identifiers, that of the name first.

        Args:
            root: folder with its root file system.
            facts: what their tags say, without `daskfleet-`; see `render_facts`. With a family, there is also the
                definition by which that is found.
        """
        definitions = register_image(self.client, self.location, name, facts or {}, arch)
        self._launcher.images |= dict.fromkeys(definitions, root)
        return definitions

    def set_health_pace(self, pace: float) -> None:
        """How long each second of intervals between questions takes, from now on: 0.1 makes them ten times as fast."""
        self._prober.pace = pace

    # What happens to virtual machines

    def announce_preemption(self, instance: str, seconds: float = EVICTION_SECONDS) -> None:
        """Take a virtual machine away as Spot machines are: it is told, and then has hardly time to power off.

        Args:
            seconds: how long it has.
        """
        launch = self._require(instance)
        launch.power_off_seconds = 0.0
        launch.notices = {**launch.notices, PREEMPT: render_begin(seconds)}
        self._watched.follow(launch)
        self.azure.services.control("evict", machine=launch.instance.id, seconds=seconds)
