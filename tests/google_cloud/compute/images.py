"""Images."""

from __future__ import annotations

import re

from google_cloud import models
from google_cloud.compute.collection import Body, Call, Collection, action, refer
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.store import Record
from google_cloud.errors import ApiError, invalid, not_found
from google_cloud.validation import check_name

SOURCES = {"sourceDisk": "disks", "sourceImage": "images"}
OBJECT = re.compile(r"(https://(storage\.googleapis\.com|www\.googleapis\.com/storage/v1/b)|gs:/)/.+\.tar\.gz")
IMAGE = re.compile(r"projects/(?P<project>[^/]+)/global/images/(?:(?P<is_family>family)/)?(?P<name>[^/]+)")


class Images(Collection):
    name, model, scope, word = "images", "Image", "global", "image"
    has_labels = True
    methods = frozenset({*Collection.methods, "getFromFamily"})
    is_aggregated = False
    patched = frozenset({"architecture", "description", "family"})

    def prepare(self, call: Call, body: Body) -> Body:
        given = [name for name in ("rawDisk", "sourceSnapshot", *SOURCES) if body.get(name)]
        if len(given) != 1:
            raise invalid("resource", given, "Exactly one source of the image must be specified.")
        if "family" in body:
            check_name(body["family"], "resource.family")
        if given == ["rawDisk"]:
            source = str(body["rawDisk"].get("source", ""))
            if not OBJECT.fullmatch(source):
                why = "The URL of the RAW disk image must be that of a .tar.gz in Cloud Storage."
                raise invalid("resource.rawDisk.source", source, why)
        elif given[0] in SOURCES:
            body[given[0]] = refer(call, body[given[0]], SOURCES[given[0]], f"resource.{given[0]}").link
        usual = {"architecture": "X86_64", "archiveSizeBytes": "2147483648", "diskSizeGb": "10", "sourceType": "RAW"}
        return {**usual, "storageLocations": ["eu"], **body, "status": "READY"}

    def revise(self, call: Call, record: Record, body: Body) -> Body:
        if "family" in body:
            check_name(body["family"], "resource.family")
        return body

    def get_from_family(self, call: Call) -> Body:
        found = find_newest(call.engine, call.project, call.name)
        if found is None:
            raise not_found(f"{call.base}/images/family/{call.name}")
        return found.body

    @action()
    def deprecate(self, call: Call) -> Body:
        record = self.require_ready(call)
        record.body["deprecated"] = models.drop_nulls(call.body)
        return self.begin(call, record, "deprecate")


def find_newest(engine: Engine, project: str, family: str) -> Record | None:
    """The image that a family is."""
    found = [
        each
        for each in engine.store.select("images", project)
        if each.body.get("family") == family
        and each.is_ready
        and each.body.get("deprecated", {}).get("state", "ACTIVE") == "ACTIVE"
    ]
    return max(found, key=lambda each: each.created, default=None)


def find_image(engine: Engine, reference: str, field: str) -> Record:
    """What a disk is made from: an image, or a family's newest one."""
    found = IMAGE.fullmatch(reference)
    if found is None:
        raise invalid(field, reference, "The URL is malformed.")
    path = reference
    record = (
        find_newest(engine, found["project"], found["name"]) if found["is_family"] else engine.store.find(reference)
    )
    if record is None:
        message = f"Invalid value for field '{field}': '{reference}'. The referenced image resource cannot be found."
        raise ApiError(404, message, "notFound") if not found["is_family"] else not_found(path)
    if not record.is_ready or record.is_going:
        raise ApiError(400, f"The resource '{record.path}' is not ready", "resourceNotReady")
    return record
