"""Managed images: what a machine was when it was captured, and what versions in galleries are made of."""

from __future__ import annotations

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.errors import invalid
from azure_cloud.store import Record

MANAGED_IMAGE = "Microsoft.Compute/images"
SOURCES = ("blobUri", "managedDisk", "snapshot")


class Images(Kind):
    type, model, patch_model = MANAGED_IMAGE, "compute:Image", "compute:ImageUpdate"

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        disk = (asked.get("storageProfile") or {}).get("osDisk") or {}
        if not any(disk.get(name) for name in SOURCES):
            raise invalid(f"Required parameter 'storageProfile.osDisk' is missing: one of {', '.join(SOURCES)}.")
        return {**given, "properties": {"hyperVGeneration": "V1", **asked}}
