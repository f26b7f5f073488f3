"""Built-in roles: a part of what Azure has.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
DELEGATION = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
SECRETS = "Microsoft.KeyVault/vaults/secrets"


@dataclass(frozen=True)
class Role:
    """What somebody may do."""

    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    id: str = field(default="", compare=False)

    def allows(self, action: str, *, is_data: bool) -> bool:
        if is_data:
            return matches(action, self.data_actions)
        return matches(action, self.actions) and not matches(action, self.not_actions)

    def render_id(self, scope: str) -> str:
        return f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{self.id}"

    def describe(self, scope: str) -> dict[str, Any]:
        return {
            "id": self.render_id(scope),
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": self.id,
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "description": self.name,
                "assignableScopes": ["/"],
                "permissions": [
                    {
                        "actions": list(self.actions),
                        "notActions": list(self.not_actions),
                        "dataActions": list(self.data_actions),
                        "notDataActions": [],
                    }
                ],
            },
        }


def matches(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


AUTHORIZATION_CHANGES = (
    "Microsoft.Authorization/*/Delete",
    "Microsoft.Authorization/*/Write",
    "Microsoft.Authorization/elevateAccess/Action",
)
READ_CONTAINERS = (f"{CONTAINERS}/read", DELEGATION)
CHANGE_CONTAINERS = (f"{CONTAINERS}/delete", f"{CONTAINERS}/read", f"{CONTAINERS}/write", DELEGATION)
CHANGE_BLOBS = (*(f"{BLOBS}/{each}" for each in ("delete", "read", "write", "move/action", "add/action")),)

ROLES: Mapping[str, Role] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": Role("Owner", ("*",)),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": Role("Contributor", ("*",), AUTHORIZATION_CHANGES),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": Role("Reader", ("*/read",)),
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": Role(
        "User Access Administrator", ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*")
    ),
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": Role(
        "Role Based Access Control Administrator",
        (
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ),
    ),
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": Role(
        "Key Vault Administrator", ("Microsoft.KeyVault/vaults/read",), (), ("Microsoft.KeyVault/vaults/*",)
    ),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": Role(
        "Key Vault Secrets Officer", ("Microsoft.KeyVault/vaults/read",), (), (f"{SECRETS}/*",)
    ),
    "4633458b-17de-408a-b874-0445c86b69e6": Role(
        "Key Vault Secrets User", (), (), (f"{SECRETS}/getSecret/action", f"{SECRETS}/readMetadata/action")
    ),
    "21090545-7ca7-4776-b22c-e363652d74d2": Role(
        "Key Vault Reader",
        ("Microsoft.KeyVault/vaults/read",),
        (),
        ("Microsoft.KeyVault/vaults/*/read", f"{SECRETS}/readMetadata/action"),
    ),
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": Role(
        "Storage Blob Data Owner", (f"{CONTAINERS}/*", DELEGATION), (), (f"{BLOBS}/*",)
    ),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role("Storage Blob Data Contributor", CHANGE_CONTAINERS, (), CHANGE_BLOBS),
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Role("Storage Blob Data Reader", READ_CONTAINERS, (), (f"{BLOBS}/read",)),
    "9980e02c-c2be-4d73-94e8-173b1dc7cf3c": Role(
        "Virtual Machine Contributor",
        ("Microsoft.Compute/*", "Microsoft.Network/networkInterfaces/*", "Microsoft.Resources/*/read"),
    ),
    "4d97b98b-1d4f-4787-a291-c67834d212e7": Role(
        "Network Contributor", ("Microsoft.Network/*", "Microsoft.Resources/subscriptions/resourceGroups/read")
    ),
    "f1a07417-d97a-45cb-824c-7a7467783830": Role(
        "Managed Identity Operator",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
        ),
    ),
}
"""By their GUIDs."""
BUILT_IN = {id_: Role(each.name, each.actions, each.not_actions, each.data_actions, id_) for id_, each in ROLES.items()}


def find_role(text: str) -> Role | None:
    """By its identifier or the end of it, or by its name."""
    last = text.rstrip("/").rpartition("/")[2].lower()
    named = (each for each in BUILT_IN.values() if each.name == text)
    return BUILT_IN.get(last) or next(named, None)
