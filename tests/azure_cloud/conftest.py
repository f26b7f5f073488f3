"""A stand-in that runs, and for each test one of its own."""

from __future__ import annotations

import base64
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_cloud.client import AzureClient, AzureRefusal, Reply
from azure_cloud.cloud import SUBSCRIPTION, TENANT
from harness import await_true
from sshd import find_free_port

TESTS = Path(__file__).parents[1]
LOCATION = "westeurope"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{SCOPE}/resourceGroups/lab"
IMAGES = f"{SCOPE}/resourceGroups/images/providers/Microsoft.Compute/galleries/images"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFirst lab"
DATA = base64.b64encode(b"#cloud-config\n{}\n").decode()


class Azure:
    """One stand-in, and things in it that others need."""

    tenant, scope, group, location = TENANT, SCOPE, GROUP, LOCATION
    image = f"{IMAGES}/images/lab"
    """One that is there from the beginning, in a group of its own."""

    def __init__(self, client: AzureClient) -> None:
        self.client = client
        self.url = client.url
        self.ask, self.call, self.change, self.list = client.ask, client.call, client.change, client.list

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self.client.call("GET", path, **query)

    def find(self, path: str) -> dict[str, Any] | None:
        try:
            return self.get(path)
        except AzureRefusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def refuse(self, method: str, path: str, body: Any = None, **query: Any) -> AzureRefusal:
        """What is said to something that must be refused, at once or by its operation."""
        with pytest.raises(AzureRefusal) as caught:
            self.client.change(method, path, body, **query)
        return caught.value

    def control(self, word: str, **arguments: Any) -> dict[str, Any]:
        return self.client.ask("POST", f"/daskfleet/{word}", arguments).check().json

    def copy(self) -> Azure:
        return Azure(AzureClient(f"http://127.0.0.1:{self.control('copy')['port']}"))

    def as_machine(self, identity: dict[str, Any], resource: str) -> AzureClient:
        """Who asks with a machine's token for a resource."""
        told = self.control("token", client_id=identity["properties"]["clientId"], resource=resource)
        return AzureClient(self.url, told["access_token"])

    def await_true(self, condition: Callable[[], Any], what: str) -> Any:
        return await_true(condition, what, timeout=10)

    # Things

    def place(self, type_: str, name: str) -> str:
        return f"{GROUP}/providers/{type_}/{name}"

    def put(self, type_: str, name: str, /, properties: Any = None, **more: Any) -> dict[str, Any]:
        body = {"location": LOCATION, **({} if properties is None else {"properties": properties}), **more}
        return self.change("PUT", self.place(type_, name), body)

    def make_group(self, name: str = "lab", **tags: str) -> None:
        self.call("PUT", f"{SCOPE}/resourceGroups/{name}", {"location": LOCATION, "tags": tags})

    def make_network(self, name: str = "net", **subnet: Any) -> str:
        """A network with one subnet; returns the subnet's identifier."""
        inline = {"name": "nodes", "properties": {"addressPrefix": "10.0.0.0/20", **subnet}}
        space = {"addressPrefixes": ["10.0.0.0/16"]}
        made = self.put("Microsoft.Network/virtualNetworks", name, {"addressSpace": space, "subnets": [inline]})
        return str(made["properties"]["subnets"][0]["id"])

    def get_subnet(self) -> str:
        """The subnet of the network that has been made."""
        return f"{self.place('Microsoft.Network/virtualNetworks', 'net')}/subnets/nodes"

    def make_interface(self, subnet: str, name: str = "nic", **more: Any) -> str:
        part = {"name": "one", "properties": {"subnet": {"id": subnet}, **more.pop("part", {})}}
        made = self.put("Microsoft.Network/networkInterfaces", name, {"ipConfigurations": [part], **more})
        return str(made["id"])

    def make_image(self, version: str = "1.0.0", gallery: str | None = None, name: str = "lab", **more: Any) -> str:
        """An image with one version in a new gallery; returns the identifier of the image."""
        gallery = gallery or self.place("Microsoft.Compute/galleries", "images")
        identifier = {"publisher": "daskfleet", "offer": name, "sku": name}
        properties = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2", "identifier": identifier}
        self.change("PUT", gallery, {"location": LOCATION})
        self.change("PUT", f"{gallery}/images/{name}", {"location": LOCATION, "properties": {**properties, **more}})
        self.make_version(f"{gallery}/images/{name}", version)
        return f"{gallery}/images/{name}"

    def make_managed_image(self, name: str = "captured", **disk: Any) -> str:
        """What packer leaves; returns its identifier."""
        snapshot = {"id": self.place("Microsoft.Compute/snapshots", name)}
        made = {"osType": "Linux", "osState": "Generalized", "snapshot": snapshot, **disk}
        return str(self.put("Microsoft.Compute/images", name, {"storageProfile": {"osDisk": made}})["id"])

    def make_version(self, image: str, version: str, **profile: Any) -> None:
        source = {"id": self.place("Microsoft.Compute/virtualMachines", "builder")}
        properties = {"storageProfile": {"source": source}, "publishingProfile": profile}
        self.change("PUT", f"{image}/versions/{version}", {"location": LOCATION, "properties": properties})

    def make_identity(self, name: str = "worker") -> dict[str, Any]:
        return self.put("Microsoft.ManagedIdentity/userAssignedIdentities", name)

    def grant(self, scope: str, role: str, identity: dict[str, Any], **more: Any) -> str:
        """Give an identity a role; returns the assignment's identifier."""
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        self.call("PUT", path, render_assignment(role, identity["properties"]["principalId"], **more))
        return path

    def make_vault(self, name: str = "daskfleet-lab", **more: Any) -> str:
        return str(self.put("Microsoft.KeyVault/vaults", name, render_vault(**more))["id"])

    def make_secret(self, vault: str, name: str = "worker", value: str = "text") -> str:
        self.call("PUT", f"{vault}/secrets/{name}", {"properties": {"value": value}})
        return f"{vault}/secrets/{name}"

    def make_container(self, account: str = "daskfleetlab", name: str = "logs") -> str:
        """A container in a new storage account; returns its identifier."""
        self.put("Microsoft.Storage/storageAccounts", account, {}, kind="StorageV2", sku={"name": "Standard_LRS"})
        path = f"{self.place('Microsoft.Storage/storageAccounts', account)}/blobServices/default/containers/{name}"
        self.call("PUT", path, {})
        return path

    def make_machine(self, name: str = "one", **more: Any) -> dict[str, Any]:
        """A machine, with all that it needs where that is not there."""
        image = self.image
        interface = self.make_interface(self.make_network(), name)
        return self.change("PUT", self.place(MACHINES, name), render_machine(image, interface, **more))

    def make_scale_set(self, name: str = "cpu", capacity: int = 2, **more: Any) -> str:
        """A scale set, with all that it needs where that is not there."""
        return self.make_scale_set_of(self.image, self.make_network(), name, capacity, **more)

    def make_scale_set_of(self, image: str, subnet: str, name: str = "cpu", capacity: int = 2, **more: Any) -> str:
        self.change("PUT", self.place(SCALE_SETS, name), render_scale_set(image, subnet, capacity, **more))
        return self.place(SCALE_SETS, name)

    def list_members(self, scale_set: str) -> list[dict[str, Any]]:
        wanted = f"'virtualMachineScaleSet/id' eq '{scale_set}'"
        return list(self.list(f"{GROUP}/providers/{MACHINES}", _filter=wanted))

    def blob(self, method: str, path: str, body: bytes = b"", *, token: str = "tests", **headers: str) -> Reply:
        """A request to the blobs of the account `daskfleetlab`."""
        client = AzureClient(self.url, token)
        return client.ask(method, f"/blob/daskfleetlab/{path}", body, x_ms_version="2023-11-03", **headers)


