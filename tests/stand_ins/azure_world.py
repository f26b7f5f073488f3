"""An Azure that keeps what it is given, inputs for each of its types, and what they need to exist first."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from stand_ins.plugin_client import Made, PluginClient

SUBSCRIPTION, TENANT = "6f4a4a5e-0f0b-4b8e-9d6e-3f1c2b7a9d10", "0b9c1c7e-5f60-4d6c-8a44-2f0c9d3f6a01"
CLIENT, PRINCIPAL = "5b1d7c3a-9a52-4c57-9a0f-6c8d2e4f7b11", "c2a6f0d4-1e3b-4f59-8b7a-0d9e8c7b6a55"
LOCATION, GROUP_NAME = "westeurope", "daskfleet-one-westeurope"
TAGS = {"daskfleet:fleet": "one", "Name": "one"}
ROOT = f"/subscriptions/{SUBSCRIPTION}"
ROLE = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6"
IMAGE = f"{ROOT}/resourceGroups/images/providers/Microsoft.Compute/galleries/lab/images/daskfleet"

GROUP = "azure-native:resources:ResourceGroup"
NETWORK = "azure-native:network:VirtualNetwork"
NAT = "azure-native:network:NatGateway"
ADDRESS = "azure-native:network:PublicIPAddress"
FIREWALL = "azure-native:network:NetworkSecurityGroup"
APPLICATION = "azure-native:network:ApplicationSecurityGroup"
INTERFACE = "azure-native:network:NetworkInterface"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
VAULT = "azure-native:keyvault:Vault"
SECRET = "azure-native:keyvault:Secret"
ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
MACHINE = "azure-native:compute:VirtualMachine"
SCALE_SET = "azure-native:compute:VirtualMachineScaleSet"
PLACEMENT = "azure-native:compute:ProximityPlacementGroup"

OPERATIONS = "/subscriptions/x/providers/Microsoft.Lab/operations/"
LASTING = re.compile(
    r"/providers/microsoft\.(network|compute|storage/storageaccounts/[^/]+$|keyvault/vaults/[^/]+$)", re.I
)
"""What is made and removed by operations that end later."""
SECRET_PATH = re.compile(r"/vaults/([^/]+)/secrets/([^/]+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    version: str
    body: dict[str, Any] = field(repr=False)
    host: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method != "GET" and not self.path.endswith("/token")


@dataclass(frozen=True)
class Answer:
    """What Azure says."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def refuse(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})


