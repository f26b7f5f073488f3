"""Cloud Storage: buckets.

https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import re
from typing import Any

from google_cloud.clock import render_time
from google_cloud.errors import ApiError, condition_not_met
from google_cloud.exchange import Answer
from google_cloud.routing import Call, Routes
from google_cloud.services.pages import list_page
from google_cloud.services.policies import drop_policy, read_policy, read_version, write_policy
from google_cloud.validation import Map, check_labels, judge_shape, make_fingerprint

BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
BASE = "/storage/v1/b"
SHAPE = {
    **dict.fromkeys(("name", "location", "storageClass", "kind", "locationType"), str),
    "labels": Map(str),
    **{
        name: {}
        for name in ("iamConfiguration", "versioning", "lifecycle", "softDeletePolicy", "hierarchicalNamespace")
    },
}
NOT_MET = "At least one of the pre-conditions you specified did not hold."


def register(routes: Routes) -> None:
    one = f"{BASE}/{{bucket}}"
    made = "project projection predefinedAcl predefinedDefaultObjectAcl"
    routes.add("POST", BASE, "storage.buckets.insert", insert, made)
    routes.add("GET", BASE, "storage.buckets.list", list_buckets, "project projection prefix maxResults pageToken")
    routes.add("GET", one, "storage.buckets.get", lambda call: show(find(call)), "projection ifMetagenerationMatch")
    routes.add("DELETE", one, "storage.buckets.delete", delete, "ifMetagenerationMatch")
    routes.add("GET", f"{one}/iam", "storage.buckets.getIamPolicy", get_policy, "optionsRequestedPolicyVersion")
    routes.add("PUT", f"{one}/iam", "storage.buckets.setIamPolicy", set_policy, "")
    path = f"{one}/iam/testPermissions"
    routes.add("GET", path, "storage.buckets.testIamPermissions", test_permissions, "permissions")


def insert(call: Call) -> dict[str, Any]:
    body, project = call.json(), find_project(call)
    judge_shape(body, SHAPE)
    name = body.get("name", "")
    if not BUCKET.fullmatch(name) or name.startswith("goog"):
        raise ApiError(400, f"Invalid bucket name: '{name}'", "invalid")
    check_labels(body.get("labels"), "labels")
    buckets = call.world.services.buckets
    if name in buckets:
        text = "Your previous request to create the named bucket succeeded and you already own it."
        raise ApiError(409, text, "conflict")
    now = render_time(call.world.now)
    buckets[name] = {
        "storageClass": "STANDARD",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "inherited"},
        **{key: value for key, value in body.items() if value is not None},
        "location": (body.get("location") or "US").upper(),
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
        "projectNumber": str(call.world.projects.find(project).number),
        "project": project,
        "metageneration": "1",
        "timeCreated": now,
        "updated": now,
        "etag": make_fingerprint([name, now]),
    }
    call.world.services.objects[name] = {}
    return show(buckets[name])


def find_project(call: Call) -> str:
    """The project that the query names, by its name."""
    text = call.query.get("project", "")
    if not text:
        raise ApiError(400, "Required parameter: project", "required")
    project = call.world.projects.find(text)
    if project is None:
        raise ApiError(400, f"Unknown project id: {text}", "invalid")
    return project.name


def show(bucket: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in bucket.items() if key != "project"}


def find(call: Call) -> dict[str, Any]:
    bucket = call.world.services.buckets.get(call.args["bucket"])
    if bucket is None:
        raise ApiError(404, "The specified bucket does not exist.", "notFound")
    wanted = call.query.get("ifMetagenerationMatch")
    if wanted not in (None, bucket["metageneration"]):
        raise condition_not_met(NOT_MET)
    return bucket


def list_buckets(call: Call) -> dict[str, Any]:
    project, prefix = find_project(call), call.query.get("prefix", "")
    known = sorted(call.world.services.buckets.items())
    own = [show(each) for name, each in known if each["project"] == project and name.startswith(prefix)]
    return {"kind": "storage#buckets", **list_page("items", own, call.query, "maxResults", 1000, 1000)}


def delete(call: Call) -> Answer:
    name, services = find(call)["name"], call.world.services
    if services.objects[name]:
        raise ApiError(409, "The bucket you tried to delete is not empty.", "conflict")
    del services.buckets[name], services.objects[name]
    drop_policy(services, f"b/{name}")
    return Answer(b"", 204)


def get_policy(call: Call) -> dict[str, Any]:
    name, version = find(call)["name"], read_version(call.query.get("optionsRequestedPolicyVersion"))
    return render_policy(name, read_policy(call.world.services, f"b/{name}", version))


def set_policy(call: Call) -> dict[str, Any]:
    name, services, changed = find(call)["name"], call.world.services, condition_not_met(NOT_MET)
    return render_policy(name, write_policy(services, f"b/{name}", call.json(), call.world.count(), changed=changed))


def render_policy(name: str, policy: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{name}", **policy}


def test_permissions(call: Call) -> dict[str, Any]:
    find(call)
    permissions = call.request.lists.get("permissions", [])
    return {"kind": "storage#testIamPermissionsResponse", "permissions": permissions}
