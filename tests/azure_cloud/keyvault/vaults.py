"""Key vaults.

https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.cloud import Cloud
from azure_cloud.errors import AzureError, conflict, invalid
from azure_cloud.store import Record

NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9]){2,23}")
LEAST_DAYS, MOST_DAYS = 7, 90
DELETED = "deleted"
"""Notes: a vault's secrets that can still be recovered, by name."""
TYPE = "Microsoft.KeyVault/vaults"
SECRETS = f"{TYPE}/secrets"


@dataclass(frozen=True)
class DeletedVault:
    """One that can still be recovered."""

    vault: Record
    secrets: list[Record]
    deleted: float


class Vaults(Kind):
    type, model, patch_model = TYPE, "keyvault:VaultCreateOrUpdateParameters", "keyvault:VaultPatchParameters"
    deletes_slowly = False
    created_status = 200

    def check_name(self, call: Call) -> None:
        name = call.id.name
        if not NAME.fullmatch(name) or len(name) > 24:
            message = (
                f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The "
                "name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens."
            )
            raise invalid(message, "VaultNameNotValid")

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        name, asked = call.id.name, given["properties"]
        if old is None:
            self._check_free(call, name, given, asked)
        elif (given["properties"].get("createMode")) == "recover":
            raise conflict("VaultAlreadyExists", f"The vault {name} is there.")
        if asked["tenantId"].lower() != call.cloud.directory.tenant:
            raise invalid(f"The tenant '{asked['tenantId']}' is not that of the subscription.", "BadRequest")
        days = asked.get("softDeleteRetentionInDays", MOST_DAYS)
        if not LEAST_DAYS <= days <= MOST_DAYS:
            raise invalid("softDeleteRetentionInDays must be from 7 to 90.", "BadRequest")
        if old is not None and days != old.properties["softDeleteRetentionInDays"]:
            message = 'The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.'
            raise invalid(message, "BadRequest")
        if asked.get("enableSoftDelete") is False:
            raise invalid('The property "enableSoftDelete" can be set to false only for vaults of old.', "BadRequest")
        if asked.get("enablePurgeProtection") is False:
            message = 'The property "enablePurgeProtection" cannot be set to false. Leave it out.'
            raise invalid(message, "BadRequest")
        is_by_roles = bool(asked.get("enableRbacAuthorization"))
        if not is_by_roles and "accessPolicies" not in asked:
            message = 'The property "accessPolicies" is required where "enableRbacAuthorization" is not true.'
            raise invalid(message, "BadRequest")
        usual = {
            "accessPolicies": [],
            "enabledForDeployment": False,
            "enableRbacAuthorization": False,
            "enableSoftDelete": True,
            "publicNetworkAccess": "Enabled",
            "softDeleteRetentionInDays": days,
            "vaultUri": f"https://{name}.vault.azure.net/",
        }
        return {**given, "properties": {**usual, **{key: value for key, value in asked.items() if key != "createMode"}}}

    def _check_free(self, call: Call, name: str, given: Body, asked: Body) -> None:
        """Names are the whole world's, those of deleted vaults too."""
        if any(each.name.lower() == name.lower() for each in call.cloud.store.select(TYPE)):
            message = (
                f"The vault name '{name}' is already in use. Vault names are globally unique so it is "
                "possible that the name is already taken."
            )
            raise conflict("VaultAlreadyExists", message)
        deleted: DeletedVault | None = call.cloud.deleted_vaults.get(name.lower())
        if deleted is None:
            if asked.get("createMode") == "recover":
                raise AzureError(404, "DeletedVaultNotFound", f"There is no deleted vault {name}.")
            return
        if asked.get("createMode") != "recover":
            message = (
                "A vault with the same name already exists in deleted state. You need to either recover or purge "
                "existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more "
                "information on soft delete."
            )
            raise conflict("ConflictError", message)
        if deleted.vault.id.lower() != call.scope.lower() or deleted.vault.location != given["location"]:
            raise conflict("ConflictError", f"The deleted vault {name} was of another resource group or location.")
        call.cloud.deleted_vaults.pop(name.lower())
        for secret in deleted.secrets:
            call.cloud.store.add(secret)

    def remove(self, cloud: Cloud, record: Record) -> None:
        secrets = cloud.store.select(SECRETS, record.id)
        cloud.deleted_vaults[record.name.lower()] = DeletedVault(record, secrets, cloud.now)
        super().remove(cloud, record)
