"""Storage accounts."""

from __future__ import annotations

import re

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.cloud import Cloud
from azure_cloud.errors import conflict, invalid
from azure_cloud.judge import judge
from azure_cloud.operations import accept
from azure_cloud.store import Record
from google_cloud.clock import render_time
from google_cloud.exchange import Answer

NAME = re.compile(r"[a-z0-9]{3,24}")
TYPE = "Microsoft.Storage/storageAccounts"
CONTAINER = f"{TYPE}/blobServices/containers"
KINDS = ("StorageV2", "BlockBlobStorage")


class StorageAccounts(Kind):
    type, model, patch_model = TYPE, "storage:StorageAccountCreateParameters", "storage:StorageAccountUpdateParameters"
    deletes_slowly = False

    def check_name(self, call: Call) -> None:
        if not NAME.fullmatch(call.id.name):
            message = (
                f"{call.id.name} is not a valid storage account name. Storage account name must be between 3 and 24 "
                "characters in length and use numbers and lower-case letters only."
            )
            raise invalid(message, "AccountNameInvalid")

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        name, asked = call.id.name, given.get("properties") or {}
        if old is None and any(each.name == name for each in call.cloud.store.select(TYPE)):
            message = f"The storage account named {name} is already taken."
            raise conflict("StorageAccountAlreadyTaken", message)
        if given["kind"] not in KINDS:
            raise invalid(f"The kind {given['kind']} is not supported here.", "NotSupported")
        usual = {
            "accessTier": "Hot",
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": True,
            "encryption": {"keySource": "Microsoft.Storage"},
            "minimumTlsVersion": "TLS1_0",
            "networkAcls": {
                "bypass": "AzureServices",
                "defaultAction": "Allow",
                "ipRules": [],
                "virtualNetworkRules": [],
            },
            "publicNetworkAccess": "Enabled",
            "supportsHttpsTrafficOnly": True,
        }
        fixed = {
            "creationTime": render_time(call.now if old is None else old.created),
            "primaryEndpoints": {
                "blob": f"https://{name}.blob.core.windows.net/",
                "dfs": f"https://{name}.dfs.core.windows.net/",
            },
            "primaryLocation": given["location"],
            "statusOfPrimary": "available",
        }
        sku = {"tier": given["sku"]["name"].partition("_")[0], **given["sku"]}
        return {**given, "tags": given.get("tags", {}), "sku": sku, "properties": {**usual, **asked, **fixed}}

    def begin(self, call: Call, record: Record, status: int, *, located: bool = False) -> Answer:
        """Changes are done at once; what is made takes its time, and is told of at another address only."""
        if status == 200:
            record.state = "Succeeded"
            return self.answer(call, record, status)

        def finish() -> Body:
            record.state = "Succeeded"
            return self.tell(call.cloud, record)

        seconds = call.cloud.pace.find("PUT", self.type)
        operation = call.cloud.operations.begin(call.cloud, seconds, finish)
        answer = accept(call, operation, None, 202, located=True)
        headers = {name: value for name, value in answer.headers.items() if name != "Azure-AsyncOperation"}
        return Answer(b"", 202, headers=headers)

    def remove(self, cloud: Cloud, record: Record) -> None:
        for container in cloud.store.select(CONTAINER, record.id):
            cloud.contents.drop(container.id)
        super().remove(cloud, record)


def check_name(call: Call) -> Body:
    name = judge("storage:StorageAccountCheckNameAvailabilityParameters", call.json())["name"]
    if not NAME.fullmatch(name):
        return {"nameAvailable": False, "reason": "AccountNameInvalid", "message": f"{name} is no valid name."}
    if any(each.name == name for each in call.cloud.store.select(TYPE)):
        message = f"The storage account named {name} is already taken."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
    return {"nameAvailable": True}
