"""Compute galleries: images as definitions, which have versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from azure_cloud.arm import Body, Call, Kind, refer
from azure_cloud.cloud import Cloud
from azure_cloud.compute.images import MANAGED_IMAGE
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.ids import parse_id
from azure_cloud.places import check_location
from azure_cloud.store import SUCCEEDED, Record

GALLERY = "Microsoft.Compute/galleries"
IMAGE = f"{GALLERY}/images"
VERSION = f"{IMAGE}/versions"
DEFAULT_GB = 30
NUMBERS = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


class GalleryKind(Kind):
    """A type of galleries: none goes before what is in it."""

    child = ""

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        if self.child:
            yield from cloud.store.select(self.child, record.id)

    def refuse_deletion(self, record: Record, users: list[Record]) -> AzureError:
        message = (
            f"Can not delete resource before nested resources are deleted: {', '.join(each.id for each in users)}."
        )
        return conflict("CannotDeleteResource", message)


class Galleries(GalleryKind):
    type, model, patch_model, child = GALLERY, "compute:Gallery", "compute:GalleryUpdate", IMAGE
    name_pattern = r"[A-Za-z0-9](?:[\w.]{0,78}[A-Za-z0-9])?"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        identifier = {"uniqueName": f"{call.subscription}-{call.id.name.upper()}"}
        return {**given, "properties": {**(given.get("properties") or {}), "identifier": identifier}}


class GalleryImages(GalleryKind):
    type, model, patch_model, child = IMAGE, "compute:GalleryImage", "compute:GalleryImageUpdate", VERSION

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        if not asked:
            raise invalid("Required parameter 'properties' is missing (null).")
        if asked["osState"] != "Generalized" or asked["osType"] != "Linux":
            raise invalid("Only generalized images of Linux are supported here.", "NotSupported")
        made = {"hyperVGeneration": "V1", "architecture": "x64", **asked}
        if made["architecture"] == "Arm64" and made["hyperVGeneration"] != "V2":
            raise invalid("The architecture Arm64 needs hyperVGeneration V2.")
        fixed = ("osType", "osState", "identifier", "hyperVGeneration", "architecture")
        if old is not None and any(made[name] != old.properties[name] for name in fixed):
            message = "Changing the property of a gallery image is not allowed."
            raise conflict("PropertyChangeNotAllowed", message)
        for other in call.cloud.store.select(IMAGE, call.id.parent):
            if other is not old and other.properties["identifier"] == made["identifier"]:
                raise conflict("Conflict", f"The identifier is already that of {other.id}.")
        return {**given, "properties": made}


class GalleryImageVersions(GalleryKind):
    type, model, patch_model = VERSION, "compute:GalleryImageVersion", "compute:GalleryImageVersionUpdate"
    name_pattern = NUMBERS.pattern

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        profile = {"excludeFromLatest": False, "replicaCount": 1, **(asked.get("publishingProfile") or {})}
        regions = profile.get("targetRegions") or [{"name": given["location"]}]
        names = [check_location(each["name"], self.type) for each in regions]
        if given["location"] not in names:
            raise invalid(f"The target regions must have the location of the version, {given['location']}.")
        storage = asked.get("storageProfile") or {}
        if not storage.get("source") and not storage.get("osDiskImage"):
            raise invalid("Required parameter 'storageProfile.source' is missing (null).")
        source = parse_id((storage.get("source") or {}).get("id"))
        if source is not None and source.type.lower() == MANAGED_IMAGE.lower():
            image = refer(call, storage["source"], MANAGED_IMAGE, location=given["location"])
            size = image.properties["storageProfile"]["osDisk"].get("diskSizeGB", DEFAULT_GB)
            storage = {**storage, "osDiskImage": {"hostCaching": "None", "sizeInGB": size}}
        made = {"publishingProfile": {**profile, "targetRegions": regions}, "storageProfile": storage}
        return {**given, "properties": {**asked, **made}}

    def find_users(self, cloud: Cloud, record: Record) -> Iterator[Record]:
        """Machines keep what they were made from."""
        yield from ()


def find_image(cloud: Cloud, id_: str, location: str) -> tuple[Record, Record]:
    """The definition and the version that an image reference names: of a definition its newest version.

    Raises:
        AzureError: it is not there, or not in the location.
    """
    parsed = parse_id(id_)
    if parsed is None or parsed.type.lower() not in (IMAGE.lower(), VERSION.lower()):
        raise invalid(f"The value '{id_}' of parameter 'imageReference.id' is no image of a gallery.")
    is_version = parsed.type.lower() == VERSION.lower()
    definition = cloud.store.find(parsed.parent if is_version else id_, IMAGE)
    versions = [] if definition is None else cloud.store.select(VERSION, definition.id)
    if is_version:
        chosen = [each for each in versions if each.name == parsed.name]
    else:
        chosen = [each for each in versions if not each.properties["publishingProfile"]["excludeFromLatest"]]
    usable = [each for each in chosen if each.state == SUCCEEDED and location in list_regions(each)]
    if definition is None or not usable:
        message = (
            f"The gallery image {id_} is not available in {location} region. Please contact image owner to replicate "
            "to this region, or change your requested region."
        )
        raise AzureError(404, "GalleryImageNotFound", message)
    return definition, max(usable, key=lambda each: [int(part) for part in each.name.split(".")])


def list_regions(version: Record) -> list[str]:
    regions = version.properties["publishingProfile"]["targetRegions"]
    return [check_location(each["name"], VERSION) for each in regions]
