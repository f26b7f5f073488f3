"""Role assignments and role definitions, at any scope.

https://learn.microsoft.com/rest/api/authorization/role-assignments
"""

from __future__ import annotations

import re

from azure_cloud import pages
from azure_cloud.arm import Body, Call, Kind
from azure_cloud.errors import AzureError, conflict, no_group
from azure_cloud.identity.access import ASSIGNMENTS, list_roles
from azure_cloud.identity.conditions import evaluate
from azure_cloud.identity.roles import BUILT_IN, find_role
from azure_cloud.ids import GUID, is_same, make_key, parse_id
from azure_cloud.store import Record
from google_cloud.clock import render_time
from google_cloud.exchange import Answer

PRINCIPAL = re.compile(r"(principalId|assignedTo\()\s*(?:eq )?'([^']*)'\)?", re.IGNORECASE)


class RoleAssignments(Kind):
    type, model = ASSIGNMENTS, "authorization:RoleAssignmentCreateParameters"
    name_pattern = GUID.pattern
    is_tracked = is_slow = deletes_slowly = tells_state = False
    methods = frozenset({"GET", "PUT", "DELETE", "LIST"})

    def check_name(self, call: Call) -> None:
        if not GUID.fullmatch(call.id.name):
            message = f"The role assignment ID '{call.id.name}' is not valid. The role assignment ID must be a GUID."
            raise AzureError(400, "InvalidRoleAssignmentId", message)

    def require_place(self, call: Call, *, for_deletion: bool = False) -> None:
        require_scope(call, call.id.scope)

    def prepare(self, call: Call, given: Body, old: Record | None) -> Body:
        asked, scope = given["properties"], call.id.scope
        role = find_role(asked["roleDefinitionId"])
        if role is None or not make_key(asked["roleDefinitionId"]).endswith(f"/roledefinitions/{role.id}"):
            message = f"The specified role definition with ID '{asked['roleDefinitionId']}' does not exist."
            raise AzureError(400, "RoleDefinitionDoesNotExist", message)
        self._check_principal(call, asked)
        if asked.get("condition"):
            if asked.get("conditionVersion") != "2.0":
                message = "The condition version must be 2.0 where there is a condition."
                raise AzureError(400, "RoleAssignmentConditionVersionInvalid", message)
            evaluate(asked["condition"], "", {})
        made: Body = {
            "condition": None,
            "conditionVersion": None,
            "description": None,
            **asked,
            "principalType": asked.get("principalType") or call.cloud.directory.principals[asked["principalId"]].kind,
            "roleDefinitionId": role.render_id(f"/subscriptions/{call.subscription}"),
            "scope": scope,
            "createdOn": render_time(call.now if old is None else old.created),
            "updatedOn": render_time(call.now),
        }
        self._check_same(call, made, old)
        return {"properties": made}

    def _check_principal(self, call: Call, asked: Body) -> None:
        """A new principal is not known everywhere at once: who says what it is has it taken nevertheless."""
        known = call.cloud.directory.principals.get(asked["principalId"])
        kind = asked.get("principalType")
        is_seen = known is not None and (kind or known.created + call.cloud.pace.replication <= call.now)
        if known is None or not is_seen:
            message = (
                f"Principal {asked['principalId'].replace('-', '')} does not exist in the directory "
                f"{call.cloud.directory.tenant}. Check that you have the correct principal ID. If you are creating "
                "this principal and then immediately assigning a role, this error might be related to a replication "
                "delay. In this case, set the role assignment principalType property to a value, such as "
                "ServicePrincipal, User, or Group."
            )
            raise AzureError(400, "PrincipalNotFound", message)
        if kind not in (None, known.kind):
            message = (
                f"The PrincipalId '{known.id}' has type '{known.kind}', which is different from specified "
                f"PrincipalType '{kind}'."
            )
            raise AzureError(400, "UnmatchedPrincipalType", message)

    def _check_same(self, call: Call, made: Body, old: Record | None) -> None:
        kept = ("principalId", "roleDefinitionId")
        if old is not None and any(not is_same(old.properties[name], made[name]) for name in kept):
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise AzureError(400, "RoleAssignmentUpdateNotPermitted", message)
        for other in call.cloud.store.select(ASSIGNMENTS):
            same = all(is_same(other.properties[name], made[name]) for name in (*kept, "scope"))
            if same and other is not old:
                raise conflict(
                    "RoleAssignmentExists",
                    f"The role assignment already exists. The ID of the existing role assignment is "
                    f"{other.name.replace('-', '')}.",
                )

    def delete(self, call: Call) -> Answer:
        record = call.cloud.store.find(call.scope)
        if record is None:
            return Answer(b"", 204)
        told = self.tell(call.cloud, record)
        self.remove(call.cloud, record)
        return Answer(told)

    def get(self, call: Call) -> Body | Answer:
        record = call.cloud.store.find(call.scope)
        if record is None:
            message = f"The role assignment '{call.id.name}' is not found."
            raise AzureError(404, "RoleAssignmentNotFound", message)
        return self.tell(call.cloud, record)

    def list_items(self, call: Call) -> Body:
        """Those at a scope, above it, and below it too unless the filter says `atScope()`."""
        require_scope(call, call.scope)
        text, scope = call.query.get("$filter", ""), make_key(call.scope)
        wanted = PRINCIPAL.search(text)
        at_scope = "atscope()" in text.lower()
        if text and wanted is None and not at_scope:
            raise AzureError(400, "InvalidFilter", f"The filter '{text}' is not supported.")
        found = []
        for record in call.cloud.store.select(ASSIGNMENTS):
            own = make_key(record.properties["scope"])
            is_in = f"{scope}/".startswith(f"{own}/") or (not at_scope and own.startswith(f"{scope}/"))
            if is_in and (wanted is None or is_same(record.properties["principalId"], wanted[2])):
                found.append(self.tell(call.cloud, record))
        return pages.render(call, found)


