"""A stand-in that runs, and for each test one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from google_client import GoogleClient, GoogleRefusal
from harness import await_true
from sshd import find_free_port

TESTS = Path(__file__).parents[1]
PROJECT, REGION, ZONE = "daskfleet-lab", "europe-west4", "europe-west4-a"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


@dataclass
class Google:
    """One stand-in, and things in it that others need."""

    client: GoogleClient

    project = PROJECT
    compute = f"/compute/v1/projects/{PROJECT}"
    everywhere = f"/compute/v1/projects/{PROJECT}/global"
    region = f"/compute/v1/projects/{PROJECT}/regions/{REGION}"
    zone = f"/compute/v1/projects/{PROJECT}/zones/{ZONE}"

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        return self.client.call(method, path, body, **query)

    def change(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """A call of Compute Engine's that makes an operation, which ends at once as it is waited for."""
        operation = self.call(method, path, body, **query)
        operation = self.call("POST", f"{urlsplit(operation['selfLink']).path}/wait")
        if error := operation.get("error"):
            first = error["errors"][0]
            raise GoogleRefusal(operation["httpErrorStatusCode"], f"{first['code']}: {first['message']}")
        return operation

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self.client.call("GET", path, **query)

    def refuse(self, method: str, path: str, body: Any = None, **query: Any) -> GoogleRefusal:
        """What is said to something that must be refused, at once or by its operation."""
        does_later = path.startswith("/compute/") and method != "GET"
        with pytest.raises(GoogleRefusal) as caught:
            (self.change if does_later else self.call)(method, path, body, **query)
        return caught.value

    def control(self, word: str, **arguments: Any) -> dict[str, Any]:
        return self.call("POST", f"/daskfleet/{word}", arguments)

    def copy(self) -> Google:
        return Google(GoogleClient(f"http://127.0.0.1:{self.control('copy')['port']}"))

    # Things

    def make_image(self, name: str = "lab", **more: Any) -> str:
        source = f"https://storage.googleapis.com/{PROJECT}-images/{name}.tar.gz"
        self.change("POST", f"{self.everywhere}/images", {"name": name, "rawDisk": {"source": source}, **more})
        return f"projects/{PROJECT}/global/images/{name}"

    def make_network(self, name: str = "net", **more: Any) -> str:
        self.change("POST", f"{self.everywhere}/networks", {"name": name, "autoCreateSubnetworks": False, **more})
        return f"projects/{PROJECT}/global/networks/{name}"

    def make_subnet(self, network: str, name: str = "subnet", cidr: str = "10.77.0.0/20") -> str:
        self.change("POST", f"{self.region}/subnetworks", {"name": name, "network": network, "ipCidrRange": cidr})
        return f"projects/{PROJECT}/regions/{REGION}/subnetworks/{name}"

    def make_account(self, account_id: str = "one-worker") -> str:
        path = f"/v1/projects/{PROJECT}/serviceAccounts"
        return str(self.call("POST", path, {"accountId": account_id})["email"])

    def make_instance(self, subnet: str, name: str = "one", zone: str = ZONE, **more: Any) -> dict[str, Any]:
        place = f"{self.compute}/zones/{zone}/instances"
        self.change("POST", place, render_instance(subnet, name, zone, **more))
        self.await_status(f"{place}/{name}", "RUNNING")
        return self.get(f"{place}/{name}")

    def make_template(self, subnet: str, name: str = "template", **more: Any) -> str:
        body = {"name": name, "properties": render_properties(subnet, **more)}
        self.change("POST", f"{self.region}/instanceTemplates", body)
        return f"projects/{PROJECT}/regions/{REGION}/instanceTemplates/{name}"

    def make_group(self, template: str, name: str = "cpu", size: int = 2, **more: Any) -> str:
        self.change("POST", f"{self.region}/instanceGroupManagers", render_group(template, name, size, **more))
        return f"{self.region}/instanceGroupManagers/{name}"

    def await_status(self, path: str, status: str) -> None:
        self.await_true(lambda: self.get(path)["status"] == status, f"{path} is {status}")

    def list_members(self, group: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("POST", f"{group}/listManagedInstances").get("managedInstances", [])
        return found

    def await_stable(self, group: str) -> list[dict[str, Any]]:
        self.await_true(lambda: self.get(group)["status"]["isStable"], f"{group} is stable")
        return self.list_members(group)

    def await_true(self, condition: Callable[[], Any], what: str) -> Any:
        return await_true(condition, what, timeout=10)


def render_instance(subnet: str, name: str = "one", zone: str = ZONE, **more: Any) -> dict[str, Any]:
    kinds = f"projects/{PROJECT}/zones/{zone}"
    return {
        "name": name,
        "machineType": f"{kinds}/machineTypes/n2-standard-2",
        "disks": [
            {
                "boot": True,
                "autoDelete": True,
                "initializeParams": {
                    "sourceImage": f"projects/{PROJECT}/global/images/lab",
                    "diskType": f"{kinds}/diskTypes/pd-balanced",
                },
            }
        ],
        "networkInterfaces": [{"subnetwork": subnet}],
        **more,
    }


def render_properties(subnet: str, **more: Any) -> dict[str, Any]:
    return {
        "machineType": "n2-standard-2",
        "disks": [
            {
                "boot": True,
                "autoDelete": True,
                "initializeParams": {"sourceImage": f"projects/{PROJECT}/global/images/lab", "diskType": "pd-balanced"},
            }
        ],
        "networkInterfaces": [{"subnetwork": subnet}],
        **more,
    }


def render_group(template: str, name: str = "cpu", size: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "baseInstanceName": f"one-{name}",
        "versions": [{"instanceTemplate": template}],
        "targetSize": size,
        "distributionPolicy": {"targetShape": "ANY"},
        "updatePolicy": {
            "type": "OPPORTUNISTIC",
            "minimalAction": "REPLACE",
            "instanceRedistributionType": "NONE",
            "maxSurge": {"fixed": 3},
            "maxUnavailable": {"fixed": 0},
        },
        **more,
    }


SPOT = {
    "provisioningModel": "SPOT",
    "preemptible": True,
    "automaticRestart": False,
    "onHostMaintenance": "TERMINATE",
    "instanceTerminationAction": "DELETE",
}


@pytest.fixture(scope="session")
def first_google() -> Iterator[Google]:
    """One with an image, which nobody changes."""
    port = find_free_port()
    process = subprocess.Popen([sys.executable, "-m", "google_cloud", str(port)], cwd=TESTS)
    try:
        google = Google(GoogleClient(f"http://127.0.0.1:{port}"))
        await_true(lambda: process.poll() is not None or answers(google), "Google Cloud answers", timeout=60)
        google.make_image(family="lab", labels={"daskfleet-arch": "x86_64"})
        yield google
    finally:
        process.kill()
        process.wait()


def answers(google: Google) -> bool:
    try:
        google.get(google.compute)
    except OSError:
        return False
    return True


@pytest.fixture
def google(first_google: Google) -> Iterator[Google]:
    """One with nothing in it but an image."""
    copy = first_google.copy()
    yield copy
    copy.control("end")


@pytest.fixture
def subnet(google: Google) -> str:
    return google.make_subnet(google.make_network())
