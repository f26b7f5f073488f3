"""Azure's services, asked over REST with azure-identity's tokens.

Azure's own clients for what is managed are many and large, and take seconds to be imported.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from daskfleet.errors import FleetError

HOW = "pip install 'daskfleet[azure]'"

MANAGER = "https://management.azure.com"
VAULTS = "https://vault.azure.net"
STORAGE = "https://storage.azure.com"
"""What tokens are for. The first is also where Azure Resource Manager is."""

SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"
VERSIONS = {
    SUBSCRIPTIONS: "2022-12-01",
    "Microsoft.Resources": "2022-09-01",
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.Compute": "2024-11-01",
    "Microsoft.Compute/disks": "2024-03-02",
    "Microsoft.Compute/galleries": "2024-03-03",
    "Microsoft.Compute/skus": "2021-07-01",
    "Microsoft.KeyVault": "2023-07-01",
    "Microsoft.ManagedIdentity": "2023-01-31",
    "Microsoft.Network": "2024-05-01",
    "Microsoft.Storage": "2023-05-01",
}
"""The version by which each type is asked for, or all types of a namespace."""

VARIABLES = ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID")
CREDENTIALS = ("ARM_TENANT_ID", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET")
"""What the engine's provider reads; azure-identity has names of its own."""

SECONDS = 150.0
"""How long an answer may take."""

ATTEMPTS = 6
BACKOFF_SECONDS = 0.5
RETRIED = (408, 429, 500, 502, 503, 504)
"""Answers that say to ask again."""

LONGEST_PAUSE_SECONDS = 60.0
"""Whoever is told to wait longer than that wants to hear it."""

OPERATION_SECONDS = 1800.0
POLL_SECONDS = 2.0
RENEW_SECONDS = 300.0
"""How long before its end a token is replaced."""

ACCEPTED, UNAUTHORIZED, NOT_FOUND = 202, 401, 404

FAILED = ("failed", "canceled", "cancelled")
"""States of operations and resources that have ended in vain."""


