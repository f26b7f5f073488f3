"""The vaults themselves: secrets are read by those whose roles allow it.

https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure_cloud.errors import AzureError
from azure_cloud.identity import access
from azure_cloud.identity.directory import VAULT
from azure_cloud.keyvault.vaults import DELETED, SECRETS, TYPE
from azure_cloud.store import Record
from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

VERSIONS = ("7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01")
SECRET = re.compile(r"/secrets/(?P<name>[A-Za-z0-9-]+)(?:/(?P<version>[0-9a-f]*))?/?")

DELETED_SECRET = re.compile(r"/deletedsecrets/(?P<name>[A-Za-z0-9-]+)/?")


def route(cloud: Cloud, request: Request, vault: str, path: str) -> tuple[str, Callable[[], Answer]]:
    """What a request is called, and what answers it."""
    if request.method == "GET" and re.fullmatch(r"/secrets/?", path):
        return "vault.listSecrets", lambda: list_secrets(cloud, request, vault)
    found = SECRET.fullmatch(path)
    if request.method == "GET" and found is not None:
        return "vault.getSecret", lambda: get_secret(cloud, request, vault, found["name"], found["version"] or "")
    if request.method == "DELETE" and found is not None:
        return "vault.deleteSecret", lambda: delete_secret(cloud, request, vault, found["name"])
    gone = DELETED_SECRET.fullmatch(path)
    if request.method == "DELETE" and gone is not None:
        return "vault.purgeDeletedSecret", lambda: purge_secret(cloud, request, vault, gone["name"])
    raise AzureError(405, "MethodNotAllowed", f"The stand-in has no {request.method} {path} of a vault.")


def get_secret(cloud: Cloud, request: Request, vault_name: str, name: str, version: str) -> Answer:
    vault, caller = enter(cloud, request, vault_name)
    scope = f"{vault.id}/secrets/{name}"
    require(cloud, vault, caller, "Microsoft.KeyVault/vaults/secrets/getSecret/action", scope)
    secret = cloud.store.find(scope, SECRETS)
    latest = "" if secret is None else secret.properties["secretUriWithVersion"].rpartition("/")[2]
    if secret is None or version not in ("", latest):
        message = (
            f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted "
            "this secret you may be able to recover it using the correct recovery command."
        )
        raise AzureError(404, "SecretNotFound", message)
    if not secret.properties["attributes"]["enabled"]:
        raise forbidden("Operation get is not allowed on a disabled secret.", "SecretDisabled")
    return Answer({"value": secret.given["properties"].get("value", ""), **describe(secret, latest)})


def delete_secret(cloud: Cloud, request: Request, vault_name: str, name: str) -> Answer:
    """It can be recovered, so that its name is not free again until it is purged."""
    vault, caller = enter(cloud, request, vault_name)
    scope = f"{vault.id}/secrets/{name}"
    require(cloud, vault, caller, f"{SECRETS}/delete", scope)
    secret = cloud.store.find(scope, SECRETS)
    if secret is None:
        raise AzureError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
    cloud.store.remove(secret.id)
    vault.notes.setdefault(DELETED, {})[name.lower()] = secret
    recovery = f"https://{vault.name}.vault.azure.net/deletedsecrets/{name}"
    return Answer({"recoveryId": recovery, "deletedDate": int(cloud.now), **describe(secret, "")})


def purge_secret(cloud: Cloud, request: Request, vault_name: str, name: str) -> Answer:
    vault, caller = enter(cloud, request, vault_name)
    require(cloud, vault, caller, f"{SECRETS}/purge/action", f"{vault.id}/secrets/{name}")
    if vault.notes.get(DELETED, {}).pop(name.lower(), None) is None:
        raise AzureError(404, "SecretNotFound", f"A deleted secret {name} was not found in this key vault.")
    return Answer(b"", 204)


def list_secrets(cloud: Cloud, request: Request, vault_name: str) -> Answer:
    vault, caller = enter(cloud, request, vault_name)
    require(cloud, vault, caller, "Microsoft.KeyVault/vaults/secrets/readMetadata/action", vault.id)
    return Answer({"value": [describe(each, "") for each in cloud.store.select(SECRETS, vault.id)], "nextLink": None})


def describe(secret: Record, version: str) -> dict[str, Any]:
    told = {
        "id": secret.properties["secretUriWithVersion" if version else "secretUri"],
        "tags": secret.body.get("tags", {}),
    }
    if "contentType" in secret.properties:
        told["contentType"] = secret.properties["contentType"]
    return {
        **told,
        "attributes": {**secret.properties["attributes"], "recoveryLevel": "CustomizedRecoverable+Purgeable"},
    }


def enter(cloud: Cloud, request: Request, name: str) -> tuple[Record, str]:
    """The vault, and who asks it."""
    vault = next((each for each in cloud.store.select(TYPE) if each.name.lower() == name.lower()), None)
    if vault is None:
        raise AzureError(404, "VaultNotFound", f"There is no vault {name}: its name does not resolve.")
    caller = access.find_caller(cloud, request, VAULT)
    if request.query.get("api-version") not in VERSIONS:
        message = f"The api-version is missing or not one of {', '.join(VERSIONS)}."
        raise AzureError(400, "BadParameter", message)
    return vault, caller


def require(cloud: Cloud, vault: Record, caller: str, action: str, scope: str) -> None:
    if not vault.properties["enableRbacAuthorization"]:
        raise forbidden(
            f"The user, group or application '{caller}' has no access policy in {vault.name}.", "AccessDenied"
        )
    if not access.is_allowed(cloud, caller, action, scope, is_data=True):
        message = (
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
            f"definitions were changed recently, please observe propagation time.\r\nCaller: oid={caller}\r\n"
            f"Action: '{action}'\r\nResource: '{scope}'\r\nAssignment: (not found)\r\n"
            f"Vault: {vault.name};location={vault.location}"
        )
        raise forbidden(message, "ForbiddenByRbac")


class Forbidden(AzureError):
    """A refusal of a vault's, with the reason within."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(403, "Forbidden", message)
        self.reason = reason

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "innererror": {"code": self.reason}}


def forbidden(message: str, reason: str) -> AzureError:
    return Forbidden(message, reason)


def refuse(cloud: Cloud, error: AzureError) -> Answer:
    """As a vault refuses: who has no token is told where to get one."""
    headers = dict(error.headers)
    if error.status == 401:
        authority = f"https://login.microsoftonline.com/{cloud.directory.tenant}"
        headers["WWW-Authenticate"] = f'Bearer authorization="{authority}", resource="{VAULT[0]}"'
        body = {"error": {"code": "Unauthorized", "message": f"AKV10000: {error.message}"}}
        return Answer(body, 401, headers=headers)
    return Answer(error.render(), error.status, headers=headers)
