"""Cloud Storage: objects."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from google_cloud.clock import render_time
from google_cloud.errors import ApiError, condition_not_met
from google_cloud.exchange import Answer
from google_cloud.routing import Call, Routes
from google_cloud.services.buckets import NOT_MET
from google_cloud.services.buckets import find as find_bucket
from google_cloud.services.pages import list_page
from google_cloud.services.uploads import find_name, read_upload
from google_cloud.validation import make_fingerprint

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
LISTED = "prefix delimiter maxResults pageToken projection"


def register(routes: Routes) -> None:
    base = "/storage/v1/b/{bucket}/o"
    routes.add("GET", base, "storage.objects.list", list_objects, LISTED)
    for path in (f"{base}/{{object*}}", "/download/storage/v1/b/{bucket}/o/{object*}"):
        routes.add("GET", path, "storage.objects.get", get, "projection generation")
    routes.add("DELETE", f"{base}/{{object*}}", "storage.objects.delete", delete, "generation")
    routes.add("POST", f"/upload{base}", "storage.objects.insert", insert, "name ifGenerationMatch projection")


def show(thing: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in thing.items() if key != "content"}


def insert(call: Call) -> dict[str, Any]:
    bucket, name, upload = find_bucket(call)["name"], find_name(call), read_upload(call)
    objects = call.world.services.objects[bucket]
    wanted = call.query.get("ifGenerationMatch")
    if wanted is not None and wanted != objects.get(name, {}).get("generation", "0"):
        raise condition_not_met(NOT_MET)
    now, generation = render_time(call.world.now), str(1_700_000_000_000_000 + call.world.count())
    told = ("metadata", "cacheControl", "contentEncoding")
    objects[name] = {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{bucket}/o/{name}",
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": upload.kind,
        "storageClass": "STANDARD",
        "size": str(len(upload.content)),
        "md5Hash": base64.b64encode(hashlib.md5(upload.content, usedforsecurity=False).digest()).decode(),
        "etag": make_fingerprint(generation),
        "timeCreated": now,
        "updated": now,
        **{key: upload.told[key] for key in told if upload.told.get(key)},
        "content": upload.content,
    }
    return show(objects[name])


def find(call: Call) -> dict[str, Any]:
    bucket, name = find_bucket(call)["name"], call.args["object"]
    found = call.world.services.objects[bucket].get(name)
    if found is None or call.query.get("generation") not in (None, found["generation"]):
        raise ApiError(404, f"No such object: {bucket}/{name}", "notFound")
    return found


def get(call: Call) -> dict[str, Any] | Answer:
    found = find(call)
    if call.query.get("alt") != "media":
        return show(found)
    kind, content = found["contentType"], found["content"]
    headers = {"ETag": found["etag"], "X-Goog-Generation": found["generation"]}
    asked = RANGE.fullmatch(call.request.headers.get("range", ""))
    if asked is None or asked.groups() == ("", ""):
        return Answer(content, 200, kind, headers)
    start = int(asked[1]) if asked[1] else max(0, len(content) - int(asked[2]))
    end = min(len(content), int(asked[2]) + 1) if asked[1] and asked[2] else len(content)
    if start >= len(content):
        return Answer(b"", 416, kind, {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Answer(content[start:end], 206, kind, headers)


def delete(call: Call) -> Answer:
    found = find(call)
    del call.world.services.objects[found["bucket"]][found["name"]]
    return Answer(b"", 204)


def list_objects(call: Call) -> dict[str, Any]:
    bucket, query = find_bucket(call)["name"], call.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    found: dict[str, Any] = {}
    for name, each in sorted(call.world.services.objects[bucket].items()):
        below = name.removeprefix(prefix)
        if name.startswith(prefix) and delimiter and delimiter in below:
            folder = prefix + below.partition(delimiter)[0] + delimiter
            found[folder] = folder
        elif name.startswith(prefix):
            found[name] = show(each)
    page = list_page("found", list(found.values()), query, "maxResults", 1000, 1000)
    items = page.pop("found", [])
    prefixes = [each for each in items if isinstance(each, str)]
    things = [each for each in items if not isinstance(each, str)]
    return {
        "kind": "storage#objects",
        **({"prefixes": prefixes} if prefixes else {}),
        **({"items": things} if things else {}),
        **page,
    }
