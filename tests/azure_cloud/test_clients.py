"""Azure's official clients: they judge the answers as they read them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.models import VirtualMachineScaleSetVMInstanceRequiredIDs
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

from azure_cloud.cloud import SUBSCRIPTION, TENANT
from azure_cloud.conftest import GROUP, HEALTH, LOCATION, SCOPE, SPOT, Azure, render_scale_set, render_vault

QUICK = {"enforce_https": False, "polling_interval": 0.02}
PLAIN = {"enforce_https": False}
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class Credential:
    """A token that is always the same."""

    def get_token(self, *scopes: str, **arguments: Any) -> AccessToken:
        return AccessToken("tests", int(time.time()) + 3600)


@pytest.fixture
def make_client(azure: Azure) -> Iterator[Any]:
    clients = []

    def make(kind: Any, *subscription: str) -> Any:
        scopes = ["https://management.azure.com/.default"]
        clients.append(kind(Credential(), *subscription, base_url=azure.url, credential_scopes=scopes, retry_total=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_resources_are_made_listed_and_removed(azure: Azure, make_client: Any):
    client = make_client(ResourceManagementClient, SUBSCRIPTION)
    made = client.resource_groups.create_or_update("two", {"location": LOCATION, "tags": {"a": "b"}}, **PLAIN)
    assert (made.name, made.properties.provisioning_state) == ("two", "Succeeded")
    assert client.resource_groups.check_existence("two", **PLAIN)
    azure.make_network()
    azure.control("pace", page=1)
    azure.put("Microsoft.Network/applicationSecurityGroups", "one")
    assert [each.name for each in client.resources.list_by_resource_group("lab", **PLAIN)] == ["one", "net"]
    client.resource_groups.begin_delete("two", **QUICK).result()
    assert not client.resource_groups.check_existence("two", **PLAIN)


def test_networks_and_interfaces_are_read(azure: Azure, make_client: Any):
    client = make_client(NetworkManagementClient, SUBSCRIPTION)
    nat = {"location": LOCATION, "sku": {"name": "Standard"}}
    gateway = client.nat_gateways.begin_create_or_update("lab", "nat", nat, **QUICK).result()
    subnet = {"name": "nodes", "properties": {"addressPrefix": "10.0.0.0/20", "natGateway": {"id": gateway.id}}}
    body = {
        "location": LOCATION,
        "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]},
    }
    network = client.virtual_networks.begin_create_or_update("lab", "net", body, **QUICK).result()
    assert network.subnets[0].nat_gateway.id == gateway.id
    nic = client.network_interfaces.get("lab", azure.make_interface(network.subnets[0].id).rpartition("/")[2], **PLAIN)
    assert nic.ip_configurations[0].private_ip_address == "10.0.0.4"
    with pytest.raises(HttpResponseError) as caught:
        client.virtual_networks.begin_delete("lab", "net", **QUICK).result()
    assert caught.value.error.code == "InUseSubnetCannotBeDeleted"
    client.network_interfaces.begin_delete("lab", "nic", **QUICK).result()
    client.virtual_networks.begin_delete("lab", "net", **QUICK).result()
    with pytest.raises(ResourceNotFoundError):
        client.virtual_networks.get("lab", "net", **PLAIN)


def test_identities_and_their_roles_are_read(azure: Azure, make_client: Any):
    identities = make_client(ManagedServiceIdentityClient, SUBSCRIPTION)
    made = identities.user_assigned_identities.create_or_update("lab", "worker", {"location": LOCATION}, **PLAIN)
    assert {made.tenant_id} == {TENANT}
    roles = make_client(AuthorizationManagementClient, SUBSCRIPTION)
    definition = f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    properties = {"roleDefinitionId": definition, "principalId": made.principal_id, "principalType": "ServicePrincipal"}
    name = str(uuid.uuid4())
    roles.role_assignments.create(GROUP, name, {"properties": properties}, **PLAIN)
    [found] = roles.role_assignments.list_for_scope(GROUP, filter=f"principalId eq '{made.principal_id}'", **PLAIN)
    assert (found.name, found.scope, found.principal_type) == (name, GROUP, "ServicePrincipal")
    assert [each.role_name for each in roles.role_definitions.list(GROUP, filter="roleName eq 'Reader'", **PLAIN)] == [
        "Reader"
    ]


def test_vaults_are_deleted_and_purged(azure: Azure, make_client: Any):
    client = make_client(KeyVaultManagementClient, SUBSCRIPTION)
    body = {"location": LOCATION, "properties": render_vault()}
    vault = client.vaults.begin_create_or_update("lab", "daskfleet-lab", body, **QUICK).result()
    assert vault.properties.vault_uri == "https://daskfleet-lab.vault.azure.net/"
    secret = client.secrets.create_or_update("lab", "daskfleet-lab", "one", {"properties": {"value": "x"}}, **PLAIN)
    assert secret.properties.secret_uri.endswith("/secrets/one")
    assert [each.name for each in client.secrets.list("lab", "daskfleet-lab", **PLAIN)] == ["one"]
    client.vaults.delete("lab", "daskfleet-lab", **PLAIN)
    assert client.vaults.get_deleted("daskfleet-lab", LOCATION, **PLAIN).properties.vault_id == vault.id
    client.vaults.begin_purge_deleted("daskfleet-lab", LOCATION, **QUICK).result()
    assert list(client.vaults.list_deleted(**PLAIN)) == []


def test_storage_accounts_and_containers_are_made(azure: Azure, make_client: Any):
    client = make_client(StorageManagementClient, SUBSCRIPTION)
    body = {"location": LOCATION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    account = client.storage_accounts.begin_create("lab", "daskfleetlab", body, **QUICK).result()
    assert account.primary_endpoints.blob == "https://daskfleetlab.blob.core.windows.net/"
    client.blob_containers.create("lab", "daskfleetlab", "logs", {}, **PLAIN)
    assert [each.name for each in client.blob_containers.list("lab", "daskfleetlab", **PLAIN)] == ["logs"]
    client.storage_accounts.delete("lab", "daskfleetlab", **PLAIN)
    assert list(client.storage_accounts.list(**PLAIN)) == []


def test_scale_sets_grow_and_their_machines_are_read(azure: Azure, make_client: Any):
    client = make_client(ComputeManagementClient, SUBSCRIPTION)
    body = render_scale_set(azure.image, azure.make_network(), 1, profile={**SPOT, **HEALTH})
    sets = client.virtual_machine_scale_sets
    made = sets.begin_create_or_update("lab", "cpu", body, **QUICK).result()
    assert (made.sku.capacity, made.provisioning_state) == (1, "Succeeded")
    sets.begin_update("lab", "cpu", {"sku": {"capacity": 3}}, **QUICK).result()
    question = f"'virtualMachineScaleSet/id' eq '{made.id}'"
    machines = list(client.virtual_machines.list("lab", filter=question, expand="instanceView", **PLAIN))
    assert {each.instance_view.vm_health.status.code for each in machines} == {"HealthState/healthy"}
    chosen = VirtualMachineScaleSetVMInstanceRequiredIDs(instance_ids=[machines[0].name])
    sets.begin_delete_instances("lab", "cpu", chosen, **QUICK).result()
    client.virtual_machines.begin_delete("lab", machines[1].name, **QUICK).result()
    assert sets.get("lab", "cpu", **PLAIN).sku.capacity == 1
    azure.control("market", no_spot=["*"])
    with pytest.raises(HttpResponseError) as caught:
        sets.begin_update("lab", "cpu", {"sku": {"capacity": 2}}, **QUICK).result()
    assert caught.value.error.code == "AllocationFailed"
    assert sets.get("lab", "cpu", **PLAIN).provisioning_state == "Failed"


def test_sizes_quotas_and_consoles_are_read(azure: Azure, make_client: Any):
    client = make_client(ComputeManagementClient, SUBSCRIPTION)
    azure.make_machine()
    sizes = {each.name for each in client.resource_skus.list(filter=f"location eq '{LOCATION}'", **PLAIN)}
    assert "Standard_D2s_v5" in sizes
    usages = {each.name.value: each.current_value for each in client.usage.list(LOCATION, **PLAIN)}
    assert usages["cores"] == 2
    told = client.virtual_machines.retrieve_boot_diagnostics_data("lab", "one", **PLAIN)
    assert told.serial_console_log_blob_uri.startswith(azure.url)
    view = client.virtual_machines.instance_view("lab", "one", **PLAIN)
    assert view.statuses[1].display_status == "VM running"


class Redirect(RequestsTransport):
    """What is meant for Entra ID goes to the stand-in: clients take no authority without TLS."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: HttpRequest, **arguments: Any) -> Any:
        parts = urlsplit(request.url)
        request.url = f"{self._url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, **arguments)


def test_a_credential_with_a_secret_gets_its_token(azure: Azure):
    with ClientSecretCredential(TENANT, str(uuid.uuid4()), "secret", transport=Redirect(azure.url)) as credential:
        token = credential.get_token("https://management.azure.com/.default").token
    assert azure.client.__class__(azure.url, token).call("GET", GROUP)["name"] == "lab"
