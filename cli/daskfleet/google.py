"""Google Cloud's services, asked over REST with google-auth's session.

Google's own clients bring protocol buffers of the same names as Pulumi's, and a process can hold only one of the two.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from daskfleet.errors import FleetError

HOW = "pip install 'daskfleet[gcp]'"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

BASES = {
    "compute": "https://compute.googleapis.com/compute/v1/",
    "secretmanager": "https://secretmanager.googleapis.com/",
    "iam": "https://iam.googleapis.com/",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com/",
    "storage": "https://storage.googleapis.com/storage/v1/",
    "logging": "https://logging.googleapis.com/",
}
"""Where the services are, unless `CLOUDSDK_API_ENDPOINT_OVERRIDES_…` says otherwise, which `gcloud` heeds, too."""

SECONDS = 150.0
"""How long an answer may take: one to `wait` comes within two minutes."""

ATTEMPTS = 6
BACKOFF_SECONDS = 0.5
RETRIED = (429, 500, 502, 503, 504)
"""Answers that say to ask again."""

OPERATION_SECONDS = 900.0
CONFLICTS = 8
"""Times that a policy is read and written again, since somebody else has changed it in between."""


class Refused(Exception):
    """A service answered with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        """Google's word for it, such as `PERMISSION_DENIED` or `resourceInUseByAnotherResource`."""

    @property
    def is_missing(self) -> bool:
        """Whether what was meant is not there."""
        return self.status == 404


class Google:
    """A project, and what is asked about it. It may be used by several threads at once."""

    def __init__(self, project: str = "") -> None:
        """Nothing is asked yet.

        Args:
            project: its id; if empty, that of the credentials, of `GOOGLE_CLOUD_PROJECT` or of gcloud's settings.
        """
        self._named = project
        self._credentials: Any = None
        self._own = ""
        self._lock = threading.Lock()
        self._sessions = threading.local()

    @property
    def project(self) -> str:
        """Its id.

        Raises:
            FleetError: nothing says which, or there are no credentials.
        """
        if self._named:
            return self._named
        self._sign_in()
        if not self._own:
            raise FleetError("nothing says which project: give it, by --project, `project:` or GOOGLE_CLOUD_PROJECT.")
        return self._own

    @property
    def identity(self) -> str:
        """Whom Google takes us for, as far as the credentials say it."""
        self._sign_in()
        known = (getattr(self._credentials, each, "") for each in ("service_account_email", "account"))
        return next((str(each) for each in known if each), "user credentials")

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> dict[str, Any]:
        """One call.

        Args:
            service: one of `BASES`.
            path: behind the service's address.

        Raises:
            Refused: with what it said.
        """
        answer = self._get_session().request(
            method, f"{find_base(service)}{path}", params=dict(query or {}), json=body, timeout=SECONDS
        )
        try:
            content: Any = answer.json()
        except ValueError:
            content = {}
        if not answer.ok:
            raise read_refusal(answer.status_code, content, answer.reason)
        return content if isinstance(content, dict) else {}

    def list(self, service: str, path: str, key: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The items of a listing, page by page; where they come by place, all of them."""
        asked = dict(query or {})
        while True:
            page = self.ask(service, "GET", path, asked)
            items = page.get(key) or ()
            if isinstance(items, Mapping):  # An aggregated list: by zone or region.
                for scope in items.values():
                    for name, several in scope.items():
                        if name != "warning":
                            yield from several
            else:
                yield from items
            if not page.get("nextPageToken"):
                return
            asked["pageToken"] = page["nextPageToken"]

    def compute(self, path: str) -> str:
        """The path of something of Compute Engine's in the project."""
        return f"projects/{self.project}/{path}"

    def await_end(self, operation: Mapping[str, Any]) -> None:
        """Wait until an operation of Compute Engine's has ended.

        Raises:
            Refused: it failed.
        """
        deadline = time.monotonic() + OPERATION_SECONDS
        while operation.get("status") != "DONE":
            if time.monotonic() > deadline:
                raise Refused(504, "TIMEOUT", f"{operation.get('operationType')} did not end")
            operation = self.ask("compute", "POST", f"{self._find_operation(operation)}/wait")
        errors = (operation.get("error") or {}).get("errors") or ()
        if errors:
            told = "; ".join(str(each.get("message") or each.get("code")) for each in errors)
            raise Refused(int(operation.get("httpErrorStatusCode") or 400), str(errors[0].get("code") or ""), told)

    def _find_operation(self, operation: Mapping[str, Any]) -> str:
        """The path of an operation, which is in the project of what it changes."""
        link = str(operation.get("selfLink") or "").partition("/projects/")[2]
        project = link.partition("/")[0] or self.project
        place = next((key for key in ("zone", "region") if operation.get(key)), "")
        scope = f"{place}s/{find_name(str(operation[place]))}" if place else "global"
        return f"projects/{project}/{scope}/operations/{operation['name']}"

    def change_policy(
        self, read: Callable[[], dict[str, Any]], write: Callable[[dict[str, Any]], Any], change: Callable[[Any], bool]
    ) -> None:
        """Read a policy of IAM's, change it, and write it unless nothing changed; again where others were faster."""
        for attempt in range(CONFLICTS):
            policy = read()
            if not change(policy):
                return
            try:
                write(policy)
            except Refused as error:
                if error.status not in (409, 412) or attempt == CONFLICTS - 1:
                    raise
                time.sleep(BACKOFF_SECONDS * 2**attempt / 4)
            else:
                return

    def sign_in(self) -> None:
        """Find the credentials, and make sure that there is a project; Google is not asked.

        Raises:
            FleetError: there are none, or nothing says which project.
        """
        self._sign_in()
        self.project  # noqa: B018 - it says what is missing

    def _sign_in(self) -> None:
        with self._lock:
            if self._credentials is not None:
                return
            try:
                import google.auth
                import google.auth.transport.requests
            except ImportError:
                raise FleetError(
                    f"Google Cloud is asked through google-auth and requests, which are not installed: {HOW}."
                ) from None
            with explain_google_errors(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Of a quota project, of which Google speaks where it is needed.
                self._credentials, own = google.auth.default(scopes=[SCOPE])
                self._own = str(own or "")

    def _get_session(self) -> Any:
        """A session of this thread's own."""
        self._sign_in()
        session = getattr(self._sessions, "session", None)
        if session is None:
            from google.auth.transport.requests import AuthorizedSession
            from requests.adapters import HTTPAdapter
            from urllib3.util.retry import Retry

            session = AuthorizedSession(self._credentials)
            retries = Retry(
                total=ATTEMPTS,
                backoff_factor=BACKOFF_SECONDS,
                status_forcelist=RETRIED,
                allowed_methods=None,
                raise_on_status=False,
            )
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=retries))
            self._sessions.session = session
        return session


