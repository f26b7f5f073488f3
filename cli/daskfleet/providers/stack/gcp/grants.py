"""What is granted to a fleet's service accounts by the policies of others: of the project, and of buckets.

A grant is a line in somebody else's policy and does not go with the account; whose it is, the account's name tells,
also when that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from daskfleet.google import Google, Refused
from daskfleet.providers.stack.cloud import Leftover

PROJECT_GRANT, BUCKET_GRANT = "grant in the project", "grant on a bucket"
POLICY_VERSION = 3
"""Of policies that may hold conditions; an older one would lose them when it is written back."""

HIDDEN = (403, 404)
"""How a bucket answers whose policy is none of this identity's business, or that has just gone."""


def list_grants(google: Google, emails: set[str], named: Collection[str] = ()) -> list[Leftover]:
    """The grants to these accounts in the project and on its buckets.

    Buckets of other projects cannot be listed.

    Args:
        named: buckets that a spec names, wherever they are: of these it must be known.
    """
    found = list(find_grants(read_project_policy(google), emails, PROJECT_GRANT, google.project))
    buckets = sorted({*named, *_list_buckets(google)})
    with ThreadPoolExecutor(max_workers=8) as pool:
        for several in pool.map(lambda bucket: _list_on_bucket(google, bucket, emails, bucket in named), buckets):
            found += several
    return found


def _list_buckets(google: Google) -> list[str]:
    try:
        return [str(each["name"]) for each in google.list("storage", "b", "items", {"project": google.project})]
    except Refused as error:
        if error.status in HIDDEN:
            return []
        raise


def _list_on_bucket(google: Google, bucket: str, emails: set[str], is_named: bool) -> list[Leftover]:
    try:
        policy = read_bucket_policy(google, bucket)
    except Refused as error:
        if error.is_missing or (error.status in HIDDEN and not is_named):
            return []
        raise
    return list(find_grants(policy, emails, BUCKET_GRANT, bucket))


def find_buckets(locations: Iterable[str]) -> dict[str, bool]:
    """The buckets of the locations, and whether one of them is below a prefix. Pure."""
    found: dict[str, bool] = {}
    for location in locations:
        bucket, _, prefix = location.removeprefix("gs://").partition("/")
        found[bucket] = found.get(bucket, False) or bool(prefix.strip("/"))
    return found


def read_project_policy(google: Google) -> dict[str, Any]:
    """Who may do what in the project."""
    body = {"options": {"requestedPolicyVersion": POLICY_VERSION}}
    return google.ask("cloudresourcemanager", "POST", f"v1/projects/{google.project}:getIamPolicy", body=body)


def read_bucket_policy(google: Google, bucket: str) -> dict[str, Any]:
    """Who may do what with a bucket."""
    return google.ask("storage", "GET", f"b/{bucket}/iam", {"optionsRequestedPolicyVersion": POLICY_VERSION})


def find_grants(policy: Mapping[str, Any], emails: set[str], kind: str, place: str) -> Iterator[Leftover]:
    """The lines of a policy that are of these accounts, each by the identifier that it has in a stack's state. Pure."""
    prefix = f"b/{place}" if kind == BUCKET_GRANT else place
    for binding in policy.get("bindings") or ():
        condition = binding.get("condition") or {}
        parts = [str(condition.get(key) or "") for key in ("title", "description", "expression")]
        for member in binding.get("members") or ():
            if find_email(member) in emails:
                identifier = "/".join([prefix, binding["role"], member, *(parts if any(parts) else ())])
                name = f"{binding['role']} of {find_email(member)}"
                details = {"place": place, "role": binding["role"], "member": member, "condition": condition}
                yield Leftover(kind, identifier, name, details=details)


def find_email(member: str) -> str:
    """The service account that a member of a policy is, also of one that is gone; empty where it is none. Pure."""
    kind, _, rest = member.removeprefix("deleted:").partition(":")
    return rest.partition("?")[0] if kind == "serviceAccount" else ""


def remove_grant(google: Google, grant: Leftover) -> None:
    """Take a line out of the policy that it is in; passed over where it is not there any more."""
    place = grant.details["place"]
    if grant.kind == BUCKET_GRANT:
        google.change_policy(
            lambda: read_bucket_policy(google, place),
            lambda policy: google.ask("storage", "PUT", f"b/{place}/iam", body=policy),
            lambda policy: take_grant(policy, grant.details),
        )
        return
    path = f"v1/projects/{place}:setIamPolicy"
    google.change_policy(
        lambda: read_project_policy(google),
        lambda policy: google.ask("cloudresourcemanager", "POST", path, body={"policy": policy}),
        lambda policy: take_grant(policy, grant.details),
    )


def take_grant(policy: dict[str, Any], grant: Mapping[str, Any]) -> bool:
    """Take a line out of a policy; returns whether it was there. Pure, but for the policy."""
    changed = False
    kept = []
    for binding in policy.get("bindings") or ():
        members = list(binding.get("members") or ())
        if binding["role"] == grant["role"] and (binding.get("condition") or {}) == grant["condition"]:
            # One whose account has gone meanwhile is called otherwise than before.
            left = [each for each in members if find_email(each) != find_email(grant["member"])]
            changed = changed or len(left) < len(members)
            members = left
        if members:
            kept.append({**binding, "members": members})
    policy["bindings"] = kept
    policy["version"] = POLICY_VERSION
    return changed
