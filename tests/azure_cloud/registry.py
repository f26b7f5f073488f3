"""All types of resources that there are."""

from __future__ import annotations

from collections.abc import Iterator

from azure_cloud.arm import Kind
from azure_cloud.compute import COMPUTE
from azure_cloud.identity.assignments import Permissions, RoleAssignments, RoleDefinitions
from azure_cloud.identity.user_assigned import UserAssignedIdentities
from azure_cloud.keyvault.secrets import VaultSecrets
from azure_cloud.keyvault.vaults import Vaults
from azure_cloud.network import NETWORK
from azure_cloud.storage.accounts import StorageAccounts
from azure_cloud.storage.containers import BlobContainers, BlobServices

KINDS: tuple[type[Kind], ...] = (
    UserAssignedIdentities,
    Permissions,
    RoleAssignments,
    RoleDefinitions,
    Vaults,
    VaultSecrets,
    StorageAccounts,
    BlobServices,
    BlobContainers,
    *NETWORK,
    *COMPUTE,
)


class Registry:
    """Types by their names."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {each.type.lower(): each() for each in KINDS}

    def find(self, type_: str) -> Kind | None:
        return self._kinds.get(type_.lower())

    def list_models(self) -> Iterator[str]:
        """By which bodies are judged."""
        for kind in self._kinds.values():
            yield from (model for model in (kind.model, kind.patch_model) if model)