class RoleDefinitions(Kind):
    type, model = "Microsoft.Authorization/roleDefinitions", ""
    methods = frozenset({"GET", "LIST"})

    def get(self, call: Call) -> Body | Answer:
        role = BUILT_IN.get(call.id.name.lower())
        if role is None:
            message = f"The specified role definition with ID '{call.id.name}' does not exist."
            raise AzureError(404, "RoleDefinitionDoesNotExist", message)
        return role.describe(call.id.scope)

    def list_items(self, call: Call) -> Body:
        text = call.query.get("$filter", "")
        named = re.fullmatch(r"\s*roleName eq '([^']*)'\s*", text, re.IGNORECASE)
        roles = [each for each in BUILT_IN.values() if named is None or each.name == named[1]]
        return pages.render(call, [role.describe(call.scope) for role in roles])


class Permissions(Kind):
    """What the caller may do somewhere."""

    type, model = "Microsoft.Authorization/permissions", ""
    methods = frozenset({"LIST"})

    def list_items(self, call: Call) -> Body:
        require_scope(call, call.scope)
        roles = [role for role, _ in list_roles(call.cloud, call.caller, call.scope)]
        return pages.render(call, [role.describe(call.scope)["properties"]["permissions"][0] for role in roles])


def require_scope(call: Call, scope: str) -> None:
    """Refuse a scope that is not there."""
    parts = scope.strip("/").split("/")
    if scope.lower() == call.cloud.directory.subscription.lower():
        return
    if call.cloud.store.find("/" + "/".join(parts[:4])) is None:
        raise no_group(parts[3] if len(parts) > 3 else scope)
    if len(parts) > 4 and call.cloud.store.find(scope) is None:
        parsed = parse_id(scope)
        message = (
            f"The resource '{scope}' was not found."
            if parsed is None
            else f"The Resource '{parsed.type}/{parsed.name}' under resource group '{parsed.group}' was not found."
        )
        raise AzureError(404, "ResourceNotFound", message)