MACHINES = "Microsoft.Compute/virtualMachines"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"


def render_vault(**more: Any) -> dict[str, Any]:
    return {
        "tenantId": TENANT,
        "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": True,
        "softDeleteRetentionInDays": 7,
        **more,
    }


def render_assignment(role: str, principal: str, **more: Any) -> dict[str, Any]:
    definition = f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    kind = {"principalType": "ServicePrincipal"}
    return {"properties": {"roleDefinitionId": definition, "principalId": principal, **kind, **more}}


def render_system(**more: Any) -> dict[str, Any]:
    keys = [{"path": "/home/dask/.ssh/authorized_keys", "keyData": KEY}]
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": keys}}
    return {"adminUsername": "dask", "customData": DATA, "linuxConfiguration": linux, **more}


def render_disk(**more: Any) -> dict[str, Any]:
    kind = {"managedDisk": {"storageAccountType": "Premium_LRS"}}
    return {"createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 40, **kind, **more}


def render_machine(image: str, interface: str, **more: Any) -> dict[str, Any]:
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {"imageReference": {"id": image}, "osDisk": render_disk()},
        "osProfile": render_system(computerName="one"),
        "networkProfile": {"networkInterfaces": [{"id": interface, "properties": {"deleteOption": "Delete"}}]},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        **more.pop("properties", {}),
    }
    return {"location": LOCATION, "properties": properties, **more}