class Arm:
    """Azure Resource Manager, whoever gives tokens, and the vaults, on the loopback interface."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.interfere: Callable[[Call], Answer | None] = lambda call: None
        """Asked before a call is done; what it returns is the answer instead."""
        self.fail: dict[str, str] = {}
        """The message with which the operation on a path ends, once it was accepted."""
        self.polls = 0
        """How often an operation says that it goes on."""
        self.things: dict[str, dict[str, Any]] = {}
        self._operations: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reset(self) -> None:
        """An empty subscription, but for the group with images."""
        self.clear()
        self.polls = 0
        self.things.clear()
        self.fail.clear()
        self.put(f"{ROOT}/resourceGroups/images", {"location": LOCATION})
        self.put(IMAGE.rpartition("/images/")[0], {"location": LOCATION})
        self.put(IMAGE, {"location": LOCATION, "tags": {"daskfleet-family": "lab"}, "properties": {"osType": "Linux"}})
        self.put(f"{IMAGE}/versions/1.0.0", {"location": LOCATION, "properties": {"storageProfile": {}}})

    def clear(self) -> None:
        """Forget the calls so far, and interfere with no more."""
        self.calls.clear()
        self.interfere = lambda call: None

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep something, with what Azure adds."""
        names = path.split("/")
        there = self.things.get(path.lower(), {})
        kept = {**json.loads(json.dumps(body)), "id": there.get("id", path), "name": names[-1]}
        properties = kept.setdefault("properties", {})
        properties["provisioningState"] = "Succeeded"
        if "/providers/" in path:
            provider, *rest = path.rpartition("/providers/")[2].split("/")
            kept["type"] = "/".join([provider, *rest[::2]])
            for list_name in ("subnets", "securityRules", "ipConfigurations"):
                for item in properties.get(list_name, ()):
                    item["id"] = f"{path}/{list_name}/{item['name']}"
        if match := SECRET_PATH.search(path):
            properties.pop("value", None)
            properties["secretUri"] = f"https://{match[1]}.vault.azure.net/secrets/{match[2]}"
        if kept.get("type", "").endswith("userAssignedIdentities"):
            properties |= {"principalId": PRINCIPAL, "clientId": CLIENT, "tenantId": TENANT}
        if kept.get("type", "").endswith("publicIPAddresses"):
            properties["ipAddress"] = "198.51.100.99"
        if kept.get("type", "").endswith("virtualMachines"):
            properties["osProfile"].pop("customData", None)
        identity = kept.get("identity", {}).get("userAssignedIdentities", {})
        for value in identity.values():
            value |= {"principalId": PRINCIPAL, "clientId": CLIENT}
        self.things[path.lower()] = kept
        return kept

    def answer(self, call: Call) -> Answer:
        """Do what is asked for."""
        if (found := self.interfere(call)) is not None:
            return found
        if call.path.endswith("/oauth2/v2.0/token"):
            return Answer(200, {"access_token": make_token(), "expires_in": 3600, "token_type": "Bearer"})
        if call.host.endswith(".vault.azure.net"):
            return self._delete_secret(call)
        if call.path.startswith(OPERATIONS):
            return self._tell(call)
        if not call.version:
            return refuse(400, "MissingApiVersionParameter", "The api-version is required")
        key = call.path.lower()
        match call.method:
            case "GET":
                there = self.things.get(key)
                return Answer(200, there) if there else refuse(404, "ResourceNotFound", f"{call.path} was not found.")
            case "PUT":
                return self._put(call)
            case "DELETE" if SECRET_PATH.search(call.path):
                return refuse(405, "MethodNotAllowed", "not by this API")
            case "DELETE":
                return self._delete(call)
        return refuse(405, "MethodNotAllowed", call.method)

    def _put(self, call: Call) -> Answer:
        group = re.match(r"/subscriptions/[^/]+/resourcegroups/[^/]+(?=/)", call.path.lower())
        if group and group[0] not in self.things:
            return refuse(404, "ResourceGroupNotFound", f"Resource group '{group[0]}' could not be found.")
        new = call.path.lower() not in self.things
        kept = self.put(call.path, call.body)
        headers = {"Azure-AsyncOperation": self._begin(call)} if LASTING.search(call.path) else {}
        return Answer(201 if new else 200, kept, headers)

    def _delete(self, call: Call) -> Answer:
        key = call.path.lower()
        if key not in self.things:
            return refuse(404, "ResourceNotFound", call.path) if "/providers/" not in key else Answer(204)
        for name in [name for name in self.things if name == key or name.startswith(f"{key}/")]:
            del self.things[name]
        return Answer(202, None, {"Location": self._begin(call)}) if LASTING.search(call.path) else Answer(200)

    def _begin(self, call: Call) -> str:
        """Where an operation tells how it goes."""
        with self._lock:
            self._operations.append((call.path, self.polls))
            number = len(self._operations) - 1
        return f"https://management.azure.com{OPERATIONS}{number}?api-version=2024-01-01"

    def _tell(self, call: Call) -> Answer:
        number = int(call.path.removeprefix(OPERATIONS))
        path, polls = self._operations[number]
        if polls:
            self._operations[number] = (path, polls - 1)
            return Answer(202, {"status": "InProgress"}, {"Location": f"{call.path}?api-version={call.version}"})
        if message := self.fail.get(path.lower()):
            return Answer(200, {"status": "Failed", "error": {"code": "AllocationFailed", "message": message}})
        return Answer(200, {"status": "Succeeded"})

    def _delete_secret(self, call: Call) -> Answer:
        vault, secret = call.host.partition(".")[0], call.path.rpartition("/")[2]
        found = [key for key in self.things if key.endswith(f"/vaults/{vault}/secrets/{secret}")]
        if not found or call.method != "DELETE":
            return refuse(404, "SecretNotFound", f"A secret with (name/id) {secret} was not found in this key vault.")
        del self.things[found[0]]
        return Answer(200, {"recoveryId": secret})