def find_base(service: str) -> str:
    """Where a service is, with a slash at the end."""
    address = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}") or BASES[service]
    return f"{address.rstrip('/')}/"


def read_refusal(status: int, content: Any, otherwise: str) -> Refused:
    """What a service said that refused. Pure."""
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return Refused(status, "", str(error or otherwise or status))
    details = error.get("errors") or [{}]
    info: Mapping[str, Any] = next((each for each in error.get("details") or () if each.get("reason")), {})
    reason = str(info.get("reason") or details[0].get("reason") or error.get("status") or "")
    return Refused(status, reason, str(error.get("message") or f"{status} {otherwise}"))


def find_name(link: str) -> str:
    """The last part of a link or of a full name. Pure."""
    return link.rpartition("/")[2]


def escape(name: str) -> str:
    """A name as one part of a path. Pure."""
    return quote(name, safe="")


@contextlib.contextmanager
def explain_google_errors() -> Iterator[None]:
    """Turn what goes wrong into what a person can do about it."""
    from google.auth import exceptions

    from daskfleet.providers.stack.explain import find_kind
    from daskfleet.providers.stack.redact import redact

    try:
        yield
    except exceptions.DefaultCredentialsError as error:
        raise FleetError(
            f"there are no credentials for Google Cloud ({_first_line(error)}): `gcloud auth application-default "
            "login`, or GOOGLE_APPLICATION_CREDENTIALS."
        ) from None
    except exceptions.RefreshError as error:
        raise FleetError(
            f"Google does not take the credentials ({_first_line(error)}): `gcloud auth application-default login`."
        ) from None
    except Refused as error:
        said = redact(_first_line(error))
        found = find_kind(f"{error.reason} {said}", "gcp")
        remedy = found.remedy if found else "look at the project, and at the roles that your identity has in it"
        raise FleetError(f"Google Cloud refuses it: {said}.\n  what to do: {remedy}.") from None
    except (exceptions.TransportError, OSError) as error:  # What requests raises is an OSError, too.
        raise FleetError(f"Google Cloud cannot be asked: {redact(_first_line(error))}. Look at the network.") from None


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
