"""Disks."""

from __future__ import annotations

from collections.abc import Iterator

from google_cloud.compute import catalog
from google_cloud.compute.collection import Body, Call, Collection, action
from google_cloud.compute.engine_type import Engine
from google_cloud.compute.images import find_image
from google_cloud.compute.store import BASE, Record, shorten
from google_cloud.errors import in_use, invalid, not_found
from google_cloud.validation import check_range

MOST_GB = 65536
LEAST_GB = 10


class Disks(Collection):
    """Disks of a zone."""

    name, model, scope, word = "disks", "Disk", "zones", "disk"
    has_labels = True

    def prepare(self, call: Call, body: Body) -> Body:
        return describe_disk(call.engine, call.project, call.place.partition("/")[2], body, "resource")

    def render(self, engine: Engine, record: Record) -> Body:
        users = [each.link for each in list_users(engine, record)]
        return {**record.body, "users": users} if users else record.body

    def check_deletion(self, call: Call, record: Record) -> None:
        for each in list_users(call.engine, record):
            raise in_use(self.word, record.path, each.path)

    def inserted(self, engine: Engine, record: Record) -> None:
        record.body["status"] = "READY"

    @action()
    def resize(self, call: Call) -> Body:
        record = self.require_ready(call)
        size = int(call.body.get("sizeGb") or 0)
        if not int(record.body["sizeGb"]) < size <= MOST_GB:
            raise invalid("sizeGb", size, f"It must be larger than the present size {record.body['sizeGb']}.")
        record.body["sizeGb"] = str(size)
        for instance in list_users(call.engine, record):
            for disk in instance.body["disks"]:
                if shorten(disk["source"]) == record.path:
                    disk["diskSizeGb"] = str(size)
        return self.begin(call, record, "resizeDisk")


def describe_disk(engine: Engine, project: str, zone: str, asked: Body, field: str) -> Body:
    """A disk as it will be.

    Args:
        asked: as a `Disk`.
    """
    kind = asked.get("type") or f"projects/{project}/zones/{zone}/diskTypes/pd-standard"
    name = check_disk_type(kind, project, zone, f"{field}.type")
    disk = {key: value for key, value in asked.items() if key != "name"}
    least = LEAST_GB
    if reference := asked.get("sourceImage"):
        path = shorten(reference)
        path = f"projects/{project}/{path}" if path.startswith("global/") else path
        image = find_image(engine, path, f"{field}.sourceImage")
        least = int(image.body["diskSizeGb"])
        disk |= {"sourceImage": image.link, "sourceImageId": image.body["id"]}
        disk["architecture"] = image.body["architecture"]
        if "guestOsFeatures" in image.body:
            disk["guestOsFeatures"] = image.body["guestOsFeatures"]
    size = int(asked.get("sizeGb") or least)
    if size < least:
        why = f"Requested disk size cannot be smaller than the image size ({least} GB)."
        raise invalid(f"{field}.sizeGb", size, why)
    check_range(size, 1, MOST_GB, f"{field}.sizeGb")
    return {
        **disk,
        "sizeGb": str(size),
        "status": "CREATING",
        "type": f"{BASE}projects/{project}/zones/{zone}/diskTypes/{name}",
        "physicalBlockSizeBytes": "4096",
    }


def check_disk_type(reference: str, project: str, zone: str, field: str) -> str:
    """The name of a disk type that a request names by its link."""
    path = shorten(reference)
    if path.startswith("zones/"):
        path = f"projects/{project}/{path}"
    place, _, name = path.rpartition("/diskTypes/")
    if not place:
        raise invalid(field, reference, "The URL is malformed.")
    if not place.endswith(f"/zones/{zone}") or name not in catalog.DISK_TYPES:
        raise not_found(path)
    return name


def list_users(engine: Engine, disk: Record) -> Iterator[Record]:
    for instance in engine.store.select("instances", disk.project, disk.place):
        if any(shorten(each.get("source", "")) == disk.path for each in instance.body["disks"]):
            yield instance