def make_token() -> str:
    """Nobody looks at the signature."""
    claims = {"oid": PRINCIPAL, "appid": CLIENT, "tid": TENANT}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "signature"])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], arm: Arm) -> None:
        self.arm = arm
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_PUT(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        body = json.loads(raw) if raw and "json" in (self.headers.get("Content-Type") or "") else {}
        version = parse_qs(parts.query).get("api-version", [""])[0]
        call = Call(self.command, unquote(parts.path), version, body, self.headers.get("Host", ""))
        self.server.arm.calls.append(call)
        answer = self.server.arm.answer(call)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_PUT  # noqa: N815 - the names that http.server looks for

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def settings(arm: Arm) -> dict[str, str]:
    """Of a provider that works with `arm`."""
    here = {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "clientId": CLIENT, "clientSecret": "testing"}
    return {"metadataHost": arm.url, **here}


class AzureWorld:
    """Things that others need, made when they are asked for."""

    def __init__(self, plugin: PluginClient) -> None:
        self.plugin = plugin

    @cached_property
    def group(self) -> str:
        return str(self.plugin.create(GROUP, {"resourceGroupName": GROUP_NAME, "location": LOCATION}, "group")["name"])

    @property
    def here(self) -> dict[str, Any]:
        """What all things in the group say."""
        return {"resourceGroupName": self.group, "location": LOCATION, "tags": TAGS}

    @cached_property
    def network(self) -> Made:
        inputs = {
            **self.here,
            "addressSpace": {"addressPrefixes": ["10.77.0.0/16"]},
            "subnets": [{"name": "machines", "addressPrefix": "10.77.0.0/20"}],
        }
        return self.plugin.create(NETWORK, inputs, "net")

    @property
    def subnet(self) -> str:
        return str(self.network["subnets"][0]["id"])

    def make_address(self, name: str) -> Made:
        inputs = {**self.here, "sku": {"name": "Standard"}, "publicIPAllocationMethod": "Static"}
        return self.plugin.create(ADDRESS, inputs, name)

    @cached_property
    def address(self) -> Made:
        return self.make_address("scheduler")

    @cached_property
    def way_out(self) -> Made:
        return self.make_address("nat")

    @cached_property
    def nat(self) -> Made:
        return self.plugin.create(NAT, INPUTS[NAT](self), "nat")

    @cached_property
    def firewall(self) -> Made:
        return self.plugin.create(FIREWALL, self.here, "firewall")

    @cached_property
    def scheduler(self) -> Made:
        return self.plugin.create(APPLICATION, self.here, "scheduler")

    @cached_property
    def identity(self) -> Made:
        return self.plugin.create(IDENTITY, self.here, "identity")

    @cached_property
    def vault(self) -> Made:
        return self.plugin.create(VAULT, INPUTS[VAULT](self), "vault")

    @cached_property
    def secret(self) -> Made:
        return self.plugin.create(SECRET, INPUTS[SECRET](self), "secret")

    @cached_property
    def account(self) -> Made:
        return self.plugin.create(ACCOUNT, INPUTS[ACCOUNT](self), "logs")

    @cached_property
    def interface(self) -> Made:
        return self.plugin.create(INTERFACE, INPUTS[INTERFACE](self), "interface")


Inputs = Callable[[AzureWorld], dict[str, Any]]

INPUTS: dict[str, Inputs] = {
    GROUP: lambda world: {"resourceGroupName": "one", "location": LOCATION, "tags": TAGS},
    NETWORK: lambda world: {
        **world.here,
        "virtualNetworkName": "one",
        "addressSpace": {"addressPrefixes": ["10.77.0.0/16"]},
        "subnets": [
            {
                "name": "machines",
                "addressPrefix": "10.77.0.0/20",
                "defaultOutboundAccess": False,
                "natGateway": {"id": world.nat.id},
                "serviceEndpoints": [{"service": "Microsoft.Storage"}, {"service": "Microsoft.KeyVault"}],
            }
        ],
    },
    NAT: lambda world: {
        **world.here,
        "natGatewayName": "one-nat",
        "sku": {"name": "Standard"},
        "idleTimeoutInMinutes": 10,
        "publicIpAddresses": [{"id": world.way_out.id}],
    },
    ADDRESS: lambda world: {
        **world.here,
        "publicIpAddressName": "one",
        "sku": {"name": "Standard", "tier": "Regional"},
        "publicIPAllocationMethod": "Static",
        "publicIPAddressVersion": "IPv4",
        "zones": ["1", "2", "3"],
    },
    FIREWALL: lambda world: {
        **world.here,
        "networkSecurityGroupName": "one",
        "securityRules": [
            {
                "name": "workers",
                "priority": 100,
                "direction": "Inbound",
                "access": "Allow",
                "protocol": "Tcp",
                "sourceApplicationSecurityGroups": [{"id": world.scheduler.id}],
                "sourcePortRange": "*",
                "destinationApplicationSecurityGroups": [{"id": world.scheduler.id}],
                "destinationPortRange": "8786",
            },
            {
                "name": "others",
                "priority": 4096,
                "direction": "Inbound",
                "access": "Deny",
                "protocol": "*",
                "sourceAddressPrefix": "VirtualNetwork",
                "sourcePortRange": "*",
                "destinationAddressPrefix": "*",
                "destinationPortRange": "*",
            },
        ],
    },
    APPLICATION: lambda world: {**world.here, "applicationSecurityGroupName": "one"},
    INTERFACE: lambda world: {
        **world.here,
        "networkInterfaceName": "one",
        "ipConfigurations": [
            {
                "name": "primary",
                "primary": True,
                "subnet": {"id": world.subnet},
                "privateIPAllocationMethod": "Static",
                "privateIPAddress": "10.77.0.10",
                "publicIPAddress": {"id": world.address.id},
                "applicationSecurityGroups": [{"id": world.scheduler.id}],
            }
        ],
        "networkSecurityGroup": {"id": world.firewall.id},
        "enableAcceleratedNetworking": True,
    },
    IDENTITY: lambda world: {**world.here, "resourceName": "one"},
    ASSIGNMENT: lambda world: {
        "roleAssignmentName": "1c3e0f6a-6f0d-4b0e-8d8c-0a1b2c3d4e5f",
        "scope": world.secret.id,
        "principalId": world.identity["principalId"],
        "principalType": "ServicePrincipal",
        "roleDefinitionId": ROLE,
        "description": "daskfleet:fleet=one",
    },
    VAULT: lambda world: {
        **world.here,
        "vaultName": "one-vault",
        "properties": {
            "tenantId": TENANT,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": 7,
        },
    },
    SECRET: lambda world: {
        "resourceGroupName": world.group,
        "vaultName": world.vault["name"],
        "secretName": "worker",
        "tags": TAGS,
        "properties": {"value": "s3cr3t", "contentType": "text/plain"},
    },
    ACCOUNT: lambda world: {
        **world.here,
        "accountName": "onelogs",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "networkRuleSet": {"defaultAction": "Allow", "ipRules": [{"iPAddressOrRange": "192.0.2.1"}]},
    },
    CONTAINER: lambda world: {
        "resourceGroupName": world.group,
        "accountName": world.account["name"],
        "containerName": "logs",
        "publicAccess": "None",
        "metadata": {"fleet": "one"},
    },
    MACHINE: lambda world: {
        **world.here,
        "vmName": "one-scheduler",
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [world.identity.id]},
        "networkProfile": {"networkInterfaces": [{"id": world.interface.id, "deleteOption": "Delete"}]},
        "osProfile": {
            "adminUsername": "daskfleet",
            "computerName": "scheduler",
            "customData": "I2Nsb3VkLWNvbmZpZwo=",
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {
                    "publicKeys": [{"keyData": "ssh-ed25519 AAAA", "path": "/home/daskfleet/.ssh/authorized_keys"}]
                },
            },
        },
        "storageProfile": {
            "imageReference": {"id": IMAGE},
            "osDisk": {
                "createOption": "FromImage",
                "deleteOption": "Delete",
                "diskSizeGB": 40,
                "managedDisk": {"storageAccountType": "Premium_LRS"},
            },
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    },
    SCALE_SET: lambda world: {
        **world.here,
        "vmScaleSetName": "one-cpu",
        "orchestrationMode": "Flexible",
        "platformFaultDomainCount": 1,
        "zones": ["1"],
        "sku": {"name": "Mix", "capacity": 2},
        "skuProfile": {
            "allocationStrategy": "Prioritized",
            "vmSizes": [{"name": "Standard_D4s_v5", "rank": 0}, {"name": "Standard_D4as_v5", "rank": 1}],
        },
        "priorityMixPolicy": {"baseRegularPriorityCount": 0, "regularPriorityPercentageAboveBase": 0},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [world.identity.id]},
        "upgradePolicy": {"mode": "Manual"},
        "automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT30M", "repairAction": "Replace"},
        "virtualMachineProfile": {
            "priority": "Spot",
            "evictionPolicy": "Delete",
            "billingProfile": {"maxPrice": -1},
            "networkProfile": {
                "networkApiVersion": "2020-11-01",
                "networkInterfaceConfigurations": [
                    {
                        "name": "primary",
                        "primary": True,
                        "networkSecurityGroup": {"id": world.firewall.id},
                        "ipConfigurations": [
                            {
                                "name": "primary",
                                "subnet": {"id": world.subnet},
                                "applicationSecurityGroups": [{"id": world.scheduler.id}],
                            }
                        ],
                    }
                ],
            },
            "scheduledEventsProfile": {"terminateNotificationProfile": {"enable": True, "notBeforeTimeout": "PT5M"}},
            "extensionProfile": {
                "extensions": [
                    {
                        "name": "health",
                        "publisher": "Microsoft.ManagedServices",
                        "type": "ApplicationHealthLinux",
                        "typeHandlerVersion": "1.0",
                        "settings": {"protocol": "http", "port": 8788, "requestPath": "/health"},
                    }
                ]
            },
            "storageProfile": {"imageReference": {"id": IMAGE}},
        },
    },
    PLACEMENT: lambda world: {
        **world.here,
        "proximityPlacementGroupName": "one",
        "proximityPlacementGroupType": "Standard",
    },
}
"""For every type, what a program may give."""

IMPORTED_OTHERWISE = {
    **{kind: {"id"} for kind in (APPLICATION, NAT)},
    ADDRESS: {"id", "ipAddress"},
    ASSIGNMENT: {"scope"},
    NETWORK: {"id", "subnets", "virtualNetworkPeerings"},
    FIREWALL: {"id", "securityRules"},
    INTERFACE: {"id", "ipConfigurations"},
    MACHINE: {"osProfile"},
    SECRET: {"properties"},
    VAULT: {"properties"},
}
"""What an import does not find, as no API tells it back (`customData`, a secret's `value`), and what it finds beside.

All that may be said counts as said: ids, too, which the API of networks would take, and lists of separate things. A
scope comes from the id, without its first slash.
"""
