"""What principals may do, by the roles that they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from azure_cloud.errors import AzureError
from azure_cloud.identity.conditions import evaluate
from azure_cloud.identity.directory import PERSON
from azure_cloud.identity.roles import Role, find_role
from azure_cloud.ids import make_key

if TYPE_CHECKING:
    from azure_cloud.cloud import Cloud
    from google_cloud.exchange import Request

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


def find_caller(cloud: Cloud, request: Request, audiences: tuple[str, ...]) -> str:
    """Object identifier of whoever asks.

    Raises:
        AzureError: there is no token, or it is for something else, or over.
    """
    text = request.token
    if not text:
        message = "Authentication failed. The 'Authorization' header is missing."
        raise AzureError(401, "AuthenticationFailed", message)
    token = cloud.directory.tokens.get(text)
    if token is None:
        return PERSON
    if token.expires <= cloud.now or token.principal not in cloud.directory.principals:
        raise AzureError(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now.")
    if token.audience not in audiences:
        message = f"The access token has been obtained for wrong audience or resource '{token.audience}'."
        raise AzureError(401, "InvalidAuthenticationTokenAudience", message)
    return token.principal


def is_allowed(
    cloud: Cloud,
    principal: str,
    action: str,
    scope: str,
    *,
    is_data: bool = False,
    attributes: Mapping[str, str] | None = None,
) -> bool:
    """Whether a role of a principal's allows an action.

    Args:
        action: `Microsoft.KeyVault/vaults/secrets/getSecret/action`.
        scope: identifier of what it is done to.
        attributes: what conditions may look at, by name.
    """
    for role, condition in list_roles(cloud, principal, scope):
        if role.allows(action, is_data=is_data) and (not condition or evaluate(condition, action, attributes or {})):
            return True
    return False


def list_roles(cloud: Cloud, principal: str, scope: str) -> Iterator[tuple[Role, str]]:
    """The roles of a principal for something, and their conditions."""
    if principal == PERSON:
        for name in cloud.directory.person_roles:
            role = find_role(name)
            assert role is not None, name
            yield role, ""
    for record in cloud.store.select(ASSIGNMENTS):
        properties = record.properties
        if properties["principalId"] != principal or record.created + cloud.pace.roles > cloud.now:
            continue
        if f"{make_key(scope)}/".startswith(f"{make_key(properties['scope'])}/"):
            role = find_role(properties["roleDefinitionId"])
            assert role is not None
            yield role, properties.get("condition") or ""
