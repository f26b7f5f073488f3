"""Containers of storage accounts, as Resource Manager makes them."""

from __future__ import annotations

import re

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, not_found
from azure_cloud.storage.accounts import CONTAINER, TYPE
from azure_cloud.store import Record

NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")
SERVICE = f"{TYPE}/blobServices"


class BlobServices(Kind):
    """The one service for blobs that each account has; it cannot be changed here."""

    type, model = SERVICE, ""
    is_tracked = False
    methods = frozenset({"GET"})

    def get(self, call: Call) -> Body:
        account = call.cloud.store.find(call.id.parent, TYPE)
        if account is None or call.id.name != "default":
            raise not_found(TYPE, call.id.names[0], call.group)
        return {"id": call.scope, "name": "default", "type": SERVICE, "properties": {"isVersioningEnabled": False}}


class BlobContainers(Kind):
    type, model, patch_model = CONTAINER, "storage:BlobContainer", "storage:BlobContainer"
    is_tracked = is_slow = deletes_slowly = tells_state = False
    tells_etag = True

    def check_name(self, call: Call) -> None:
        if not NAME.fullmatch(call.id.name):
            raise AzureError(400, "InvalidResourceName", f"The container name {call.id.name} is invalid.")

    def require_place(self, call: Call, *, for_deletion: bool = False) -> None:
        call.require_group()
        found = call.id
        account = f"{found.scope}/providers/{TYPE}/{found.names[0]}"
        if found.names[1] != "default" or (call.cloud.store.find(account) is None and not for_deletion):
            raise not_found(TYPE, found.names[0], found.group)

    def list_items(self, call: Call) -> Body:
        account = call.cloud.store.find(call.id.parent, TYPE)
        if account is None:
            raise not_found(TYPE, call.id.names[0], call.group)
        call.scope = account.id
        return super().list_items(call)

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given.get("properties") or {}
        account = call.cloud.store.find(call.id.parent.rpartition("/blobServices")[0])
        assert account is not None
        wants_public = asked.get("publicAccess", "None") != "None"
        if wants_public and not account.properties["allowBlobPublicAccess"]:
            message = "Public access is not permitted on this storage account."
            raise AzureError(409, "PublicAccessNotPermitted", message)
        usual = {"publicAccess": "None", "leaseStatus": "Unlocked", "leaseState": "Available", "deleted": False}
        return {"properties": {**usual, **asked}}

    def removed(self, cloud: Cloud, record: Record) -> None:
        cloud.contents.drop(record.id)
