"""Identities, roles and tokens."""

from __future__ import annotations

import base64
import json
import uuid
from urllib.parse import urlencode

import pytest

from azure_cloud.client import AzureClient
from azure_cloud.cloud import TENANT
from azure_cloud.conftest import GROUP, SCOPE, Azure, render_assignment
from azure_cloud.identity.conditions import evaluate
from azure_cloud.identity.directory import PERSON

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
ASSIGNMENTS = "providers/Microsoft.Authorization/roleAssignments"
MANAGEMENT = "https://management.azure.com/"


def test_an_identity_has_a_principal_and_a_client(azure: Azure):
    made = azure.make_identity()
    again = azure.make_identity()
    assert made["properties"] == again["properties"]
    assert made["properties"]["tenantId"] == TENANT
    assert len({made["properties"][name] for name in ("principalId", "clientId")}) == 2


def test_a_role_is_given_once_and_told_at_its_scope_and_below(azure: Azure):
    identity = azure.make_identity()
    path = azure.grant(GROUP, READER, identity)
    body = render_assignment(READER, identity["properties"]["principalId"])
    assert azure.refuse("PUT", f"{GROUP}/{ASSIGNMENTS}/{uuid.uuid4()}", body).code == "RoleAssignmentExists"
    azure.call("PUT", path, body)
    vault = azure.make_vault()
    for scope, question, count in (
        (vault, "atScope()", 1),
        (GROUP, "atScope()", 1),
        (SCOPE, "atScope()", 0),
        (SCOPE, f"principalId eq '{identity['properties']['principalId']}'", 1),
        (SCOPE, f"principalId eq '{PERSON}'", 0),
    ):
        found = list(azure.list(f"{scope}/{ASSIGNMENTS}", _filter=question))
        assert len(found) == count, (scope, question)
    azure.call("DELETE", path)
    assert azure.find(path) is None
    assert azure.ask("DELETE", f"{path}?api-version=2022-04-01").status == 204


def test_a_role_is_given_to_somebody_who_is_there(azure: Azure):
    path = f"{GROUP}/{ASSIGNMENTS}/{uuid.uuid4()}"
    assert azure.refuse("PUT", path, render_assignment(READER, str(uuid.uuid4()))).code == "PrincipalNotFound"
    identity = azure.make_identity()["properties"]["principalId"]
    body = render_assignment(READER, identity, principalType="User")
    assert azure.refuse("PUT", path, body).code == "UnmatchedPrincipalType"
    unknown = render_assignment(str(uuid.uuid4()), identity)
    assert azure.refuse("PUT", path, unknown).code == "RoleDefinitionDoesNotExist"
    named = f"{GROUP}/{ASSIGNMENTS}/reader"
    assert azure.refuse("PUT", named, render_assignment(READER, identity)).code == "InvalidRoleAssignmentId"
    missing = f"{azure.place('Microsoft.KeyVault/vaults', 'missing')}/{ASSIGNMENTS}/{uuid.uuid4()}"
    assert azure.refuse("PUT", missing, render_assignment(READER, identity)).code == "ResourceNotFound"


def test_a_new_principal_is_not_known_everywhere_unless_its_type_is_said(azure: Azure):
    azure.control("pace", replication=30)
    principal = azure.make_identity()["properties"]["principalId"]
    path = f"{GROUP}/{ASSIGNMENTS}/{uuid.uuid4()}"
    body = render_assignment(READER, principal)
    del body["properties"]["principalType"]
    assert azure.refuse("PUT", path, body).code == "PrincipalNotFound"
    azure.call("PUT", path, render_assignment(READER, principal))


def test_a_role_counts_after_a_while(azure: Azure):
    azure.control("pace", roles=0.3)
    identity = azure.make_identity()
    azure.grant(GROUP, READER, identity)
    machine = azure.as_machine(identity, MANAGEMENT)
    target = f"{GROUP}?api-version=2024-03-01"
    assert machine.ask("GET", target).json["error"]["code"] == "AuthorizationFailed"
    azure.await_true(lambda: machine.ask("GET", target).status == 200, "the role counts")


def test_a_machine_does_what_its_roles_allow(azure: Azure):
    identity = azure.make_identity()
    machine = azure.as_machine(identity, MANAGEMENT)
    target = f"{GROUP}?api-version=2024-03-01"
    assert machine.ask("GET", target).status == 403
    azure.grant(GROUP, READER, identity)
    assert machine.ask("GET", target).status == 200
    assert machine.ask("DELETE", target).status == 403


