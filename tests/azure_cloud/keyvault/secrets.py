"""Secrets of vaults, as Resource Manager makes them: it never tells their values."""

from __future__ import annotations

import re

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.errors import conflict, invalid
from azure_cloud.keyvault.vaults import DELETED, SECRETS
from azure_cloud.store import Record

MOST_BYTES = 25_600


class VaultSecrets(Kind):
    type, model, patch_model = SECRETS, "keyvault:SecretCreateOrUpdateParameters", "keyvault:SecretPatchParameters"
    name_pattern = r"[A-Za-z0-9-]{1,127}"
    is_tracked = is_slow = tells_state = False
    methods = frozenset({"GET", "PUT", "PATCH", "LIST"})

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked = given["properties"]
        value = asked.get("value")
        vault_record = call.cloud.store.find(call.id.parent)
        assert vault_record is not None
        if call.id.name.lower() in vault_record.notes.get(DELETED, {}):
            message = (
                f"Secret {call.id.name} is currently in a deleted but recoverable state, and its name cannot be reused;"
                " in this state, the secret can only be recovered or purged."
            )
            raise conflict("ConflictError", message)
        if value is not None and len(value.encode()) > MOST_BYTES:
            raise invalid("The value of a secret has at most 25600 bytes.", "BadParameter")
        vault = call.id.names[0]
        version = re.sub("-", "", call.cloud.make_guid())
        place = f"https://{vault}.vault.azure.net/secrets/{call.id.name}"
        attributes = {
            "enabled": True,
            **(asked.get("attributes") or {}),
            "created": int(call.now if old is None else old.created),
            "updated": int(call.now),
        }
        told = {key: value for key, value in asked.items() if key != "value"}
        more = {"attributes": attributes, "secretUri": place, "secretUriWithVersion": f"{place}/{version}"}
        tags = {key: value for key, value in given.items() if key == "tags"}
        return {"location": vault_record.location, **tags, "properties": {**told, **more}}
