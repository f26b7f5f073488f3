"""Services of Google Cloud, asked with the machine's service account: its secrets, and why a service gives no answer.

google-auth gets the tokens, but its `AuthorizedSession` is not used: it asks a metadata service that is silent for half
a minute, and starts threads that ask a service of IAM besides.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from google.auth import exceptions
from google.auth.compute_engine import Credentials
from google.auth.transport.requests import Request

from daskfleet_images.node import requesting
from daskfleet_images.node.document import GcpSecret
from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.remedies import CONNECT_SECONDS, METADATA_SECONDS, READ_SECONDS, Remedies

DISABLED = "SERVICE_DISABLED"
SCOPES = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
"""Reasons that a service gives beside `PERMISSION_DENIED`."""

SCOPES_REMEDY = "give the machine the scope https://www.googleapis.com/auth/cloud-platform"

SECRET_REMEDIES = Remedies(
    {
        "NOT_FOUND": "make the secret and a version of it, or correct `tls.secret`",
        "PERMISSION_DENIED": "grant the machine's service account roles/secretmanager.secretAccessor on it",
        "FAILED_PRECONDITION": "enable the secret's latest version, or add one",
        "RESOURCE_EXHAUSTED": "start fewer machines at once",
        "UNAUTHENTICATED": "see whether the machine's service account is enabled",
        DISABLED: "enable secretmanager.googleapis.com in the project",
        SCOPES: SCOPES_REMEDY,
    },
    "give the machine a service account that may read the secret",
    "open a way to the service: private Google access of the subnet, or Cloud NAT",
    "correct `tls` in the node document",
)

METADATA_REMEDY = "let the machine reach its metadata service, http://metadata.google.internal (169.254.169.254)"


def read_secret(source: GcpSecret) -> str:
    """The value of the secret's latest version, tried once.

    Raises:
        NotYet: it cannot be read now.
    """
    service = Service("secretmanager", source.endpoint_url, SECRET_REMEDIES)
    answer = service.ask("GET", f"v1/{source.secret}/versions/latest:access")
    try:
        return base64.b64decode(answer["payload"]["data"], validate=True).decode()
    except (KeyError, TypeError, ValueError):
        raise NotYet("its value is no text", "store the value as text, in UTF-8") from None


class Service:
    """One service; it is asked once, and not waited for long."""

    def __init__(self, name: str, endpoint_url: str | None, remedies: Remedies) -> None:
        """`name` is that of its host; `CLOUDSDK_API_ENDPOINT_OVERRIDES_NAME` redirects it, as it does gcloud."""
        for each in ("google", "requests", "urllib3"):
            logging.getLogger(each).setLevel(logging.WARNING)  # At debug they write down what is asked and answered.
        redirected = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name.upper()}")
        self._url = (endpoint_url or redirected or f"https://{name}.googleapis.com").rstrip("/")
        self._remedies = remedies
        self._account = _Account(remedies)
        self._session = requests.Session()

    def ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """What the service answers.

        Raises:
            NotYet: it does not, or refuses.
        """
        with told_as(self._remedies):
            answer = self._session.request(
                method,
                f"{self._url}/{path}",
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                auth=self._account,
            )
        if answer.status_code == requests.codes.unauthorized:
            self._account.forget()
        values = requesting.parse_values(answer)
        if answer.status_code != requests.codes.ok:
            raise explain_answer(answer.status_code, values, self._remedies)
        if not isinstance(values, dict):
            raise self._remedies.wrong_document(ValueError("what answers is no service of Google's"))
        return values


class _Account:
    """The machine's service account: for requests, what puts its token into a request."""

    def __init__(self, remedies: Remedies) -> None:
        self._ask = _MetadataRequest(remedies)
        self.forget()

    def forget(self) -> None:
        """Get a new token next time."""
        self._credentials: Any = Credentials()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._credentials.valid:
            self._credentials.refresh(self._ask)
        self._credentials.apply(request.headers)
        return request


class _MetadataRequest(Request):
    """What google-auth asks the metadata service with: once, and past every proxy."""

    def __init__(self, remedies: Remedies) -> None:
        session = requests.Session()
        session.trust_env = False
        super().__init__(session)
        self._remedies = remedies

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Any = None,
        timeout: object = None,
        **options: Any,
    ) -> Any:
        try:
            answer = super().__call__(url, method, body, headers, METADATA_SECONDS, **options)
        except exceptions.TransportError as error:
            reason = requesting.find_reason(error.args[0] if error.args else error)
            raise NotYet(f"the metadata service does not answer: {reason}", METADATA_REMEDY, "metadata") from None
        if answer.status == requests.codes.not_found:
            raise self._remedies.no_credentials("it has no service account")
        if answer.status != requests.codes.ok:
            raise self._remedies.no_credentials(f"the metadata service answers {answer.status}")
        return answer


@contextmanager
def told_as(remedies: Remedies) -> Iterator[None]:
    """What requests and google-auth raise becomes `NotYet`, with the reason and the remedy."""
    with requesting.told_as(remedies):
        try:
            yield
        except (exceptions.GoogleAuthError, KeyError) as error:  # KeyError: a token that lacks a part.
            raise remedies.no_credentials(error) from None


def explain_answer(status: int, values: Any, remedies: Remedies) -> NotYet:
    """What the service refused, and what a person can do about it."""
    error = values.get("error") if isinstance(values, dict) else None
    if not isinstance(error, dict):
        return remedies.refused(f"HTTP {status}", "")
    details = error.get("details")
    reasons = [each.get("reason") for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    known = [reason for reason in reasons if isinstance(reason, str) and reason in remedies.answers]
    code = known[0] if known else str(error.get("status") or f"HTTP {status}")
    return remedies.refused(code, str(error.get("message") or ""))
