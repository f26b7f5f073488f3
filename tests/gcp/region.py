"""A project of Google Cloud without machines: its stand-in on the loopback interface, with an image, behind a proxy.

For what is about the resources of fleets. What is about their machines needs a `lab`.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clouds import region as clouds
from clouds.region import Pretended
from engine.engine import Engine
from gcp import meddling
from gcp.audit import FLEET, REGION, audit, find_tagged, take_stock
from gcp.landmarks import COMPONENT, LANDMARKS, REFUSALS
from google_calls import CallProxy
from google_client import GoogleClient, escape
from machines.gcp.google import PROJECT, render_overrides
from machines.gcp.google import REGION as PLACE
from machines.gcp.images import register_image
from machines.gcp.instances import find_disk, last_part

CIDR = "10.78.0.0/16"
CLIENT = "10.78.0.1/32"
"""Where clients are: on the network's gateway."""

ACCOUNT = f"tester@{PROJECT}.iam.gserviceaccount.com"


@dataclass
class Region(clouds.Region):
    """The project, and the command line of somebody who has its credentials."""

    provider = "gcp"
    place = PLACE
    small = "n2-standard-2"
    other = "n2d-standard-2"
    landmarks = LANDMARKS
    refusals = REFUSALS
    component = COMPONENT

    @property
    def client(self) -> GoogleClient:
        """For tests: its calls are not written down."""
        return GoogleClient(self.url)

    @classmethod
    def render_command(cls, port: int) -> Sequence[str]:
        return [sys.executable, "-m", "google_cloud", str(port)]

    @classmethod
    def make_proxy(cls, url: str) -> CallProxy:
        return CallProxy(url)

    @classmethod
    def render_fleet(cls, name: str = "research", **changes: str) -> str:
        lines = {
            "name": name,
            "provider": "gcp",
            "region": PLACE,
            "workers": json.dumps([{"name": "cpu", "instance_types": [cls.small], "count": 2}]),
            "network": f"{{cidr: {CIDR}}}",
            "access": f"{{mode: direct, allowed_cidrs: [{CLIENT}]}}",
            **changes,
        }
        return "".join(f"{key}: {value}\n" for key, value in lines.items())

    @classmethod
    def render_settings(cls, folder: Path, url: str) -> dict[str, str]:
        account = folder / f"account-{urlsplit(url).port}.json"
        account.write_text(json.dumps(render_account(url)))
        return {
            **render_overrides(url),
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CLOUDSDK_CONFIG": os.devnull,
            "NO_GCE_CHECK": "true",
        }

    def answers(self) -> bool:
        self.client.call("GET", f"/compute/v1/projects/{PROJECT}")
        return True

    def register_image(self, name: str, facts: Mapping[str, str]) -> None:
        register_image(self.client, PROJECT, name, facts)

    def copy_server(self) -> str:
        return f"http://127.0.0.1:{self.client.call('POST', '/daskfleet/copy', {})['port']}"

    def find_tagged(self, fleet: str) -> list[str]:
        return find_tagged(self.client, PROJECT, PLACE, fleet)

    def find_things(self, fleet: str) -> list[str]:
        return [each.name for each in audit(self.client, PROJECT, PLACE, fleet) if each.kind != "grants"]

    def take_stock(self, fleet: str) -> Counter[str]:
        return take_stock(self.client, PROJECT, PLACE, fleet)

    def meddle(self, fleet: str) -> set[tuple[str, str]]:
        return meddling.meddle(self.client, fleet)

    def open_to_all(self, fleet: str) -> str:
        return meddling.open_to_all(self.client, fleet)

    def list_machines(self) -> Iterator[Pretended]:
        for each in self.list_instances():
            if each["status"] == "RUNNING":
                group = each["labels"].get("daskfleet-group", "scheduler")
                yield Pretended(str(each["id"]), each["labels"][FLEET], group, each["name"])

    def write_log(self, machine: Pretended, marks: Iterable[dict[str, object]], line: str) -> bool:
        marks = list(marks)
        moment = datetime.datetime.fromtimestamp(float(str(marks[0]["time"])), datetime.UTC).isoformat()
        payloads = [*({"jsonPayload": mark, "severity": "NOTICE"} for mark in marks), {"textPayload": line}]
        entries = [
            {"timestamp": moment, "insertId": f"{machine.id}-{number:03}", **payload}
            for number, payload in enumerate(payloads)
        ]
        common = {
            "logName": f"projects/{PROJECT}/logs/{escape(f'daskfleet/{PLACE}/{machine.fleet}')}",
            "resource": {"type": "gce_instance", "labels": {"project_id": PROJECT, "instance_id": machine.id}},
            "labels": {"daskfleet-group": machine.group, "daskfleet-node": machine.node},
        }
        self.client.call("POST", "/v2/entries:write", {**common, "entries": entries})
        return True

    def render_network(self, fleet: str) -> str:
        base = f"projects/{PROJECT}"
        (network,) = self._find_named(f"{base}/global/networks", fleet)
        (subnet,) = self._find_named(f"{base}/regions/{PLACE}/subnetworks", fleet)
        return json.dumps({"vpc": network, "subnets": [subnet]})

    def _find_named(self, path: str, fleet: str) -> list[str]:
        """What carries the fleet's mark, by full name."""
        found = self.client.list(f"/compute/v1/{path}", "items")
        return [f"{path}/{each['name']}" for each in found if f"{FLEET}={fleet} " in each.get("description", "")]

    def sell_out_spot(self, *types: str) -> None:
        self.client.call("POST", "/daskfleet/market", {"no_spot": types, "no_capacity": []})

    def count_machines(self, fleet: str) -> Counter[tuple[str, str, str]]:
        return Counter(
            (
                each["labels"].get("daskfleet-group", "scheduler"),
                last_part(each["machineType"]),
                "spot" if each["scheduling"].get("provisioningModel") == "SPOT" else "on-demand",
            )
            for each in self.list_instances()
            if each["status"] == "RUNNING" and each["labels"][FLEET] == fleet
        )

    def list_instances(self) -> Iterator[dict[str, Any]]:
        """Those of fleets, as Compute Engine describes them."""
        for _, scope in self.client.list(f"/compute/v1/projects/{PROJECT}/aggregated/instances"):
            yield from (each for each in scope.get("instances") or () if FLEET in (each.get("labels") or {}))

    def find_images(self, fleet: str) -> dict[str, str]:
        return {
            each["labels"].get("daskfleet-group", "scheduler"): last_part(
                self.client.call("GET", find_disk(each))["sourceImage"]
            )
            for each in self.list_instances()
            if each["labels"][FLEET] == fleet
        }

    def read_connection(self, fleet: str) -> str:
        name = f"projects/{PROJECT}/secrets/daskfleet-{PLACE}-{fleet}-client"
        answer = self.client.call("GET", f"/v1/{name}/versions/latest:access")
        return base64.b64decode(answer["payload"]["data"]).decode()

    def add_connection(self, fleet: str, text: str) -> str:
        name, labels = f"{fleet}-other", {FLEET: fleet, REGION: PLACE, "daskfleet-role": "client"}
        secret = {"labels": labels, "replication": {"automatic": {}}}
        self.client.call("POST", f"/v1/projects/{PROJECT}/secrets", secret, secretId=name)
        payload = {"data": base64.b64encode(text.encode()).decode()}
        self.client.call("POST", f"/v1/projects/{PROJECT}/secrets/{name}:addVersion", {"payload": payload})
        return name

    def remove_secret(self, name: str) -> None:
        self.client.call("DELETE", f"/v1/projects/{PROJECT}/secrets/{name}")


def open_region(folder: Path, engine: Engine) -> AbstractContextManager[Region]:
    """Open one; everything in it ends with the block."""
    return clouds.open_region(Region, folder, engine)


def render_account(url: str) -> dict[str, str]:
    """The credentials of a service account whose tokens the stand-in at the address hands out."""
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": make_key(),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": f"{url}/token",
    }


@functools.cache
def make_key() -> str:
    """A private key, made once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()
