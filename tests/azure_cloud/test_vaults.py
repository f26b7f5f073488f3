"""Key vaults and their secrets."""

from __future__ import annotations

from typing import Any

import pytest

from azure_cloud.client import AzureClient
from azure_cloud.conftest import GROUP, LOCATION, SCOPE, Azure, render_vault

VAULTS = "Microsoft.KeyVault/vaults"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
RESOURCE = "https://vault.azure.net"
READ = "api-version=7.4"
DELETED = f"{SCOPE}/providers/Microsoft.KeyVault/locations/{LOCATION}/deletedVaults"


def read_secret(client: AzureClient, name: str = "worker", vault: str = "daskfleet-lab") -> Any:
    return client.ask("GET", f"/vault/{vault}/secrets/{name}?{READ}")


def test_a_secret_is_told_by_the_vault_and_never_by_resource_manager(azure: Azure):
    secret = azure.make_secret(azure.make_vault(), value="so secret")
    told = azure.get(secret)
    assert "value" not in told["properties"]
    assert told["properties"]["secretUri"] == "https://daskfleet-lab.vault.azure.net/secrets/worker"
    reply = read_secret(azure.client)
    assert reply.json["value"] == "so secret"
    version = told["properties"]["secretUriWithVersion"].rpartition("/")[2]
    assert azure.ask("GET", f"/vault/daskfleet-lab/secrets/worker/{version}?{READ}").json["value"] == "so secret"
    azure.make_secret(azure.place(VAULTS, "daskfleet-lab"), value="changed")
    assert read_secret(azure.client).json["value"] == "changed"
    assert azure.ask("GET", f"/vault/daskfleet-lab/secrets/worker/{version}?{READ}").status == 404


def test_a_vault_is_asked_by_its_host_too(azure: Azure):
    azure.make_secret(azure.make_vault())
    reply = azure.ask("GET", f"/secrets/worker?{READ}", Host="daskfleet-lab.vault.azure.net")
    assert reply.json["value"] == "text"
    assert [each["id"] for each in azure.ask("GET", f"/vault/daskfleet-lab/secrets?{READ}").json["value"]]


def test_a_machine_reads_the_secret_that_its_role_is_for(azure: Azure):
    vault, identity = azure.make_vault(), azure.make_identity()
    azure.make_secret(vault, "scheduler")
    azure.grant(azure.make_secret(vault, "worker"), SECRETS_USER, identity)
    machine = azure.as_machine(identity, RESOURCE)
    assert read_secret(machine).json["value"] == "text"
    for name in ("scheduler", "missing"):
        refused = read_secret(machine, name)
        assert refused.status == 403
        assert refused.json["error"]["innererror"] == {"code": "ForbiddenByRbac"}


def test_a_deleted_secret_keeps_its_name_until_it_is_purged(azure: Azure):
    vault = azure.make_vault()
    secret = azure.make_secret(vault)
    assert azure.ask("DELETE", f"/vault/daskfleet-lab/secrets/worker?{READ}").status == 200
    assert azure.find(secret) is None
    refusal = azure.refuse("PUT", secret, {"properties": {"value": "x"}})
    assert (refusal.status, "deleted but recoverable" in refusal.message) == (409, True)
    assert azure.ask("DELETE", f"/vault/daskfleet-lab/deletedsecrets/worker?{READ}").status == 204
    azure.make_secret(vault)


def test_an_owner_alone_reads_no_secret(azure: Azure):
    azure.make_secret(azure.make_vault())
    azure.control("person", roles=["Owner"])
    assert read_secret(azure.client).status == 403
    azure.control("person", roles=["Owner", "Key Vault Secrets User"])
    assert read_secret(azure.client).status == 200
    assert read_secret(azure.client, "missing").json["error"]["code"] == "SecretNotFound"


def test_a_vault_says_where_tokens_are_to_be_had(azure: Azure):
    azure.make_secret(azure.make_vault())
    reply = read_secret(AzureClient(azure.url, ""))
    assert reply.status == 401
    assert 'resource="https://vault.azure.net"' in reply.headers["www-authenticate"]
    machine = azure.as_machine(azure.make_identity(), "https://management.azure.com/")
    assert read_secret(machine).status == 401


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"softDeleteRetentionInDays": 6}, "from 7 to 90"),
        ({"enablePurgeProtection": False}, "cannot be set to false"),
        ({"enableRbacAuthorization": False}, "accessPolicies"),
        ({"tenantId": "11111111-1111-1111-1111-111111111111"}, "tenant"),
        ({"sku": {"family": "B", "name": "standard"}}, "'properties.sku.family' cannot be 'B'"),
        ({"sku": None}, "'sku' not found"),
    ],
)
def test_a_vault_that_azure_would_refuse_is_refused(azure: Azure, change: dict[str, Any], words: str):
    body = {"location": LOCATION, "properties": render_vault(**change)}
    assert words in azure.refuse("PUT", azure.place(VAULTS, "daskfleet-lab"), body).message


def test_a_name_is_given_once_in_the_world_and_follows_rules(azure: Azure):
    azure.make_vault()
    azure.make_group("other")
    body = {"location": LOCATION, "properties": render_vault()}
    other = f"{SCOPE}/resourceGroups/other/providers/{VAULTS}/daskfleet-LAB"
    assert azure.refuse("PUT", other, body).code == "VaultAlreadyExists"
    for name in ("ab", "1ab", "a--b", "a" * 25, "ab-"):
        assert azure.refuse("PUT", azure.place(VAULTS, name), body).code == "VaultNameNotValid"
    question = {"name": "daskfleet-lab", "type": VAULTS}
    answer = azure.call("POST", f"{SCOPE}/providers/Microsoft.KeyVault/checkNameAvailability", question)
    assert (answer["nameAvailable"], answer["reason"]) == (False, "AlreadyExists")


def test_a_deleted_vault_keeps_its_name_until_it_is_purged(azure: Azure):
    vault = azure.make_vault()
    azure.make_secret(vault)
    azure.change("DELETE", vault)
    assert azure.get(f"{DELETED}/daskfleet-lab")["properties"]["vaultId"] == vault
    assert [each["name"] for each in azure.list(f"{SCOPE}/providers/Microsoft.KeyVault/deletedVaults")]
    body = {"location": LOCATION, "properties": render_vault()}
    assert azure.refuse("PUT", vault, body).code == "ConflictError"
    azure.change("POST", f"{DELETED}/daskfleet-lab/purge")
    assert azure.find(f"{DELETED}/daskfleet-lab") is None
    assert azure.refuse("POST", f"{DELETED}/daskfleet-lab/purge").status == 404
    azure.make_vault()
    assert azure.find(f"{vault}/secrets/worker") is None


def test_a_deleted_vault_is_recovered_with_its_secrets(azure: Azure):
    vault = azure.make_vault()
    azure.make_secret(vault)
    azure.change("DELETE", vault)
    azure.make_vault(createMode="recover")
    assert read_secret(azure.client).json["value"] == "text"


def test_a_vault_goes_with_its_group_and_a_protected_one_cannot_be_purged(azure: Azure):
    azure.make_vault(enablePurgeProtection=True)
    azure.change("DELETE", GROUP)
    assert azure.refuse("POST", f"{DELETED}/daskfleet-lab/purge").code == "MethodNotAllowed"


def test_roles_for_a_secret_go_with_its_vault(azure: Azure):
    vault, identity = azure.make_vault(), azure.make_identity()
    assignment = azure.grant(azure.make_secret(vault), SECRETS_USER, identity)
    assert azure.find(assignment) is not None
    azure.change("DELETE", vault)
    assert azure.find(assignment) is None
