"""Services of Azure, asked with the machine's user-assigned identity: its secrets, and why a service gives no answer.

azure-identity is not used: it brings msal, and a token is one question to the metadata service.
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

from __future__ import annotations

import http
import json
import logging
import re
import time
from typing import Any

import requests

from daskfleet_images.node import requesting
from daskfleet_images.node.azure_metadata import ask_metadata
from daskfleet_images.node.document import AzureSecret
from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.remedies import CONNECT_SECONDS, METADATA_SECONDS, READ_SECONDS, Remedies

VAULTS = "https://vault.azure.net"
STORAGE = "https://storage.azure.com/"
"""What a token is for."""

VAULT_VERSION = "7.4"

RENEW_SECONDS = 300.0
"""How long before its end a token is replaced."""

KNOWN_LATE = "it takes minutes until that is known everywhere"

SECRET_REMEDIES = Remedies(
    {
        "SecretNotFound": "make the secret, or correct `tls.secret` and `tls.vault`",
        "SecretDisabled": "enable the secret's latest version, or add one",
        "ForbiddenByRbac": f"grant the machine's identity the role Key Vault Secrets User on it; {KNOWN_LATE}",
        "ForbiddenByFirewall": "let the machine's subnet through the vault's firewall",
        "ForbiddenByConnection": "let the machine reach the vault by its private endpoint, or allow public access",
        "AccessDenied": "let the vault's permissions be roles of Azure's, not policies of its own",
        "Unauthorized": "see whether the vault is of the same tenant as the machine's identity",
        "Throttled": "start fewer machines at once",
    },
    "give the machine the user-assigned identity that `tls.client_id` names",
    "correct `tls.vault`, or open a way to the service: a NAT gateway, or the service endpoint Microsoft.KeyVault",
    "correct `tls` in the node document",
)

METADATA_REMEDY = "let the machine reach its metadata service, http://169.254.169.254"


def read_secret(source: AzureSecret) -> str:
    """The value of the secret's latest version, tried once.

    Raises:
        NotYet: it cannot be read now.
    """
    service = Service(source.endpoint_url or source.vault, VAULTS, source.client_id, SECRET_REMEDIES)
    values = requesting.parse_values(
        service.ask("GET", f"secrets/{source.secret}", query={"api-version": VAULT_VERSION})
    )
    value = values.get("value") if isinstance(values, dict) else None
    if not isinstance(value, str):
        raise SECRET_REMEDIES.wrong_document(ValueError("what answers is no key vault"))
    return value


class Service:
    """One service at one address; it is asked once, and not waited for long."""

    def __init__(self, url: str, resource: str, client_id: str, remedies: Remedies) -> None:
        """`resource` is what the token is for, `client_id` the identity that gets it."""
        for each in ("requests", "urllib3"):
            logging.getLogger(each).setLevel(logging.WARNING)  # At debug they write down what is asked and answered.
        self._url = url.rstrip("/")
        self._remedies = remedies
        self._identity = _Identity(resource, client_id, remedies)
        self._session = requests.Session()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> requests.Response:
        """What the service answers.

        Raises:
            NotYet: it does not, or refuses; its kind is the service's word for why.
        """
        with requesting.told_as(self._remedies):
            answer = self._session.request(
                method,
                f"{self._url}/{path}",
                params=query,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                auth=self._identity,
            )
        if answer.status_code == requests.codes.unauthorized:
            self._identity.forget()
        if answer.status_code not in (requests.codes.ok, requests.codes.created):
            raise explain_answer(answer, self._remedies)
        return answer


class _Identity:
    """The machine's identity: for requests, what puts its token into a request."""

    def __init__(self, resource: str, client_id: str, remedies: Remedies) -> None:
        self._resource = resource
        self._client_id = client_id
        self._remedies = remedies
        self.forget()

    def forget(self) -> None:
        """Get a new token next time."""
        self._token, self._until = "", 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._token or time.monotonic() > self._until:
            self._token, seconds = self._read_token()
            self._until = time.monotonic() + seconds - RENEW_SECONDS
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _read_token(self) -> tuple[str, float]:
        """A token, and for how many seconds it is good."""
        query = {"api-version": "2018-02-01", "resource": self._resource, "client_id": self._client_id}
        try:
            status, text = ask_metadata("identity/oauth2/token", seconds=METADATA_SECONDS, **query)
        except OSError as error:
            raise NotYet(f"the metadata service does not answer: {error}", METADATA_REMEDY, "metadata") from None
        if status == http.HTTPStatus.BAD_REQUEST:
            raise self._remedies.no_credentials(_explain_identity(text))
        if status != http.HTTPStatus.OK:
            raise NotYet(f"the metadata service answers {status}", METADATA_REMEDY, "metadata")
        try:
            values = json.loads(text)
            return check_token(values["access_token"]), float(values["expires_in"])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise self._remedies.no_credentials("what the metadata service answers is no token") from None


def check_token(token: Any) -> str:
    """The token, if a header can hold it; a message never does.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ValueError("no token")
    return token


def _explain_identity(text: str) -> str:
    """Why the metadata service gives this machine no token."""
    try:
        values = json.loads(text)
        return f"{values['error']}: {values['error_description']}"
    except (KeyError, TypeError, ValueError, RecursionError):
        return "the metadata service answers 400"


def explain_answer(answer: requests.Response, remedies: Remedies) -> NotYet:
    """What the service refused, and what a person can do about it.

    Storage says why in a header, and in words in XML; every other service in JSON.
    """
    if code := answer.headers.get("x-ms-error-code"):
        words = re.search(r"<Message>([^<\r\n]*)", answer.text)
        return remedies.refused(code, words[1] if words else "")
    values = requesting.parse_values(answer)
    error = values.get("error") if isinstance(values, dict) else None
    if not isinstance(error, dict):
        return remedies.refused(f"HTTP {answer.status_code}", "")
    inner = error.get("innererror")
    reason = inner.get("code") if isinstance(inner, dict) else None
    known = isinstance(reason, str) and reason in remedies.answers
    code = str(reason if known else error.get("code") or f"HTTP {answer.status_code}")
    return remedies.refused(code, str(error.get("message") or ""))
