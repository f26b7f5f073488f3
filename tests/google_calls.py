"""Everything that is said to Google Cloud in a test: `cloud_calls` for its stand-in.

Calls are named as Google's APIs call their methods, `compute.networks.insert`; those of a region as the others, without
the word for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import cloud_calls
from cloud_calls import Call

__all__ = ["BROKEN", "THROTTLED", "Call", "CallProxy", "Refusal", "denied"]

READING = ("get", "list", "aggregatedList", "access", "wait", "token")
READING_VERBS = re.compile(r"^(get|list|test|query|fetch|search)[A-Z]")
"""What of calls changes nothing, by the last part of their names."""

COMPUTE = re.compile(
    r"^/compute/v1/projects/[^/]+(?:/(?:global|(?:regions|zones)/[^/]+|(?P<aggregated>aggregated))"
    r"/(?P<kind>\w+)(?:/(?P<name>[^/]+)(?:/(?P<verb>\w+))?)?)?$"
)
PLACE = re.compile(r"^/compute/v1/projects/[^/]+/(?P<kind>regions|zones)(?:/(?P<name>[^/]+))?$")
OF_PROJECT = re.compile(r"^/compute/v1/projects/[^/]+/(?P<verb>[a-z]+[A-Z]\w*)$")
STORAGE = re.compile(r"^/storage/v1/b(?:/[^/]+(?:/(?P<below>\w+)(?:/(?P<name>[^/]+))?)?)?$")
RESOURCE = re.compile(r"^/v[12]/(?:projects/[^/:]+/)?(?P<path>[^:]+?)(?::(?P<verb>\w+))?$")
PROJECT = re.compile(r"^/v[13]/projects/(?P<name>[^/:]+)(?::(?P<verb>\w+))?$")

METHODS = {"GET": "get", "POST": "insert", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
SERVICES = {
    "secrets": "secretmanager",
    "serviceAccounts": "iam",
    "roles": "iam",
    "entries": "logging",
    "logs": "logging",
}


@dataclass(frozen=True)
class Refusal:
    """An answer of Google's in place of its stand-in's."""

    code: str
    """`PERMISSION_DENIED`."""
    message: str
    status: int = 400
    reason: str = ""
    """`rateLimitExceeded`, as the older services have it beside."""

    def render(self, call: Call) -> tuple[str, bytes]:
        reason = self.reason or self.code
        error = {
            "code": self.status,
            "message": self.message,
            "status": self.code,
            "errors": [{"message": self.message, "domain": "global", "reason": reason}],
        }
        return "application/json; charset=UTF-8", json.dumps({"error": error}).encode()


THROTTLED = Refusal("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Queries'", 429, "rateLimitExceeded")
BROKEN = Refusal("UNAVAILABLE", "The service is currently unavailable.", 503, "backendError")


def denied(call: Call) -> Refusal:
    """The caller has no role that allows the call."""
    return Refusal("PERMISSION_DENIED", f"Required '{call.name}' permission for 'projects/lab'", 403, "forbidden")


class CallProxy(cloud_calls.CallProxy):
    """A server on the loopback interface that passes calls on to the stand-in of Google Cloud and writes them down."""

    def read_call(self, number: int, method: str, headers: Mapping[str, str], path: str, body: bytes) -> Call:
        service, action = read_action(method, urlsplit(path).path)
        caller = headers.get("Authorization", "").removeprefix("Bearer ")
        return Call(
            number,
            service,
            action,
            name=f"{service}.{action}",
            changes=method not in ("GET", "HEAD") and not is_reading(action),
            caller=caller,
            arguments=_parse(body),
        )


def is_reading(action: str) -> bool:
    verb = action.rpartition(".")[2]
    return verb in READING or READING_VERBS.match(verb) is not None


def read_action(method: str, path: str) -> tuple[str, str]:
    """The service and the name of a call, `compute` and `networks.insert`."""
    if (found := COMPUTE.match(path) or PLACE.match(path)) is not None:
        parts = found.groupdict()
        kind, name, verb = parts["kind"] or "projects", parts["name"], parts.get("verb")
        if parts.get("aggregated"):
            verb = "aggregatedList"
        if verb is None:
            verb = "list" if method == "GET" and name is None and parts["kind"] else METHODS[method]
        return "compute", f"{kind}.{verb}"
    if (found := OF_PROJECT.match(path)) is not None:
        return "compute", f"projects.{found['verb']}"
    if (found := STORAGE.match(path)) is not None:
        if found["below"] == "iam":
            return "storage", "buckets.getIamPolicy" if method == "GET" else "buckets.setIamPolicy"
        kind = "objects" if found["below"] == "o" else "buckets"
        is_list = method == "GET" and found["name"] is None and (kind == "objects" or path.endswith("/b"))
        return "storage", f"{kind}.{'list' if is_list else METHODS[method]}"
    if path in ("/token", "/oauth2/token"):
        return "oauth2", "token"
    if (found := PROJECT.match(path)) is not None:
        return "cloudresourcemanager", f"projects.{found['verb'] or METHODS[method]}"
    if (found := RESOURCE.match(path)) is not None:
        names = [unquote(each) for each in found["path"].split("/")]
        kinds, is_one = names[::2], len(names) % 2 == 0
        methods = {**METHODS, "POST": "create", "GET": "get" if is_one else "list"}
        return SERVICES.get(kinds[0], kinds[0]), f"{kinds[-1]}.{found['verb'] or methods[method]}"
    return "unknown", f"{method} {path}"


def _parse(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
