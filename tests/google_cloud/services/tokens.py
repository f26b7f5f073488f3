"""Tokens: for those who have the credentials of a service account, and for machines."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from google_cloud.errors import ApiError
from google_cloud.exchange import Answer
from google_cloud.routing import Call, Routes
from google_cloud.services.state import Token

if TYPE_CHECKING:
    from google_cloud.cloud import Cloud

JWT, REFRESH = "urn:ietf:params:oauth:grant-type:jwt-bearer", "refresh_token"
LIFETIME_SECONDS = 3599


def register(routes: Routes) -> None:
    for path in ("/token", "/oauth2/token"):
        routes.add("POST", path, "oauth2.token", give_token)


def give_token(call: Call) -> dict[str, Any] | Answer:
    """A token of somebody who may do everything."""
    given = {key: values[-1] for key, values in parse_qs(call.request.body.decode(errors="replace")).items()}
    grant = given.get("grant_type", "")
    if grant not in (JWT, REFRESH):
        return refuse("unsupported_grant_type", f"Invalid grant_type: {grant}")
    if grant == JWT:
        try:
            part = given["assertion"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (KeyError, IndexError, ValueError):
            return refuse("invalid_grant", "Invalid JWT")
        if not isinstance(claims, dict) or not claims.get("iss") or not claims.get("scope"):
            return refuse("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return render_token(f"ya29.c.client-{call.world.count()}")


def give_machine_token(cloud: Cloud, account: str, scopes: tuple[str, ...]) -> dict[str, Any]:
    """A token of a machine's service account."""
    known = cloud.services.accounts.get(account)
    if not cloud.has_account(account) or (known or {}).get("disabled"):
        raise ApiError(404, f"there is no service account {account} that does anything", "notFound")
    number = cloud.count()
    token = f"ya29.m.{(known or {}).get('uniqueId', 'default')}-{number}"
    project = known["projectId"] if known else find_owner(cloud, account)
    cloud.services.tokens[token] = Token(account, known["uniqueId"] if known else "", scopes, project)
    return render_token(token)


def find_owner(cloud: Cloud, account: str) -> str:
    """The project whose machines have this account, if nothing else is said."""
    return next(each.name for each in cloud.projects if cloud.projects.default_account(each.name) == account)


def render_token(token: str) -> dict[str, Any]:
    return {"access_token": token, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"}


def refuse(error: str, description: str) -> Answer:
    return Answer({"error": error, "error_description": description}, 400)
