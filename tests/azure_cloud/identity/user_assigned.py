"""User-assigned identities."""

from __future__ import annotations

from azure_cloud.arm import Body, Call, Kind
from azure_cloud.cloud import Cloud
from azure_cloud.identity.directory import Principal
from azure_cloud.store import Record


class UserAssignedIdentities(Kind):
    type, model = "Microsoft.ManagedIdentity/userAssignedIdentities", "msi:Identity"
    patch_model = "msi:IdentityUpdate"
    name_pattern = r"[A-Za-z0-9][\w-]{2,127}"
    is_slow = deletes_slowly = tells_state = False

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        if old is None:
            ids = {"principalId": call.cloud.make_guid(), "clientId": call.cloud.make_guid()}
            principal = Principal(ids["principalId"], ids["clientId"], "ServicePrincipal", call.id.name, call.now)
            call.cloud.directory.add(principal)
        else:
            ids = {name: old.properties[name] for name in ("principalId", "clientId")}
        more = {"isolationScope": (given.get("properties") or {}).get("isolationScope", "None")}
        return {
            **given,
            "tags": given.get("tags", {}),
            "properties": {**ids, "tenantId": call.cloud.directory.tenant, **more},
        }

    def removed(self, cloud: Cloud, record: Record) -> None:
        """Roles that it had stay, for nobody."""
        cloud.directory.principals.pop(record.properties["principalId"], None)
