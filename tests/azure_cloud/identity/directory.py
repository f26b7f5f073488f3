"""Entra ID: the principals that there are, and the tokens that they have."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

PERSON = "00000000-1111-2222-3333-444444444444"
"""Object identifier of whoever tests: everybody whose token nobody has issued, and every client with a secret."""

PERSON_ROLES = ("Owner", "Key Vault Administrator", "Storage Blob Data Owner")
"""What they have in the subscription at first. An owner alone reads no secret and no blob."""

TOKEN_SECONDS = 86_400

MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
VAULT = ("https://vault.azure.net",)
STORAGE = ("https://storage.azure.com",)
"""What tokens are for, without slashes at their ends."""


@dataclass(frozen=True)
class Principal:
    """Somebody who can have roles."""

    id: str
    client_id: str
    kind: str
    """`ServicePrincipal` or `User`."""
    name: str
    created: float = 0.0


@dataclass(frozen=True)
class Token:
    """What a principal asks with."""

    principal: str
    audience: str
    """For what; empty is for anything."""
    expires: float


@dataclass
class Directory:
    """A tenant."""

    tenant: str
    subscription: str
    """Scope of its one subscription."""
    principals: dict[str, Principal] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    person_roles: tuple[str, ...] = PERSON_ROLES

    def __post_init__(self) -> None:
        self.add(Principal(PERSON, PERSON, "ServicePrincipal", "tests"))

    def add(self, principal: Principal) -> None:
        self.principals[principal.id] = principal

    def find(self, text: str) -> Principal | None:
        """By object identifier or client identifier."""
        for each in self.principals.values():
            if text.lower() in (each.id.lower(), each.client_id.lower()):
                return each
        return None

    def issue(self, principal: Principal, audience: str, now: float) -> dict[str, Any]:
        """A new token, with what is told of it."""
        audience = audience.rstrip("/")
        expires = int(now) + TOKEN_SECONDS
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": expires,
            "appid": principal.client_id,
            "oid": principal.id,
            "tid": self.tenant,
            "jti": str(uuid.uuid4()),
        }
        token = ".".join([encode({"alg": "none", "typ": "JWT"}), encode(claims), "signature"])
        self.tokens[token] = Token(principal.id, audience, expires)
        return {
            "token_type": "Bearer",
            "access_token": token,
            "expires_in": TOKEN_SECONDS,
            "expires_on": expires,
            "resource": audience,
            "client_id": principal.client_id,
        }


def encode(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
