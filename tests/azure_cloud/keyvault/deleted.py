"""Deleted vaults, until they are purged."""

from __future__ import annotations

from azure_cloud import pages
from azure_cloud.arm import Body, Call
from azure_cloud.errors import AzureError, conflict
from azure_cloud.judge import judge
from azure_cloud.keyvault.vaults import NAME, TYPE, DeletedVault
from azure_cloud.operations import accept
from google_cloud.clock import render_time
from google_cloud.exchange import Answer

DAY = 86_400


def find(call: Call, name: str) -> DeletedVault:
    found: DeletedVault | None = call.cloud.deleted_vaults.get(name.lower())
    if found is None or found.vault.location != call.location:
        message = f"The specified deleted vault '{name}' does not exist."
        raise AzureError(404, "DeletedVaultNotFound", message)
    return found


def describe(call: Call, found: DeletedVault) -> Body:
    vault = found.vault
    place = f"/subscriptions/{call.subscription}/providers/Microsoft.KeyVault/locations/{vault.location}"
    days = vault.properties["softDeleteRetentionInDays"]
    return {
        "id": f"{place}/deletedVaults/{vault.name}",
        "name": vault.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": vault.id,
            "location": vault.location,
            "tags": vault.body.get("tags") or {},
            "deletionDate": render_time(found.deleted),
            "scheduledPurgeDate": render_time(found.deleted + days * DAY),
            "purgeProtectionEnabled": bool(vault.properties.get("enablePurgeProtection")),
        },
    }


def list_vaults(call: Call) -> Body:
    return pages.render(call, [describe(call, each) for _, each in sorted(call.cloud.deleted_vaults.items())])


def get_vault(call: Call, name: str) -> Body:
    return describe(call, find(call, name))


def purge_vault(call: Call, name: str) -> Answer:
    found = find(call, name)
    if found.vault.properties.get("enablePurgeProtection"):
        raise conflict(
            "MethodNotAllowed", 'Operation "DeletedVaultPurge" is not allowed on this vault: it is protected.'
        )

    def finish() -> None:
        call.cloud.deleted_vaults.pop(name.lower(), None)

    seconds = call.cloud.pace.find("PURGE", TYPE)
    operation = call.cloud.operations.begin(call.cloud, seconds, finish)
    return accept(call, operation, None, 202, located=True)


def check_name(call: Call) -> Body:
    body = judge("keyvault:VaultCheckNameAvailabilityParameters", call.json())
    name = body["name"]
    if not NAME.fullmatch(name):
        return {"nameAvailable": False, "reason": "AccountNameInvalid", "message": f"The name '{name}' is invalid."}
    is_deleted = name.lower() in call.cloud.deleted_vaults
    if is_deleted or any(each.name.lower() == name.lower() for each in call.cloud.store.select(TYPE)):
        message = f"The name '{name}' is already in use{', by a deleted vault' if is_deleted else ''}."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
    return {"nameAvailable": True}
