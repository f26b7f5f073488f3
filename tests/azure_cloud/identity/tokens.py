"""Entra ID's tokens, as far as clients with a secret need them.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from azure_cloud.errors import AzureError
from azure_cloud.identity.directory import PERSON
from google_cloud.exchange import Answer, Request

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud

HOST = "login.microsoftonline.com"
CONFIGURATION = re.compile(r"/(?P<tenant>[^/]+)/(?:v2\.0/)?\.well-known/openid-configuration")
TOKEN = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token")
DISCOVERY = "/common/discovery/instance"


def answer(cloud: Cloud, request: Request) -> tuple[str, Answer] | None:
    """What Entra ID says to a request; `None` when that is not for it."""
    base = f"https://{HOST}"
    if request.path == DISCOVERY:
        authority = f"{base}/{cloud.directory.tenant}/v2.0/.well-known/openid-configuration"
        return "entra.discovery", Answer({"tenant_discovery_endpoint": authority, "metadata": []})
    if found := CONFIGURATION.fullmatch(request.path):
        return "entra.configuration", Answer(describe(base, found["tenant"]))
    if (found := TOKEN.fullmatch(request.path)) and request.method == "POST":
        return "entra.token", give(cloud, request, found["tenant"])
    return None


def describe(base: str, tenant: str) -> dict[str, Any]:
    return {
        "issuer": f"{base}/{tenant}/v2.0",
        "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "tenant_region_scope": None,
    }


def give(cloud: Cloud, request: Request, tenant: str) -> Answer:
    form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
    if tenant != cloud.directory.tenant:
        return refuse("invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
    if form.get("grant_type") != "client_credentials":
        return refuse("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
    if not form.get("client_id") or not form.get("client_secret"):
        return refuse("invalid_client", "AADSTS7000216: 'client_assertion' or 'client_secret' is required.", 401)
    scope = form.get("scope", "")
    if not scope.endswith("/.default"):
        text = f"AADSTS1002012: The provided value for scope {scope} is not valid. It must end with /.default."
        return refuse("invalid_scope", text)
    person = cloud.directory.find(PERSON)
    assert person is not None
    token = cloud.directory.issue(person, scope.removesuffix("/.default"), cloud.now)
    return Answer({name: token[name] for name in ("token_type", "access_token", "expires_in")})


def refuse(error: str, text: str, status: int = 400) -> Answer:
    return Answer({"error": error, "error_description": text, "error_codes": []}, status)


def give_machine_token(cloud: Cloud, client_id: str, resource: str) -> dict[str, Any]:
    """What the metadata service gives a machine for its identity."""
    principal = cloud.directory.find(client_id)
    if principal is None or principal.kind != "ServicePrincipal":
        raise AzureError(400, "invalid_request", "Identity not found")
    return {key: str(value) for key, value in cloud.directory.issue(principal, resource, cloud.now).items()}