def render_profile(image: str, subnet: str, **more: Any) -> dict[str, Any]:
    part = {"name": "one", "properties": {"subnet": {"id": subnet}}}
    interface = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [part]}, "tags": {"of": "nic"}}
    return {
        "osProfile": render_system(computerNamePrefix="lab-cpu-"),
        "storageProfile": {"imageReference": {"id": image}, "osDisk": render_disk()},
        "networkProfile": {"networkApiVersion": "2020-11-01", "networkInterfaceConfigurations": [interface]},
        **more,
    }


SPOT = {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}
HEALTH = {
    "extensionProfile": {
        "extensions": [
            {
                "name": "health",
                "properties": {
                    "publisher": "Microsoft.ManagedServices",
                    "type": "ApplicationHealthLinux",
                    "typeHandlerVersion": "2.0",
                    "settings": {"protocol": "http", "port": 8790, "requestPath": "/health"},
                },
            }
        ]
    }
}


def render_scale_set(image: str, subnet: str, capacity: int, **more: Any) -> dict[str, Any]:
    profile = render_profile(image, subnet, **more.pop("profile", {}))
    properties = {
        "orchestrationMode": "Flexible",
        "platformFaultDomainCount": 1,
        "virtualMachineProfile": profile,
        **more.pop("properties", {}),
    }
    sku = {"name": more.pop("size", "Standard_D2s_v5"), "capacity": capacity}
    return {"location": LOCATION, "sku": sku, "properties": properties, **more}


@pytest.fixture(scope="session")
def first_azure() -> Iterator[Azure]:
    """One with an image, an empty resource group and no patience, which nobody changes."""
    port = find_free_port()
    process = subprocess.Popen([sys.executable, "-m", "azure_cloud", str(port)], cwd=TESTS)
    try:
        azure = Azure(AzureClient(f"http://127.0.0.1:{port}"))
        await_true(lambda: process.poll() is not None or answers(azure), "Azure answers", timeout=60)
        azure.control("pace", seconds={"*": 0.0}, retry_after=0)
        azure.make_group()
        azure.make_group("images")
        azure.make_image(gallery=IMAGES)
        yield azure
    finally:
        process.kill()
        process.wait()


def answers(azure: Azure) -> bool:
    try:
        azure.get(SCOPE)
    except OSError:
        return False
    return True


@pytest.fixture
def azure(first_azure: Azure) -> Iterator[Azure]:
    """One with nothing in it but an image and an empty resource group."""
    copy = first_azure.copy()
    yield copy
    copy.control("end")
