"""Resource Manager: projects, and who may do what in them."""

from __future__ import annotations

from typing import Any

from google_cloud.clock import render_time
from google_cloud.errors import ApiError, already_exists
from google_cloud.projects import NAME, Project
from google_cloud.routing import Call, Routes
from google_cloud.services.policies import POLICY, conflict, read_policy, write_policy
from google_cloud.validation import Map, judge_shape, make_fingerprint

SERVICE = "cloudresourcemanager.projects"
CREATED = {"projectId": str, "name": str, "labels": Map(str), "parent": {"type": str, "id": str}}


def register(routes: Routes) -> None:
    routes.add("POST", "/v1/projects", f"{SERVICE}.create", create, "")
    routes.add("GET", "/v1/projects/{project}", f"{SERVICE}.get", lambda call: describe(find(call)), "")
    routes.add("GET", "/v3/projects/{project}", f"{SERVICE}.get", lambda call: describe_newer(find(call)), "")
    for version in ("v1", "v3"):
        base = f"/{version}/projects/{{project}}"
        routes.add("POST", f"{base}:getIamPolicy", f"{SERVICE}.getIamPolicy", get_policy, "")
        routes.add("POST", f"{base}:setIamPolicy", f"{SERVICE}.setIamPolicy", set_policy, "")
        routes.add("POST", f"{base}:testIamPermissions", f"{SERVICE}.testIamPermissions", test_permissions, "")


def find(call: Call) -> Project:
    project = call.world.projects.find(call.project)
    if project is None:
        raise ApiError(403, "The caller does not have permission", "forbidden")
    return project


def describe(project: Project) -> dict[str, Any]:
    return {
        "projectNumber": str(project.number),
        "projectId": project.name,
        "lifecycleState": "ACTIVE",
        "name": project.name,
        "createTime": render_time(project.created),
    }


def describe_newer(project: Project) -> dict[str, Any]:
    return {
        "name": f"projects/{project.number}",
        "projectId": project.name,
        "state": "ACTIVE",
        "displayName": project.name,
        "createTime": render_time(project.created),
        "etag": f'W/"{make_fingerprint(project.number)}"',
    }


def create(call: Call) -> dict[str, Any]:
    """An operation that has ended already."""
    body = call.json()
    judge_shape(body, CREATED)
    name = body.get("projectId", "")
    if not NAME.fullmatch(name):
        raise ApiError(400, f"field [project_id] has issue [project_id contains invalid characters]: {name}")
    if call.world.projects.find(name) is not None:
        raise already_exists(f"projects/{name}")
    project = call.world.projects.add(name, call.world.now)
    return {"name": f"operations/cp.{project.number}", "done": True, "response": describe(project)}


def get_policy(call: Call) -> dict[str, Any]:
    body = call.json()
    judge_shape(body, {"options": {"requestedPolicyVersion": int}})
    version = (body.get("options") or {}).get("requestedPolicyVersion") or 1
    return read_policy(call.world.services, f"projects/{call.project}", version)


def set_policy(call: Call) -> dict[str, Any]:
    body = call.json()
    judge_shape(body, {"policy": POLICY, "updateMask": str})
    about = f"projects/{call.project}"
    return write_policy(call.world.services, about, body.get("policy"), call.world.count(), changed=conflict())


def test_permissions(call: Call) -> dict[str, Any]:
    return {"permissions": list(call.json().get("permissions") or ())}
