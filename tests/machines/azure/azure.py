"""Azure as a machine in a `Network` sees it: its metadata service, and its vaults and storage accounts over HTTPS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_cloud.client import AzureClient
from azure_cloud.cloud import SUBSCRIPTION, TENANT
from machines.azure import certificate
from machines.azure.instances import AzureInstance
from machines.azure.metadata import render_metadata
from machines.metadata_service import START_SECONDS, MetadataService
from machines.network import Network

TESTS = Path(__file__).parents[2]
AZURE_PORT = 8080
HTTPS_PORT = 443
LOCATION = "westeurope"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"

TERMINATION_SECONDS = 3.0
"""How long machines that are warned go on when they are deleted. Azure gives them five minutes."""

MACHINES = "Microsoft.Compute/virtualMachines"


class AzureServer:
    """All of Azure, on the network's gateway: over HTTP at one port, and at the other over HTTPS, as machines ask."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.url = f"http://{network.gateway}:{AZURE_PORT}"
        self.gateway = network.gateway
        self.process = self._start(["-m", "azure_cloud", str(AZURE_PORT), network.gateway], AZURE_PORT)
        issued = certificate.issue()
        self.authority = issued.authority
        """Certificate of the authority that machines trust."""
        chain = network.folder / "azure.pem"
        chain.write_text(issued.chain)
        program = str(Path(__file__).with_name("https.py"))
        self._start(
            [program, network.gateway, str(HTTPS_PORT), str(chain), network.gateway, str(AZURE_PORT)], HTTPS_PORT
        )
        self.client = AzureClient(self.url, connect=network.connect)
        """For this process: every thread may use it."""
        self.control("pace", seconds={f"DELETE {MACHINES}": TERMINATION_SECONDS})

    def control(self, word: str, **arguments: Any) -> dict[str, Any]:
        """Tell the server what tests and machines do, and nobody asks Azure for."""
        return self.client.ask("POST", f"/daskfleet/{word}", arguments).check().json

    def list_machines(self) -> list[dict[str, Any]]:
        """All machines, with what only who switches them on is told."""
        found: list[dict[str, Any]] = self.client.ask("GET", "/daskfleet/machines").check().json["machines"]
        return found

    def list_all(self, kind: str) -> list[dict[str, Any]]:
        """All resources of a type in the subscription."""
        return list(self.client.list(f"{SCOPE}/providers/{kind}"))

    def stop(self) -> None:
        """Answer nobody any more; all that was created is lost."""
        self.process.kill()
        self.process.wait()

    def _start(self, arguments: list[str], port: int) -> subprocess.Popen[Any]:
        """Start a program that listens on the gateway; it ends with the network."""
        with (self._network.folder / f"azure-{port}.log").open("wb") as log:
            process = self._network.popen_inside(
                [sys.executable, *arguments], cwd=TESTS, stdout=log, stderr=subprocess.STDOUT
            )
        self._network.await_port(self._network.gateway, port, START_SECONDS, process)
        return process


class AzureMetadataService(MetadataService):
    """The metadata service in a network, for all of its machines."""

    def __init__(self, network: Network, services: AzureServer) -> None:
        super().__init__(network, "azure.py", [f"{services.url}/daskfleet/token"])

    def add(self, instance: AzureInstance, events: Mapping[str, str]) -> None:
        """Answer the machine with the instance's address, from now on and anew.

        Args:
            events: when what is scheduled for it begins, by its type: `Preempt`.
        """
        self.tell(str(instance.address), render_metadata(instance, LOCATION, SUBSCRIPTION, events))


@dataclass(frozen=True)
class Azure:
    """All of it."""

    metadata: AzureMetadataService
    services: AzureServer


def start_azure(network: Network) -> Azure:
    """Start both in a network that has the address `METADATA_ADDRESS`."""
    services = AzureServer(network)
    return Azure(AzureMetadataService(network, services), services)


def render_settings(url: str) -> dict[str, str]:
    """Where Azure is and who asks it: variables for daskfleet and Azure's provider for Pulumi."""
    return {
        "ARM_METADATA_HOSTNAME": url,
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
        "ARM_TENANT_ID": TENANT,
        "ARM_CLIENT_ID": "tester",
        "ARM_CLIENT_SECRET": "testing",
    }


def render_hosts(address: str, names: Iterable[str]) -> str:
    """The file /etc/hosts of machines for which these hosts are at the address."""
    lines = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        *(f"{address} {name}" for name in names),
    ]
    return "".join(f"{line}\n" for line in lines)
