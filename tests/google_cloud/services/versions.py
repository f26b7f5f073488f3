"""Secret Manager: versions of secrets, and what is in them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from google_cloud.clock import render_time
from google_cloud.errors import ApiError
from google_cloud.routing import Call, Routes
from google_cloud.services.pages import list_page
from google_cloud.validation import judge_shape, make_fingerprint

BASE = "/v1/projects/{project}/secrets"
SERVICE = "secretmanager.versions"
STATES = {"enable": "ENABLED", "disable": "DISABLED", "destroy": "DESTROYED"}
MOST_BYTES = 65536
CASTAGNOLI = 0x82F63B78


def register(routes: Routes) -> None:
    one = f"{BASE}/{{secret}}"
    version = f"{one}/versions/{{version}}"
    routes.add("POST", f"{one}:addVersion", "secretmanager.secrets.addVersion", add_version, "")
    routes.add("GET", f"{one}/versions", f"{SERVICE}.list", list_versions, "pageSize pageToken")
    routes.add("GET", version, f"{SERVICE}.get", lambda call: show(find_version(call)), "")
    routes.add("GET", f"{version}:access", f"{SERVICE}.access", access_version, "")
    for verb in STATES:
        routes.add("POST", f"{version}:{verb}", f"{SERVICE}.{verb}", change_version, "")


def show(version: dict[str, Any]) -> dict[str, Any]:
    """What Google tells of it without being asked for its data."""
    return {key: value for key, value in version.items() if key != "payload"}


def secret_path(call: Call) -> str:
    return f"projects/{call.project}/secrets/{call.args['secret']}"


def find_secret(call: Call) -> dict[str, Any]:
    secret = call.world.services.secrets.get(secret_path(call))
    if secret is None:
        project = call.world.projects.find(call.project)
        name = f"projects/{project.number if project else call.project}/secrets/{call.args['secret']}"
        raise ApiError(404, f"Secret [{name}] not found.", "notFound")
    return secret


def renew(call: Call, thing: dict[str, Any]) -> None:
    thing["etag"] = f'"{make_fingerprint(call.world.count())}"'


def check_etag(thing: dict[str, Any], etag: str | None) -> None:
    if etag and etag.strip('"') != thing["etag"].strip('"'):
        raise ApiError(409, "The etag provided does not match the current one.", word="ABORTED")


def add_version(call: Call) -> dict[str, Any]:
    secret, body = find_secret(call), call.json()
    judge_shape(body, {"payload": {"data": str, "dataCrc32c": object}})
    payload = body.get("payload") or {}
    data = decode(payload.get("data") or "")
    if not data or len(data) > MOST_BYTES:
        raise ApiError(400, f"Secret Payload must have 1 to {MOST_BYTES} bytes.")
    if payload.get("dataCrc32c") not in (None, "") and str(payload["dataCrc32c"]) != str(sum_up(data)):
        raise ApiError(400, "The checksum of the payload does not match its data.")
    versions = call.world.services.versions[secret_path(call)]
    managed = secret["replication"].get("userManaged")
    replicas = [{"location": each["location"]} for each in managed["replicas"]] if managed else []
    version = {
        "name": f"{secret['name']}/versions/{len(versions) + 1}",
        "createTime": render_time(call.world.now),
        "state": "ENABLED",
        "replicationStatus": {"userManaged": {"replicas": replicas}} if managed else {"automatic": {}},
        "clientSpecifiedPayloadChecksum": "dataCrc32c" in payload,
        "payload": data,
    }
    renew(call, version)
    versions.append(version)
    return show(version)


def decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(400, "Invalid value at 'payload.data' (TYPE_BYTES), Base64 decoding failed.") from None


def sum_up(data: bytes) -> int:
    """CRC-32C."""
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = (total >> 1) ^ (CASTAGNOLI if total & 1 else 0)
    return total ^ 0xFFFFFFFF


def find_version(call: Call) -> dict[str, Any]:
    secret, wanted = find_secret(call), call.args["version"]
    versions = call.world.services.versions[secret_path(call)]
    if wanted == "latest":
        if versions:
            return versions[-1]
    elif not wanted.isdigit():
        raise ApiError(400, f"Invalid secret version: {wanted}.")
    elif 0 < int(wanted) <= len(versions):
        return versions[int(wanted) - 1]
    raise ApiError(404, f"Secret Version [{secret['name']}/versions/{wanted}] not found.", "notFound")


def list_versions(call: Call) -> dict[str, Any]:
    find_secret(call)
    newest = [show(each) for each in call.world.services.versions[secret_path(call)][::-1]]
    return {**list_page("versions", newest, call.query, "pageSize", 25000, 25000), "totalSize": len(newest)}


def access_version(call: Call) -> dict[str, Any]:
    version = find_version(call)
    if version["state"] != "ENABLED":
        text = f"Secret Version [{version['name']}] is in {version['state']} state."
        raise ApiError(400, text, word="FAILED_PRECONDITION")
    data = version["payload"]
    payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": str(sum_up(data))}
    return {"name": version["name"], "payload": payload}


def change_version(call: Call) -> dict[str, Any]:
    version, verb, body = find_version(call), call.route.id.rpartition(".")[2], call.json()
    judge_shape(body, {"etag": str})
    if version["state"] == "DESTROYED":
        text = f"Secret Version [{version['name']}] is already destroyed."
        raise ApiError(400, text, word="FAILED_PRECONDITION")
    check_etag(version, body.get("etag"))
    version["state"] = STATES[verb]
    if verb == "destroy":
        version |= {"destroyTime": render_time(call.world.now), "payload": b""}
    renew(call, version)
    return show(version)
