"""Who asks Azure, as the real provider finds it: a service principal, a machine's identity, or whoever `az` knows."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stand_ins.core.errors import Refused

MARGIN = 60.0
"""How long before its end a token is renewed, in seconds."""
MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"


@dataclass(kw_only=True)
class Identity:
    """Whoever the provider is."""

    session: Any
    authority: str
    """Where tokens for service principals come from."""
    tenant: str = ""
    client: str = ""
    secret: str = field(default="", repr=False)
    machine: str = ""
    """Where tokens of this machine's own identity come from, if it is the one."""
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token(self, audience: str) -> str:
        """A token for `audience`, `https://management.azure.com`."""
        with self._lock:
            token, until = self._tokens.get(audience, ("", 0.0))
            if until < time.time() + MARGIN:
                answer = self._ask(audience)
                token = str(answer.get("access_token") or answer["accessToken"])
                seconds = float(answer.get("expires_in") or 300)
                self._tokens[audience] = token, time.time() + seconds
            return token

    def _ask(self, audience: str) -> dict[str, Any]:
        if self.machine:
            query = {"resource": audience, "api-version": "2018-02-01"}
            if self.client:
                query["client_id"] = self.client
            return self._parse(self.session.get(self.machine, params=query, headers={"Metadata": "true"}, timeout=30))
        if self.secret:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.client,
                "client_secret": self.secret,
                "scope": f"{audience}/.default",
            }
            return self._parse(
                self.session.post(f"{self.authority}/{self.tenant}/oauth2/v2.0/token", data=form, timeout=30)
            )
        return ask_command_line(audience, self.tenant)

    def _parse(self, response: Any) -> dict[str, Any]:
        if response.status_code >= 400:
            raise Refused(f"could not acquire access token: {response.status_code} {response.text[:500]}")
        return dict(response.json())


def ask_command_line(audience: str, tenant: str) -> dict[str, Any]:
    """What Azure's command line tool knows."""
    command = ["az", "account", "get-access-token", "--output", "json", "--resource", audience]
    try:
        done = subprocess.run(
            command + (["--tenant", tenant] if tenant else []), capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        raise Refused(
            "no credentials: neither a client's secret nor a machine's identity is configured, and `az` is not there"
        ) from None
    if done.returncode:
        raise Refused(f"Azure CLI: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


def find_identity(config: Mapping[str, Any], session: Any, authority: str) -> Identity:
    """By the provider's own properties and the environment's variables for them."""

    def say(name: str, variable: str) -> str:
        return str(config.get(name) or os.environ.get(variable) or "")

    own = say("useMsi", "ARM_USE_MSI").lower() == "true"
    return Identity(
        session=session,
        authority=authority,
        tenant=say("tenantId", "ARM_TENANT_ID"),
        client=say("clientId", "ARM_CLIENT_ID"),
        secret="" if own else say("clientSecret", "ARM_CLIENT_SECRET"),
        machine=(say("msiEndpoint", "ARM_MSI_ENDPOINT") or MACHINE) if own else "",
    )


def read_claims(token: str) -> dict[str, Any]:
    """What a token says of whom it is for."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return dict(json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))))
    except (ValueError, binascii.Error):
        return {}
