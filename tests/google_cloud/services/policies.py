"""Policies: who has which roles of something, and under which conditions.

https://cloud.google.com/iam/docs/policies
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from google_cloud.conditions import check_condition
from google_cloud.errors import ApiError
from google_cloud.services.state import Services
from google_cloud.validation import judge_shape, make_fingerprint

MEMBER = re.compile(
    r"(?:user|group|domain|serviceAccount|deleted:\w+|principal|principalSet|projectOwner|projectEditor|projectViewer):.+"
)
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
ROLE = re.compile(r"(?:(?:projects|organizations)/[^/]+/)?roles/[A-Za-z][\w.]*")
MOST_VERSION = 3
CONDITION = {"title": str, "description": str, "expression": str, "location": str}
POLICY = {
    "version": int,
    "etag": str,
    "bindings": [{"role": str, "members": [str], "condition": CONDITION}],
    "auditConfigs": [{}],
    "kind": str,
    "resourceId": str,
}
"""What a policy may say."""


def conflict() -> ApiError:
    """Somebody else has set the policy meanwhile."""
    text = "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
    return ApiError(409, text, word="ABORTED")


def read_version(text: str | None) -> int:
    """The version of a policy that a query asks for."""
    if text not in (None, "", "0", "1", "2", "3"):
        raise ApiError(400, f"Invalid value at 'options.requestedPolicyVersion' (TYPE_INT32), {text!r}")
    return int(text or 1)


def read_policy(services: Services, about: str, version: int) -> dict[str, Any]:
    """A policy as those see it who ask for this version: earlier ones have no conditions."""
    policy = services.policies.get(about) or {}
    etag = {"etag": find_etag(policy)}
    bindings = [dict(each) for each in policy.get("bindings", ())]
    if any("condition" in each for each in bindings) and version < MOST_VERSION:
        for each in bindings:
            if condition := each.pop("condition", None):
                digest = hashlib.sha256(make_fingerprint(condition).encode()).hexdigest()[:20]
                each["role"] += f"_withcond_{digest}"
        return {"version": 1, **etag, "bindings": bindings}
    shown = MOST_VERSION if any("condition" in each for each in bindings) else 1
    return {"version": shown, **etag, **({"bindings": bindings} if bindings else {})}


def find_etag(policy: dict[str, Any]) -> str:
    """Of a policy that nobody has set it is the same always."""
    if not policy:
        return "ACAB"
    digest = hashlib.sha256(f"{policy.get('number')} {policy.get('bindings')}".encode()).digest()
    return base64.b64encode(b"\x07" + digest[:7]).decode()


def write_policy(services: Services, about: str, given: Any, number: int, *, changed: ApiError) -> dict[str, Any]:
    """Set a policy.

    Args:
        changed: what is told when somebody else has set it meanwhile.
    """
    if not isinstance(given, dict):
        raise ApiError(400, "The policy is missing.")
    judge_shape(given, POLICY, "policy")
    old = services.policies.get(about) or {}
    if given.get("etag") and given["etag"] != find_etag(old):
        raise changed
    version = int(given.get("version") or 0)
    if version not in (0, 1, MOST_VERSION):
        raise ApiError(400, f"Policy version {version} is invalid.")
    bindings = list(_check_bindings(services, given.get("bindings") or [], old))
    conditional = any("condition" in each for each in bindings)
    if conditional and version < MOST_VERSION:
        raise ApiError(400, "Specified policy version (1) is not valid: conditions need policies of version 3.")
    services.policies[about] = {"bindings": bindings, "number": number}
    return read_policy(services, about, MOST_VERSION)


def _check_bindings(services: Services, bindings: Any, old: dict[str, Any]) -> Iterator[dict[str, Any]]:
    known = {member for each in old.get("bindings", ()) for member in each["members"]}
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for each in bindings:
        role, members, condition = each.get("role", ""), each.get("members") or [], each.get("condition")
        if not ROLE.fullmatch(role) or "_withcond_" in role:
            raise ApiError(400, f"Role {role} is not supported for this resource.")
        for member in members:
            _check_member(services, member, known)
        if condition:
            check_condition(condition)
        if members:
            key = (role, str(condition or ""))
            binding = merged.setdefault(key, {"role": role, "members": []})
            binding["members"] = sorted({*binding["members"], *members})
            if condition:
                binding["condition"] = condition
    yield from merged.values()


def _check_member(services: Services, member: Any, known: set[str]) -> None:
    if not isinstance(member, str) or not (member in EVERYBODY or MEMBER.fullmatch(member)):
        raise ApiError(400, f"Invalid member: {member}: it must be of the form type:identifier.")
    kind, _, email = member.partition(":")
    is_own = kind == "serviceAccount" and email.endswith(".iam.gserviceaccount.com")
    if is_own and member not in known and email not in services.accounts:
        raise ApiError(400, f"Service account {email} does not exist.")
    if kind == "deleted" and member not in known:
        raise ApiError(400, f"Invalid member: {member}: no member is granted a role after it was deleted.")


def forget_account(services: Services, email: str, unique_id: str) -> None:
    """A service account was deleted: policies go on naming it, as deleted."""
    member = f"serviceAccount:{email}"
    for policy in services.policies.values():
        for binding in policy.get("bindings", ()):
            if member in binding["members"]:
                gone = f"deleted:{member}?uid={unique_id}"
                binding["members"] = sorted({*binding["members"], gone} - {member})


def list_roles(services: Services, about: str, email: str) -> Iterator[tuple[str, str]]:
    """The roles that a service account has of something, and the conditions, empty where there is none."""
    members = {f"serviceAccount:{email}", *EVERYBODY}
    for binding in (services.policies.get(about) or {}).get("bindings", ()):
        if members & {*binding["members"]}:
            yield binding["role"], (binding.get("condition") or {}).get("expression", "")


def drop_policy(services: Services, about: str) -> None:
    services.policies.pop(about, None)
