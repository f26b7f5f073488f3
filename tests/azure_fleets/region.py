"""A subscription of Azure without machines: its stand-in on the loopback interface, with an image, behind a proxy.

For what is about the resources of fleets. What is about their machines needs a `lab`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from azure_calls import CallProxy
from azure_cloud.client import AzureClient
from azure_fleets import meddling
from azure_fleets.audit import (
    ASSIGNMENTS,
    DELETED_VAULTS,
    FLEET,
    GROUP,
    ROLE,
    audit,
    find_tagged,
    last_part,
    name_group,
    take_stock,
)
from azure_fleets.landmarks import COMPONENT, LANDMARKS, REFUSALS
from clouds import region as clouds
from clouds.region import Pretended
from daskfleet_images.node.azure_marks import condense_marks, render_metadata
from daskfleet_images.node.marks import parse_marks
from engine.engine import Engine
from machines.azure.azure import LOCATION, SCOPE, render_settings
from machines.azure.images import NAME, register_image

CIDR = "10.78.0.0/16"
CLIENT = "10.78.0.1/32"
"""Where clients are: on the network's gateway."""

SECRETS_VERSION = "7.4"
BLOBS_VERSION = "2023-11-03"
CONTAINER = "logs"


@dataclass
class Region(clouds.Region):
    """The subscription, and the command line of somebody who has its credentials."""

    provider = "azure"
    place = LOCATION
    small = "Standard_D4s_v5"
    other = "Standard_D4as_v5"
    landmarks = LANDMARKS
    refusals = REFUSALS
    component = COMPONENT

    @property
    def client(self) -> AzureClient:
        """For tests: its calls are not written down."""
        return AzureClient(self.url)

    @classmethod
    def render_command(cls, port: int) -> Sequence[str]:
        return [sys.executable, "-m", "azure_cloud", str(port)]

    @classmethod
    def make_proxy(cls, url: str) -> CallProxy:
        return CallProxy(url)

    @classmethod
    def render_fleet(cls, name: str = "research", **changes: str) -> str:
        lines = {
            "name": name,
            "provider": "azure",
            "region": LOCATION,
            "workers": json.dumps([{"name": "cpu", "instance_types": [cls.small], "count": 2}]),
            "network": f"{{cidr: {CIDR}}}",
            "access": f"{{mode: direct, allowed_cidrs: [{CLIENT}]}}",
            **changes,
        }
        return "".join(f"{key}: {value}\n" for key, value in lines.items())

    @classmethod
    def render_settings(cls, folder: Path, url: str) -> dict[str, str]:
        return {**render_settings(url), "AZURE_CONFIG_DIR": str(folder)}

    def answers(self) -> bool:
        self.client.call("GET", SCOPE)
        return True

    def register_image(self, name: str, facts: Mapping[str, str]) -> None:
        register_image(self.client, LOCATION, name, facts)

    def copy_server(self) -> str:
        return f"http://127.0.0.1:{self._control('copy')['port']}"

    def find_tagged(self, fleet: str) -> list[str]:
        return find_tagged(self.client, SCOPE, LOCATION, fleet)

    def find_things(self, fleet: str) -> list[str]:
        found = audit(self.client, SCOPE, LOCATION, fleet)
        return [each.name for each in found if each.kind.count("/") == 1 and each.kind != ASSIGNMENTS]

    def find_resources(self, fleet: str) -> list[str]:
        """A vault that is deleted can be had back for some days: Pulumi purges none."""
        found = audit(self.client, SCOPE, LOCATION, fleet)
        return [each.name for each in found if each.kind != DELETED_VAULTS]

    def take_stock(self, fleet: str) -> Counter[str]:
        return take_stock(self.client, SCOPE, LOCATION, fleet)

    def meddle(self, fleet: str) -> set[tuple[str, str]]:
        return meddling.meddle(self.client, fleet)

    def open_to_all(self, fleet: str) -> str:
        return meddling.open_to_all(self.client, fleet)

    def list_machines(self) -> Iterator[Pretended]:
        for each in self.list_running():
            group = each["tags"].get(GROUP, "scheduler")
            yield Pretended(each["vmId"], each["tags"][FLEET], group, each["computerName"])

    def write_log(self, machine: Pretended, marks: Iterable[dict[str, object]], line: str) -> bool:
        account = self._find_in_group(machine.fleet, "Microsoft.Storage/storageAccounts")
        if account is None:
            return False
        marks = list(marks)
        entries = [*({"time": mark["time"], "mark": mark} for mark in marks), {"time": marks[0]["time"], "line": line}]
        text = "".join(f"{json.dumps(entry)}\n" for entry in entries)
        metadata = render_metadata(condense_marks(parse_marks(json.dumps(mark) for mark in marks)))
        blob = f"/blob/{account['name']}/{CONTAINER}/{quote(machine.stream)}/00000"
        common = {"x_ms_version": BLOBS_VERSION}
        self.client.ask("PUT", blob, b"", x_ms_blob_type="AppendBlob", x_ms_meta_marks=metadata, **common).check()
        self.client.ask("PUT", f"{blob}?comp=appendblock", text.encode(), **common).check()
        return True

    def render_network(self, fleet: str) -> str:
        network = self._find_in_group(fleet, "Microsoft.Network/virtualNetworks")
        assert network is not None
        (subnet,) = network["properties"]["subnets"]
        return json.dumps({"vpc": network["id"], "subnets": [subnet["id"]]})

    def sell_out_spot(self, *types: str) -> None:
        self._control("market", no_spot=list(types))

    def count_machines(self, fleet: str) -> Counter[tuple[str, str, str]]:
        return Counter(
            (
                each["tags"].get(GROUP, "scheduler"),
                each["size"],
                "spot" if each["priority"] == "Spot" else "on-demand",
            )
            for each in self.list_running()
            if each["tags"][FLEET] == fleet
        )

    def list_running(self) -> list[dict[str, Any]]:
        """Machines of fleets that run and are to stay, as the stand-in describes them."""
        found = self.client.ask("GET", "/daskfleet/machines").check().json["machines"]
        return [
            each
            for each in found
            if each["power"] == "running" and each["state"] != "Deleting" and FLEET in each["tags"]
        ]

    def find_images(self, fleet: str) -> dict[str, str]:
        return {
            each["tags"].get(GROUP, "scheduler"): self.client.call("GET", each["image"])["tags"][NAME]
            for each in self.list_running()
            if each["tags"][FLEET] == fleet
        }

    def read_connection(self, fleet: str) -> str:
        path = f"/vault/{self._require_vault(fleet)['name']}/secrets/client?api-version={SECRETS_VERSION}"
        value: str = self.client.ask("GET", path).check().json["value"]
        return value

    def add_connection(self, fleet: str, text: str) -> str:
        name = f"{fleet}-other"
        path = f"{self._require_vault(fleet)['id']}/secrets/{name}"
        self.client.call("PUT", path, {"tags": {FLEET: fleet, ROLE: "client"}, "properties": {"value": text}})
        return name

    def remove_secret(self, name: str) -> None:
        for vault in self.client.list(f"{SCOPE}/providers/Microsoft.KeyVault/vaults"):
            known = [last_part(each["id"]) for each in self.client.list(f"{vault['id']}/secrets")]
            if name in known:
                for kind in ("secrets", "deletedsecrets"):
                    path = f"/vault/{vault['name']}/{kind}/{name}?api-version={SECRETS_VERSION}"
                    self.client.ask("DELETE", path).check()

    def _require_vault(self, fleet: str) -> dict[str, Any]:
        vault = self._find_in_group(fleet, "Microsoft.KeyVault/vaults")
        assert vault is not None, f"fleet {fleet} has no vault"
        return vault

    def _find_in_group(self, fleet: str, kind: str) -> dict[str, Any] | None:
        """The one thing of a type in the fleet's resource group."""
        group = f"{SCOPE}/resourceGroups/{name_group(LOCATION, fleet)}"
        return next(self.client.list(f"{group}/providers/{kind}"), None)

    def _control(self, word: str, **arguments: Any) -> dict[str, Any]:
        return self.client.ask("POST", f"/daskfleet/{word}", arguments).check().json


def open_region(folder: Path, engine: Engine) -> AbstractContextManager[Region]:
    """Open one; everything in it ends with the block."""
    return clouds.open_region(Region, folder, engine)