def test_a_token_is_for_one_resource_and_ends_with_its_identity(azure: Azure):
    identity = azure.make_identity()
    azure.grant(GROUP, READER, identity)
    target = f"{GROUP}?api-version=2024-03-01"
    assert azure.as_machine(identity, "https://vault.azure.net").ask("GET", target).status == 401
    machine = azure.as_machine(identity, MANAGEMENT)
    assert machine.ask("GET", target).status == 200
    azure.change("DELETE", identity["id"])
    assert machine.ask("GET", target).status == 401


def test_built_in_roles_are_told(azure: Azure):
    definitions = f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions"
    role = azure.get(f"{definitions}/{SECRETS_USER}")["properties"]
    assert role["roleName"] == "Key Vault Secrets User"
    assert "Microsoft.KeyVault/vaults/secrets/getSecret/action" in role["permissions"][0]["dataActions"]
    [found] = azure.list(definitions, _filter="roleName eq 'Reader'")
    assert found["name"] == READER


def test_what_somebody_may_do_is_told(azure: Azure):
    azure.control("person", roles=["Contributor"])
    [permission] = azure.list(f"{GROUP}/providers/Microsoft.Authorization/permissions")
    assert permission["actions"] == ["*"]
    assert "Microsoft.Authorization/*/Write" in permission["notActions"]
    body = render_assignment(READER, azure.make_identity()["properties"]["principalId"])
    assert azure.refuse("PUT", f"{GROUP}/{ASSIGNMENTS}/{uuid.uuid4()}", body).code == "AuthorizationFailed"


def test_a_client_with_a_secret_gets_a_token(azure: Azure):
    form = {
        "grant_type": "client_credentials",
        "client_id": str(uuid.uuid4()),
        "client_secret": "secret",
        "scope": "https://management.azure.com/.default",
    }
    reply = azure.ask("POST", f"/{TENANT}/oauth2/v2.0/token", urlencode(form).encode())
    token = reply.check().json["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["tid"], claims["oid"]) == (TENANT, PERSON)
    assert AzureClient(azure.url, token).call("GET", GROUP)["name"] == "lab"
    wrong = urlencode({**form, "scope": "https://management.azure.com"}).encode()
    assert azure.ask("POST", f"/{TENANT}/oauth2/v2.0/token", wrong).json["error"] == "invalid_scope"
    assert azure.ask("POST", "/other/oauth2/v2.0/token", urlencode(form).encode()).status == 400


BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
BELOW = (
    f"((!(ActionMatches{{'{BLOBS}/read'}} AND NOT SubOperationMatches{{'Blob.List'}})) OR "
    f"(@Resource[{BLOBS}:path] StringStartsWith 'input/'))"
)


@pytest.mark.parametrize(
    ("condition", "action", "attributes", "holds"),
    [
        (BELOW, f"{BLOBS}/read", {"resource:path": "input/a"}, True),
        (BELOW, f"{BLOBS}/read", {"resource:path": "other/a"}, False),
        (BELOW, f"{BLOBS}/read", {"suboperation": "Blob.List"}, True),
        (BELOW, f"{BLOBS}/write", {}, True),
        (f"((!(ActionMatches{{'{BLOBS}/delete'}})))", f"{BLOBS}/delete", {}, False),
        (f"((!(ActionMatches{{'{BLOBS}/delete'}})))", f"{BLOBS}/write", {}, True),
    ],
)
def test_a_condition_holds_for_what_it_says(condition: str, action: str, attributes: dict[str, str], holds: bool):
    assert evaluate(condition, action, attributes) is holds


def test_a_condition_that_is_none_is_refused(azure: Azure):
    principal = azure.make_identity()["properties"]["principalId"]
    path = f"{GROUP}/{ASSIGNMENTS}/{uuid.uuid4()}"
    body = render_assignment(READER, principal, condition="(path = 1", conditionVersion="2.0")
    assert azure.refuse("PUT", path, body).code == "RoleAssignmentConditionInvalid"
    body = render_assignment(READER, principal, condition=BELOW)
    assert azure.refuse("PUT", path, body).code == "RoleAssignmentConditionVersionInvalid"
