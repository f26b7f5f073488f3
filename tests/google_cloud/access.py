"""Who asks, and what they may do.

Machines have their service account's roles. All others may do everything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google_cloud.conditions import evaluate
from google_cloud.errors import ApiError
from google_cloud.services.policies import list_roles
from google_cloud.services.state import Services
from google_cloud.services.subjects import describe_resource, list_places

if TYPE_CHECKING:
    from google_cloud.cloud import Cloud
    from google_cloud.exchange import Request
    from google_cloud.routing import Call

SCOPE = "https://www.googleapis.com/auth/"
ALL = f"{SCOPE}cloud-platform"
SCOPES: Mapping[str, tuple[str, ...]] = {
    "logging": ("logging.write", "logging.admin", "logging.read"),
    "storage": ("devstorage.full_control", "devstorage.read_write", "devstorage.read_only"),
    "compute": ("compute", "compute.readonly"),
}
"""Beside the one for everything."""

BASIC = {"roles/owner", "roles/editor"}
READING = {"get", "list", "aggregatedList", "getFromFamily", "getSerialPortOutput", "wait"}

OBJECT_READ = {"storage.objects.get", "storage.objects.list"}
OBJECT_ALL = OBJECT_READ | {"storage.objects.create", "storage.objects.delete", "storage.objects.update"}
ROLES: Mapping[str, Collection[str]] = {
    "roles/secretmanager.secretAccessor": {"secretmanager.versions.access"},
    "roles/secretmanager.viewer": {"secretmanager.secrets.get", "secretmanager.secrets.list"},
    "roles/logging.logWriter": {"logging.logEntries.create"},
    "roles/logging.viewer": {"logging.logEntries.list", "logging.logs.list"},
    "roles/storage.objectViewer": OBJECT_READ,
    "roles/storage.objectCreator": {"storage.objects.create"},
    "roles/storage.objectUser": OBJECT_ALL,
    "roles/storage.objectAdmin": OBJECT_ALL,
    "roles/storage.admin": OBJECT_ALL | {"storage.buckets.get", "storage.buckets.list"},
    "roles/storage.legacyBucketReader": {"storage.buckets.get", "storage.objects.list"},
    "roles/compute.viewer": {"compute.read"},
    "roles/compute.admin": {"compute.read", "compute.write"},
    "roles/compute.instanceAdmin.v1": {"compute.read", "compute.write"},
}
"""What roles allow: what machines of fleets may be given, and a few more."""

PERMISSIONS: Mapping[str, str] = {
    "secretmanager.versions.access": "secretmanager.versions.access",
    "secretmanager.secrets.get": "secretmanager.secrets.get",
    "secretmanager.secrets.list": "secretmanager.secrets.list",
    "logging.logs.list": "logging.logs.list",
    "storage.buckets.get": "storage.buckets.get",
    "storage.buckets.list": "storage.buckets.list",
    "storage.objects.list": "storage.objects.list",
    "storage.objects.get": "storage.objects.get",
    "storage.objects.insert": "storage.objects.create",
    "storage.objects.delete": "storage.objects.delete",
}
"""What methods need; others are for owners and editors."""

BY_THEMSELVES = {"logging.entries.write", "logging.entries.list"}
"""Methods that say in their bodies what they are about, and look themselves."""


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    token: str
    account: str | None = None
    """Email of a machine's service account; `None` is somebody who may do everything."""
    scopes: tuple[str, ...] = ()
    project: str = ""
    """That of the account."""
    services: Services = field(default_factory=Services, repr=False, compare=False)


NOBODY = Caller("")


class Explained(ApiError):
    """A refusal with what programs read of it."""

    def __init__(self, message: str, reason: str, service: str) -> None:
        super().__init__(403, message, "forbidden")
        self.detail = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": {"service": f"{service}.googleapis.com"},
        }

    def render(self, *, is_older: bool) -> dict[str, Any]:
        rendered = super().render(is_older=is_older)
        rendered["error"]["details"] = [self.detail]
        return rendered


def find_caller(cloud: Cloud, request: Request) -> Caller:
    """Who a token says that it is.

    Raises:
        ApiError: there is no token, or it is not taken any more.
    """
    token = request.token
    if not token:
        text = "Request is missing required authentication credential."
        raise ApiError(401, f"{text} {EXPECTED}", "required")
    known = cloud.services.tokens.get(token)
    if known is None:
        return Caller(token)
    account = cloud.services.accounts.get(known.account)
    is_default = account is None and not known.unique_id and cloud.has_account(known.account)
    if not is_default and (account is None or account["uniqueId"] != known.unique_id or account.get("disabled")):
        raise ApiError(401, f"Request had invalid authentication credentials. {EXPECTED}", "authError")
    return Caller(token, known.account, known.scopes, known.project, cloud.services)


EXPECTED = "Expected OAuth 2 access token, login cookie or other valid authentication credential."


def check(call: Call) -> None:
    """Refuse a machine what its scopes or its service account's roles do not allow."""
    id_ = call.route.id
    if call.caller.account is None:
        return
    check_scopes(call.caller, id_.partition(".")[0])
    if id_ not in BY_THEMSELVES:
        resource, attributes = describe_resource(call)
        require(call.caller, id_, PERMISSIONS.get(id_, id_), list_places(call), resource, attributes)


def check_compute(caller: Caller, name: str) -> None:
    """The same for Compute Engine, for a machine in its own project."""
    if caller.account is None:
        return
    check_scopes(caller, "compute")
    is_reading = name.rpartition(".")[2] in READING
    require(caller, name, "compute.read" if is_reading else "compute.write", [f"projects/{caller.project}"])


def check_scopes(caller: Caller, service: str) -> None:
    allowed = {ALL, *(f"{SCOPE}{each}" for each in SCOPES.get(service, ()))}
    if not allowed & {*caller.scopes}:
        text = "Request had insufficient authentication scopes."
        raise Explained(text, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", service)


def require(
    caller: Caller,
    method: str,
    permission: str,
    places: Sequence[str],
    resource: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Refuse what no role of the caller's allows at any of these places.

    Args:
        resource: what conditions may look at, as `attributes`.
    """
    if caller.account is None:
        return
    for place in places:
        for role, condition in list_roles(caller.services, place, caller.account):
            allowed = role in BASIC or permission in ROLES.get(role, ())
            if allowed and (not condition or evaluate(condition, resource or {}, attributes or {})):
                return
    service, about = method.partition(".")[0], places[-1] if places else "it"
    if service == "storage":
        kind = "object" if method.startswith("storage.objects.") else "bucket"
        text = f"{caller.account} does not have {permission} access to the Google Cloud Storage {kind}."
        raise ApiError(403, f"{text} Permission '{permission}' denied on resource (or it may not exist).", "forbidden")
    if service == "compute":
        raise ApiError(403, f"Required '{method}' permission for '{about}'", "forbidden")
    text = f"Permission '{permission}' denied for resource '{about}' (or it may not exist)."
    raise Explained(text, "IAM_PERMISSION_DENIED", service)
