"""Google Cloud as a machine in a `Network` sees it: its metadata service, and the other services on the gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google_client import GoogleClient
from machines.gcp.instances import GcpInstance
from machines.gcp.metadata import render_tree
from machines.metadata_service import START_SECONDS, MetadataService
from machines.network import Network

TESTS = Path(__file__).parents[2]
GOOGLE_PORT = 8080
PROJECT = "daskfleet-lab"
REGION = "europe-west4"

PROBER_ADDRESS = "35.191.0.1"
"""Where health checks come from: one of the addresses that fleets let in for them."""

SERVICES = {
    "COMPUTE": ("compute/v1/", "COMPUTE"),
    "SECRETMANAGER": ("", "SECRET_MANAGER"),
    "IAM": ("", "IAM"),
    "CLOUDRESOURCEMANAGER": ("", "RESOURCE_MANAGER"),
    "STORAGE": ("storage/v1/", "STORAGE"),
    "LOGGING": ("", "LOGGING"),
}
"""What gcloud's variables call services, the paths that their addresses end with, and what the provider calls them."""


class GoogleServer:
    """Google Cloud's services, on the network's gateway."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.url = f"http://{network.gateway}:{GOOGLE_PORT}"
        command = [sys.executable, "-m", "google_cloud", str(GOOGLE_PORT), network.gateway]
        with (network.folder / "google.log").open("wb") as log:
            self.process = network.popen_inside(command, cwd=TESTS, stdout=log, stderr=subprocess.STDOUT)
        network.await_port(network.gateway, GOOGLE_PORT, START_SECONDS, self.process)
        self.client = GoogleClient(self.url, network.connect)
        """For this process: every thread may use it."""

    def control(self, word: str, **arguments: Any) -> dict[str, Any]:
        """Tell the server what tests and machines do, and no service of Google's is asked for."""
        return self.client.call("POST", f"/daskfleet/{word}", arguments)

    def stop(self) -> None:
        """Answer nobody any more; all that was created is lost."""
        self.process.kill()
        self.process.wait()


class GcpMetadataService(MetadataService):
    """The metadata service in a network, for all of its machines."""

    def __init__(self, network: Network, services: GoogleServer) -> None:
        super().__init__(network, "gcp.py", [f"{services.url}/daskfleet/token"])
        self._gateway = network.gateway

    def add(self, instance: GcpInstance, notices: Mapping[str, str]) -> None:
        """Answer the machine with the instance's address, from now on and anew."""
        self.tell(str(instance.address), render_tree(instance, PROJECT, self._gateway, notices))


@dataclass(frozen=True)
class Google:
    """All of it."""

    metadata: GcpMetadataService
    services: GoogleServer


def start_google(network: Network) -> Google:
    """Start both in a network that has the addresses `METADATA_ADDRESS` and, for health checks, `PROBER_ADDRESS`."""
    services = GoogleServer(network)
    return Google(GcpMetadataService(network, services), services)


def render_overrides(url: str) -> dict[str, str]:
    """Where all services are: variables for daskfleet, gcloud and Google's provider for Pulumi."""
    return {
        **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{url}/{path}" for name, (path, _) in SERVICES.items()},
        **{
            f"GOOGLE_{name}_CUSTOM_ENDPOINT": f"{url}/{path or PROVIDER_PATHS.get(name, 'v1/')}"
            for path, name in SERVICES.values()
        },
    }


PROVIDER_PATHS = {"LOGGING": "v2/"}
"""What the provider's addresses end with, where gcloud's end with nothing; otherwise `v1/`."""
