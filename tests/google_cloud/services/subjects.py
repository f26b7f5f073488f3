"""What requests are about, as roles and their conditions see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google_cloud.services.uploads import find_name

if TYPE_CHECKING:
    from google_cloud.routing import Call

STORAGE = "storage.googleapis.com"


def list_places(call: Call) -> list[str]:
    """What a request is about, and what that is in: a role of any of them counts."""
    args = call.args
    if "bucket" in args:
        bucket = call.world.services.buckets.get(args["bucket"])
        return [*([f"projects/{bucket['project']}"] if bucket else []), f"b/{args['bucket']}"]
    if call.route.id.startswith("storage."):
        return [f"projects/{call.query.get('project', '')}"]
    places = [f"projects/{args['project']}"] if "project" in args else []
    if "secret" in args:
        places.append(f"projects/{args['project']}/secrets/{args['secret']}")
    return places


def describe_resource(call: Call) -> tuple[dict[str, str], dict[str, str]]:
    """What conditions may look at: the resource, and attributes of the request."""
    if "bucket" not in call.args:
        return {}, {}
    name, kind = f"projects/_/buckets/{call.args['bucket']}", f"{STORAGE}/Bucket"
    attributes = {}
    if object_name := find_object(call):
        name, kind = f"{name}/objects/{object_name}", f"{STORAGE}/Object"
    elif call.route.id == "storage.objects.list":
        attributes[f"{STORAGE}/objectListPrefix"] = call.query.get("prefix", "")
    return {"name": name, "type": kind, "service": STORAGE}, attributes


def find_object(call: Call) -> str:
    """The name of the object that a request is about, if it is about one."""
    return find_name(call) if call.route.id == "storage.objects.insert" else call.args.get("object", "")