class Refused(Exception):
    """A service answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        """Azure's word for it, such as `AuthorizationFailed`."""

    @property
    def is_missing(self) -> bool:
        """Whether what was meant is not there."""
        return self.status == NOT_FOUND


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    """By their names, whatever their case."""
    content: bytes = field(default=b"", repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The object in it; empty where there is none."""
        try:
            found = json.loads(self.content or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Azure:
    """A subscription, and what is asked about it. It may be used by several threads at once."""

    def __init__(self, subscription: str = "") -> None:
        """Nothing is asked yet.

        Args:
            subscription: its id; if empty, that of the environment, or the one that the credentials are for.
        """
        self._named = subscription or next((os.environ[each] for each in VARIABLES if os.environ.get(each)), "")
        self._credential: Any = None
        self._session: Any = None
        self._tokens: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def subscription(self) -> str:
        """Its id.

        Raises:
            FleetError: nothing says which, or there are no credentials.
        """
        with self._lock:
            if not self._named:
                from daskfleet.providers.stack.azure.subscriptions import choose_subscription, read_default_subscription

                with explain_azure_errors():
                    self._named = choose_subscription(list(self.list("/subscriptions")), read_default_subscription())
            return self._named

    @property
    def scope(self) -> str:
        """The subscription's identifier."""
        return f"/subscriptions/{self.subscription}"

    @property
    def claims(self) -> dict[str, Any]:
        """Whom Azure takes us for, as its token says it."""
        return read_claims(self._find_token(MANAGER))

    def sign_in(self) -> None:
        """Get a token, and make sure that there is a subscription.

        Raises:
            FleetError: there are no credentials, or nothing says which subscription.
        """
        with explain_azure_errors():
            self._find_token(MANAGER)
        self.subscription  # noqa: B018 - it says what is missing

    def ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """One call of Azure Resource Manager.

        Args:
            path: an identifier, and what of it.

        Raises:
            Refused: with what it said.
        """
        return self.begin(method, path, query, body).body

    def find(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """What is there; `None` where nothing is."""
        try:
            return self.ask("GET", path, query)
        except Refused as error:
            if error.is_missing:
                return None
            raise

    def list(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The items of a listing, page by page."""
        page = self.ask("GET", path, query)
        while True:
            yield from page.get("value") or ()
            if not page.get("nextLink"):
                return
            page = self.send("GET", str(page["nextLink"]), MANAGER).body

    def begin(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A call that may take its time; what it answers at once."""
        asked = {"api-version": find_version(path), **(query or {})}
        return self.send(method, f"{MANAGER}{path}?{urlencode(asked)}", MANAGER, body=body, headers=headers)

    def await_end(self, answer: Answer) -> None:
        """Wait until what a call has begun has ended.

        Raises:
            Refused: it failed.
        """
        status = answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Operation-Location")
        place = answer.headers.get("Location")
        deadline = time.monotonic() + OPERATION_SECONDS
        if not status and not (place and answer.status == ACCEPTED):
            return
        while True:
            if time.monotonic() > deadline:
                raise Refused(504, "Timeout", "an operation did not end")
            time.sleep(find_pause(answer.headers, POLL_SECONDS))
            answer = self.send("GET", str(status or place), MANAGER)
            if is_over(answer, by_status=bool(status)):
                return

    def change(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> None:
        """A call, to its end: what it made is there, or gone.

        Raises:
            Refused: at once, or by how what it began has ended.
        """
        answer = self.begin(method, path, query, body)
        self.await_end(answer)
        if method != "PUT":
            return
        # Not every type tells of an operation; all of them tell how far they are.
        deadline = time.monotonic() + OPERATION_SECONDS
        while not is_provisioned(answer):
            if time.monotonic() > deadline:
                raise Refused(504, "Timeout", f"{path} is not provisioned")
            time.sleep(find_pause(answer.headers, POLL_SECONDS))
            answer = self.begin("GET", path, query)

    def send(
        self,
        method: str,
        url: str,
        audience: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request to any service, again while what it is refused with passes.

        Args:
            audience: what the token is for that it is asked with; empty is without one.

        Raises:
            Refused: with what the service said.
        """
        is_renewed = False
        for attempt in range(ATTEMPTS):
            pause = BACKOFF_SECONDS * 2**attempt
            try:
                answer = self._try(method, url, audience, body, headers)
            except OSError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(pause)
                continue
            if answer.status == UNAUTHORIZED and audience and not is_renewed:
                is_renewed = True
                with self._lock:
                    self._tokens.pop(audience, None)
                continue
            pause = find_pause(answer.headers, pause)
            if answer.status not in RETRIED or attempt == ATTEMPTS - 1 or pause > LONGEST_PAUSE_SECONDS:
                break
            time.sleep(pause)
        if answer.status >= 400:
            raise read_refusal(answer)
        return answer

    def _try(self, method: str, url: str, audience: str, body: Any, headers: Mapping[str, str] | None) -> Answer:
        self._sign_in()
        token = self._find_token(audience) if audience else ""

        def sign(request: Any) -> Any:  # Otherwise requests looks for a password in ~/.netrc.
            if token:
                request.headers["Authorization"] = f"Bearer {token}"
            return request

        answer = self._session.request(
            method, url, json=body, headers=dict(headers or {}), timeout=SECONDS, auth=sign, allow_redirects=False
        )
        return Answer(answer.status_code, answer.headers, answer.content)

    def _find_token(self, audience: str) -> str:
        """A token for a service; the command line of Azure's takes a second for one, so it is kept."""
        self._sign_in()
        with self._lock:
            known = self._tokens.get(audience)
            if known is None or known.expires_on < time.time() + RENEW_SECONDS:
                known = self._tokens[audience] = self._credential.get_token(f"{audience}/.default")
            return str(known.token)

    def _sign_in(self) -> None:
        with self._lock:
            if self._credential is not None:
                return
            require_library()
            from daskfleet.providers.stack.azure.sessions import open_credential, open_session

            self._session = open_session()
            self._credential = open_credential(self._session, [os.environ.get(each, "") for each in CREDENTIALS])


def find_version(path: str) -> str:
    """The version by which an identifier is asked for. Pure."""
    _, is_below, rest = path.partition("?")[0].rpartition("/providers/")
    namespace, _, below = rest.partition("/")
    if not is_below:
        is_resource = "/resourcegroups/" in f"{path.lower()}/" or path.lower().endswith(
            ("/resources", "/resourcegroups")
        )
        return VERSIONS["Microsoft.Resources" if is_resource else SUBSCRIPTIONS]
    if not below or below == "register":
        return VERSIONS["Microsoft.Resources"]
    kind = f"{namespace}/{below.partition('/')[0]}".lower()
    known = {name.lower(): version for name, version in VERSIONS.items()}
    return known.get(kind) or known[namespace.lower()]


def find_pause(headers: Mapping[str, str], otherwise: float) -> float:
    """How many seconds an answer says to wait. Pure."""
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return otherwise


def is_over(answer: Answer, *, by_status: bool) -> bool:
    """Whether an operation has ended. Pure.

    Args:
        by_status: whether the answer tells how it goes; otherwise it is what comes of it.

    Raises:
        Refused: it failed.
    """
    if not by_status:
        return answer.status != ACCEPTED
    body = answer.body
    state = str(body.get("status") or "").lower()
    if state in FAILED:
        error = body.get("error") or {}
        raise Refused(400, str(error.get("code") or state), describe_error(error) or f"an operation was {state}")
    return state == "succeeded"


def is_provisioned(answer: Answer) -> bool:
    """Whether the resource in an answer is there. Pure.

    Raises:
        Refused: it never will be.
    """
    state = str((answer.body.get("properties") or {}).get("provisioningState") or "Succeeded")
    if state.lower() in FAILED:
        raise Refused(409, state, f"{answer.body.get('id')} is {state}")
    return state == "Succeeded"


def read_refusal(answer: Answer) -> Refused:
    """What a service said that refused; storage says it in XML, and its word in a header. Pure."""
    error = answer.body.get("error")
    if isinstance(error, dict):
        inner = (error.get("innererror") or {}).get("code")
        return Refused(answer.status, str(inner or error.get("code") or ""), describe_error(error))
    code = str(answer.headers.get("x-ms-error-code") or error or "")
    text = answer.content.decode(errors="replace")
    said = text.partition("<Message>")[2].partition("</Message>")[0].strip()
    return Refused(answer.status, code, said.splitlines()[0] if said else code or f"HTTP {answer.status}")


def describe_error(error: Mapping[str, Any]) -> str:
    """`AllocationFailed: We do not have …`, and what is told within. Pure."""
    told = ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))
    within = [describe_error(each) for each in error.get("details") or () if isinstance(each, Mapping)]
    return " ".join(filter(None, [told, *(each for each in within if each not in told)]))


def read_claims(token: str) -> dict[str, Any]:
    """What a token says of whom it is for; nothing where it is none of Azure's. Pure."""
    parts = token.split(".")
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def find_host(url: str) -> str:
    """The service that an address is of. Pure."""
    return urlsplit(url).netloc


def require_library() -> None:
    """Make sure that Azure can be asked.

    Raises:
        FleetError: a library is not installed.
    """
    try:
        import azure.identity  # noqa: F401
        import requests  # noqa: F401
    except ImportError:
        raise FleetError(
            f"Azure is asked through azure-identity and requests, which are not installed: {HOW}."
        ) from None


@contextlib.contextmanager
def explain_azure_errors() -> Iterator[None]:
    """Turn what goes wrong into what a person can do about it."""
    require_library()
    from azure.core import exceptions

    from daskfleet.providers.stack.explain import find_kind
    from daskfleet.providers.stack.redact import redact

    try:
        yield
    except exceptions.ClientAuthenticationError as error:
        # azure-identity says that somebody is unknown also where nobody could be asked.
        if isinstance(error.__cause__, (OSError, exceptions.ServiceRequestError, exceptions.ServiceResponseError)):
            raise _tell_silence(error.__cause__) from None
        raise FleetError(
            f"Azure does not know who you are ({redact(_first_line(error.message))}): `az login`, or ARM_CLIENT_ID, "
            "ARM_CLIENT_SECRET and ARM_TENANT_ID."
        ) from None
    except Refused as error:
        said = redact(_first_line(error))
        found = find_kind(f"{error.code} {said}", "azure")
        remedy = found.remedy if found is not None else "look at the subscription, and at the roles that you have in it"
        raise FleetError(f"Azure refuses it: {said}.\n  what to do: {remedy}.") from None
    except (exceptions.AzureError, OSError) as error:  # What requests raises is an OSError, too.
        raise _tell_silence(error) from None


def _tell_silence(error: Exception) -> FleetError:
    from daskfleet.providers.stack.redact import redact

    return FleetError(f"Azure cannot be asked: {redact(_first_line(error))}. Look at the network.")


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
