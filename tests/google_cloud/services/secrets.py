"""Secret Manager: secrets. Their versions are in `versions`.

https://cloud.google.com/secret-manager/docs/reference/rest
"""

from __future__ import annotations

import re
from typing import Any

from google_cloud.clock import render_time
from google_cloud.compute.catalog import REGIONS
from google_cloud.errors import ApiError
from google_cloud.filters import SECRETS, parse_filter
from google_cloud.routing import Call, Routes
from google_cloud.services import versions
from google_cloud.services.pages import list_page
from google_cloud.services.policies import POLICY, conflict, drop_policy, read_policy, read_version, write_policy
from google_cloud.services.versions import BASE, check_etag, find_secret, renew, secret_path
from google_cloud.validation import Map, check_labels, choose_mask, judge_shape

SERVICE = "secretmanager.secrets"
SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
KEY = {"kmsKeyName": str}
OUTPUTS = ("name", "createTime", "etag")
SECRET = {
    "replication": {
        "automatic": {"customerManagedEncryption": KEY},
        "userManaged": {"replicas": [{"location": str, "customerManagedEncryption": KEY}]},
    },
    "labels": Map(str),
    "annotations": Map(str),
    "topics": [{"name": str}],
    "expireTime": str,
    "ttl": str,
    "rotation": {"nextRotationTime": str, "rotationPeriod": str},
    "versionAliases": Map(str),
    "versionDestroyTtl": str,
    "customerManagedEncryption": KEY,
    "tags": Map(str),
    **dict.fromkeys(OUTPUTS, str),
}
CHANGED = ("labels", "annotations", "topics", "expireTime", "ttl", "rotation", "versionAliases", "versionDestroyTtl")


def spell(name: str) -> str:
    """`expireTime` as `expire_time`."""
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


MASKS = {spelling: name for name in CHANGED for spelling in (name, spell(name))}


def register(routes: Routes) -> None:
    one = f"{BASE}/{{secret}}"
    routes.add("POST", BASE, f"{SERVICE}.create", create, "secretId")
    routes.add("GET", BASE, f"{SERVICE}.list", list_secrets, "filter pageSize pageToken")
    routes.add("GET", one, f"{SERVICE}.get", lambda call: dict(find_secret(call)), "")
    routes.add("PATCH", one, f"{SERVICE}.patch", patch, "updateMask")
    routes.add("DELETE", one, f"{SERVICE}.delete", delete, "etag")
    routes.add("GET", f"{one}:getIamPolicy", f"{SERVICE}.getIamPolicy", get_policy, "options.requestedPolicyVersion")
    routes.add("POST", f"{one}:setIamPolicy", f"{SERVICE}.setIamPolicy", set_policy, "")
    routes.add("POST", f"{one}:testIamPermissions", f"{SERVICE}.testIamPermissions", test_permissions, "")
    versions.register(routes)


def create(call: Call) -> dict[str, Any]:
    secret_id, body = call.query.get("secretId", ""), call.json()
    if not SECRET_ID.fullmatch(secret_id):
        raise ApiError(400, f"Invalid secret ID: {secret_id!r}. It must match [a-zA-Z0-9_-]{{1,255}}.")
    judge_shape(body, SECRET, "secret")
    check_replication(body.get("replication"))
    check_labels(body.get("labels"), "secret.labels")
    path = f"projects/{call.project}/secrets/{secret_id}"
    project = call.world.projects.find(call.project)
    name = f"projects/{project.number if project else call.project}/secrets/{secret_id}"
    services = call.world.services
    if path in services.secrets:
        raise ApiError(409, f"Secret [{name}] already exists.")
    kept = {key: value for key, value in body.items() if key not in OUTPUTS and value not in (None, {}, [])}
    services.secrets[path] = {"name": name, **kept, "createTime": render_time(call.world.now)}
    services.versions[path] = []
    renew(call, services.secrets[path])
    return dict(services.secrets[path])


def check_replication(replication: dict[str, Any] | None) -> None:
    ways = list(replication or {})
    if len(ways) != 1:
        raise ApiError(400, "Replication policy is required: exactly one of automatic and userManaged.")
    if replication and ways == ["userManaged"]:
        replicas = (replication["userManaged"] or {}).get("replicas") or []
        if not replicas:
            raise ApiError(400, "A user managed replication policy needs at least one replica.")
        for replica in replicas:
            if replica.get("location") not in REGIONS:
                raise ApiError(400, f"Invalid location: {replica.get('location')}.")


def list_secrets(call: Call) -> dict[str, Any]:
    test = parse_filter(call.query.get("filter", ""), SECRETS)
    prefix = f"projects/{call.project}/secrets/"
    own = sorted(path for path in call.world.services.secrets if path.startswith(prefix))
    found = [dict(each) for path in own if test(rename(each := call.world.services.secrets[path]))]
    return {**list_page("secrets", found, call.query, "pageSize", 25000, 25000), "totalSize": len(found)}


def rename(secret: dict[str, Any]) -> dict[str, Any]:
    """A secret as filters call what it has."""
    return {**secret, "create_time": secret["createTime"]}


def patch(call: Call) -> dict[str, Any]:
    secret, body = find_secret(call), call.json()
    judge_shape(body, SECRET, "secret")
    names = choose_mask(call.query.get("updateMask", ""), MASKS)
    check_labels(body.get("labels"), "secret.labels")
    check_etag(secret, body.get("etag"))
    for name in names:
        secret.pop(name, None)
        if body.get(name) not in (None, {}, []):
            secret[name] = body[name]
    renew(call, secret)
    return dict(secret)


def delete(call: Call) -> dict[str, Any]:
    check_etag(find_secret(call), call.query.get("etag"))
    path, services = secret_path(call), call.world.services
    del services.secrets[path], services.versions[path]
    drop_policy(services, path)
    return {}


def get_policy(call: Call) -> dict[str, Any]:
    find_secret(call)
    version = read_version(call.query.get("options.requestedPolicyVersion"))
    return read_policy(call.world.services, secret_path(call), version)


def set_policy(call: Call) -> dict[str, Any]:
    find_secret(call)
    body, services = call.json(), call.world.services
    judge_shape(body, {"policy": POLICY, "updateMask": str})
    return write_policy(services, secret_path(call), body.get("policy"), call.world.count(), changed=conflict())


def test_permissions(call: Call) -> dict[str, Any]:
    find_secret(call)
    return {"permissions": list(call.json().get("permissions") or ())}
